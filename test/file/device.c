/* SPDX-License-Identifier: GPL-2.0-only */
/* devices that keep nothing, one of them deleted */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "victim.h"

static int null, zero, full, urandom, deleted, kmsg;

static bool make(void)
{
	kmsg = open("/dev/kmsg", O_WRONLY); /* may be missing */
	return expect((null = open("/dev/null", O_WRONLY | O_APPEND)) >= 0) &&
	       expect((zero = open("/dev/zero", O_RDWR)) >= 0) &&
	       expect((full = open("/dev/full", O_RDWR | O_NONBLOCK)) >= 0) &&
	       expect((urandom = open("/dev/urandom", O_RDONLY)) >= 0) &&
	       expect(mknod("mine", S_IFCHR | 0620, makedev(1, 5)) == 0) &&
	       expect(chmod("mine", 0620) == 0) &&
	       expect((deleted = open("mine", O_RDONLY)) >= 0) && expect(unlink("mine") == 0);
}

static bool same(void)
{
	char buf[7] = "xxxxxxx", more[7] = "";
	struct stat st;

	return expect(write(null, buf, 7) == 7) && expect(fcntl(null, F_GETFL) & O_APPEND) &&
	       expect(read(zero, buf, 7) == 7) && expect(memcmp(buf, "\0\0\0\0\0\0\0", 7) == 0) &&
	       expect(write(full, buf, 7) == -1 && errno == ENOSPC) &&
	       expect(fcntl(full, F_GETFL) & O_NONBLOCK) &&
	       expect(read(urandom, buf, 7) == 7 && read(urandom, more, 7) == 7) &&
	       expect(memcmp(buf, more, 7)) && expect(fstat(deleted, &st) == 0) &&
	       expect(st.st_rdev == makedev(1, 5)) && expect((st.st_mode & 0777) == 0620) &&
	       expect(read(deleted, buf, 7) == 7) && expect(buf[3] == 0) &&
	       expect(kmsg < 0 || fcntl(kmsg, F_GETFL) >= 0);
}

VICTIM(make, same)
