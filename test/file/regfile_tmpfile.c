/* SPDX-License-Identifier: GPL-2.0-only */
/* a file that never had a name keeps its content, and can still be given one */
#include <sys/stat.h>

#include "victim.h"

static int fd;

static bool make(void)
{
	fd = open(".", O_TMPFILE | O_RDWR, 0640);
	if (fd < 0 && errno == EOPNOTSUPP)
		skip("this file system has no O_TMPFILE");
	return expect(fd >= 0) && expect(write(fd, "nameless", 8) == 8) &&
	       expect(lseek(fd, 4, SEEK_SET) == 4);
}

static bool same(void)
{
	char buf[9] = "", path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return expect(read(fd, buf, 8) == 4) && expect(strcmp(buf, "less") == 0) &&
	       expect(fstat(fd, &st) == 0) && expect((st.st_mode & 0777) == 0640) &&
	       expect(st.st_nlink == 0) &&
	       expect(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0) &&
	       expect(access("named", F_OK) == 0);
}

VICTIM(make, same)
