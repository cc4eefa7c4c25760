/* SPDX-License-Identifier: GPL-2.0-only */
/* more unread bytes than a terminal itself holds, and output that was stopped */
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "victim.h"

enum { MOST = 40000, PIECE = 499 };

static int master, slave, paused, paused_slave, input, output;

static int open_raw_pair(int *slave_ret, bool raw)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY), unlocked = 0;
	struct termios t;

	if (fd < 0 || ioctl(fd, TIOCSPTLCK, &unlocked) < 0)
		return -1;
	*slave_ret = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	if (*slave_ret < 0 || tcgetattr(*slave_ret, &t) < 0)
		return -1;
	if (raw)
		cfmakeraw(&t);
	t.c_cc[VMIN] = 200;
	return tcsetattr(*slave_ret, TCSANOW, &t) < 0 ? -1 : fd;
}

static char pattern(int i)
{
	return (char)(i * 7 + i / 251);
}

/* As much as fits; returns how much that is. */
static int fill(int fd)
{
	char buf[PIECE];
	ssize_t n = 0;
	int sum;

	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	for (sum = 0; sum < MOST; sum += (int)n) {
		for (int i = 0; i < PIECE; i++)
			buf[i] = pattern(sum + i);
		n = write(fd, buf, sizeof(buf));
		if (n <= 0)
			break;
	}
	fcntl(fd, F_SETFL, O_RDWR);
	return sum;
}

static bool is_ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) > 0 && (p.revents & events);
}

/* Start and stop take effect when the kernel finds the time. */
static bool becomes_ready(int fd, short events, bool want)
{
	for (int i = 0; i < 1000 && is_ready(fd, events) != want; i++)
		victim_sleep(5);
	return is_ready(fd, events) == want;
}

static bool make(void)
{
	return expect((master = open_raw_pair(&slave, true)) >= 0) &&
	       expect((input = fill(master)) > 8192) && expect((output = fill(slave)) > 8192) &&
	       expect((paused = open_raw_pair(&paused_slave, false)) >= 0) &&
	       expect(write(paused_slave, "seen", 4) == 4) &&
	       expect(write(paused, "\023", 1) == 1) &&
	       expect(becomes_ready(paused_slave, POLLOUT, false));
}

static bool get(int fd, int n)
{
	char buf[64];

	for (int i = 0; i < n;) {
		ssize_t got = read(fd, buf, n - i < 64 ? (size_t)(n - i) : sizeof(buf));

		if (!expect(got > 0))
			return false;
		for (int k = 0; k < got; k++, i++)
			if (!expect(buf[k] == pattern(i)))
				return false;
	}
	return true;
}

static bool same(void)
{
	struct termios t;
	char buf[64];

	return expect(tcgetattr(slave, &t) == 0) && expect(t.c_cc[VMIN] == 200) &&
	       expect((t.c_cc[VMIN] = 1) && tcsetattr(slave, TCSANOW, &t) == 0) &&
	       get(slave, input) && expect(!is_ready(slave, POLLIN)) && get(master, output) &&
	       expect(!is_ready(master, POLLIN)) && expect(read(paused, buf, sizeof(buf)) == 4) &&
	       expect(!is_ready(paused_slave, POLLOUT)) && expect(write(paused, "\021", 1) == 1) &&
	       expect(becomes_ready(paused_slave, POLLOUT, true)) &&
	       expect(write(paused_slave, "more", 4) == 4) &&
	       expect(read(paused, buf, sizeof(buf)) == 4);
}

VICTIM(make, same)
