/* SPDX-License-Identifier: GPL-2.0-only */
/* pty ends whose other end has gone, or has not come yet */
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "victim.h"

static int hung, hung_too, closed, fresh;
static char hung_link[64];

static int open_pair(int *slave_ret)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY), unlocked = 0;

	if (fd < 0 || ioctl(fd, TIOCSPTLCK, &unlocked) < 0)
		return -1;
	*slave_ret = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	return *slave_ret < 0 ? -1 : fd;
}

static const char *link_of(int fd)
{
	static char text[64];
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static bool make(void)
{
	int master = open_pair(&hung), slave;
	struct winsize size = { .ws_row = 11, .ws_col = 13 };

	if (!expect(master >= 0) ||
	    !expect((hung_too = open(ptsname(master), O_RDONLY | O_NOCTTY)) >= 0) ||
	    !expect((closed = open_pair(&slave)) >= 0))
		return false;
	close(master);
	strcpy(hung_link, link_of(hung));
	return expect(write(slave, "last words", 10) == 10) &&
	       expect(write(closed, "too late\n", 9) == 9) &&
	       expect(ioctl(closed, TIOCSWINSZ, &size) == 0) && expect(close(slave) == 0) &&
	       expect((fresh = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)) >= 0);
}

static int events(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static bool is_hung_up(int fd)
{
	struct termios t;
	char c;

	return expect(read(fd, &c, 1) == 0) && expect(tcgetattr(fd, &t) < 0 && errno == EIO) &&
	       expect(strcmp(link_of(fd), hung_link) == 0) &&
	       expect(strstr(hung_link, " (deleted)"));
}

static bool same(void)
{
	char buf[64];
	struct winsize size;
	int slave, locked = 0;

	if (!is_hung_up(hung) || !is_hung_up(hung_too) ||
	    !expect(write(hung, "x", 1) < 0 && errno == EIO))
		return false;
	if (!expect(events(closed) == (POLLIN | POLLHUP)) ||
	    !expect(ioctl(closed, TIOCGWINSZ, &size) == 0) ||
	    !expect(size.ws_row == 11 && size.ws_col == 13) ||
	    !expect(read(closed, buf, sizeof(buf)) == 20) ||
	    !expect(memcmp(buf, "last wordstoo late\r\n", 20) == 0) ||
	    !expect(read(closed, buf, sizeof(buf)) < 0 && errno == EIO))
		return false;
	slave = open(ptsname(closed), O_RDWR | O_NOCTTY);
	return expect(slave >= 0) && expect(read(slave, buf, sizeof(buf)) == 9) &&
	       expect(memcmp(buf, "too late\n", 9) == 0) && expect(events(fresh) == 0) &&
	       expect(read(fresh, buf, 1) < 0 && errno == EAGAIN) &&
	       expect(ioctl(fresh, TIOCGPTLCK, &locked) == 0) && expect(locked);
}

VICTIM(make, same)
