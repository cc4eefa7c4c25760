/* SPDX-License-Identifier: GPL-2.0-only */
/* a pipe keeps what is inside, its size, and which descriptor is which open file */
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "victim.h"

enum { SIZE = 32768, LENGTH = 4099, KCMP_FILE = 0 };

static int ends[2], again, wide, twin, path;

static bool set_flags(int fd, int flags)
{
	return fcntl(fd, F_SETFL, flags) == 0;
}

static bool is_one(int a, int b)
{
	return syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b) == 0;
}

static int reopen(int fd, int flags)
{
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return open(name, flags);
}

static unsigned char pattern(int i)
{
	return (unsigned char)(i * 7 + i / 256);
}

static bool make(void)
{
	unsigned char buf[LENGTH];
	int i;

	for (i = 0; i < LENGTH; i++)
		buf[i] = pattern(i);
	return expect(pipe(ends) == 0) && expect(fcntl(ends[0], F_SETPIPE_SZ, SIZE) == SIZE) &&
	       expect((again = reopen(ends[0], O_RDONLY | O_NONBLOCK | O_CLOEXEC)) >= 0) &&
	       expect((wide = reopen(ends[1], O_RDWR)) >= 0) &&
	       expect((twin = dup2(ends[1], 77)) == 77) &&
	       expect((path = reopen(ends[0], O_PATH)) >= 0) &&
	       expect(set_flags(ends[1], O_NONBLOCK)) && expect(fchown(ends[0], 1234, 4321) == 0) &&
	       expect(fchmod(ends[0], 0642) == 0) && expect(write(ends[1], buf, LENGTH) == LENGTH);
}

static bool same_content(void)
{
	unsigned char buf[LENGTH + 1];
	int i, n;

	if (!expect(ioctl(ends[0], FIONREAD, &n) == 0) || !expect(n == LENGTH) ||
	    !expect(read(again, buf, sizeof(buf)) == LENGTH))
		return false;
	for (i = 0; i < LENGTH; i++)
		if (!expect(buf[i] == pattern(i)))
			return false;
	return expect(read(again, buf, 1) == -1) && expect(errno == EAGAIN);
}

static bool same_flags(void)
{
	struct stat st;

	return expect((fcntl(ends[0], F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == O_RDONLY) &&
	       expect(fcntl(ends[1], F_GETFL) == (O_WRONLY | O_NONBLOCK)) &&
	       expect((fcntl(again, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) ==
		      (O_RDONLY | O_NONBLOCK)) &&
	       expect((fcntl(wide, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == O_RDWR) &&
	       expect(fcntl(path, F_GETFL) & O_PATH) &&
	       expect(fcntl(again, F_GETFD) == FD_CLOEXEC) && expect(fcntl(wide, F_GETFD) == 0) &&
	       expect(is_one(ends[1], twin)) && expect(!is_one(ends[0], again)) &&
	       expect(!is_one(ends[1], wide)) && expect(fstat(wide, &st) == 0) &&
	       expect(st.st_uid == 1234) && expect(st.st_gid == 4321) &&
	       expect((st.st_mode & 07777) == 0642);
}

static bool same(void)
{
	char c = 0;

	return same_flags() && expect(fcntl(ends[1], F_GETPIPE_SZ) == SIZE) && same_content() &&
	       expect(write(twin, "x", 1) == 1) && expect(read(wide, &c, 1) == 1) &&
	       expect(c == 'x');
}

VICTIM(make, same)
