/* SPDX-License-Identifier: GPL-2.0-only */
/* pty pairs keep number, settings, size, owner and modes, and what both sides have not read */
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include "victim.h"

static int master, slave, reader, packet, packet_slave, lower;
static struct termios was;
static char name[64];

static int open_pair(int *slave_ret)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY), unlocked = 0;

	if (fd < 0 || ioctl(fd, TIOCSPTLCK, &unlocked) < 0)
		return -1;
	*slave_ret = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	return *slave_ret < 0 ? -1 : fd;
}

static bool make_settings(void)
{
	struct winsize size = { .ws_row = 33, .ws_col = 77, .ws_xpixel = 5, .ws_ypixel = 7 };

	if (!expect(tcgetattr(slave, &was) == 0))
		return false;
	was.c_iflag |= IXANY | IUTF8;
	was.c_oflag |= ONLCR;
	was.c_lflag &= ~(tcflag_t)ECHOE;
	was.c_cc[VINTR] = 7;
	was.c_cc[VEOL2] = '#';
	cfsetospeed(&was, B57600);
	cfsetispeed(&was, B57600);
	return expect(tcsetattr(slave, TCSANOW, &was) == 0) &&
	       expect(tcgetattr(slave, &was) == 0) &&
	       expect(ioctl(master, TIOCSWINSZ, &size) == 0) && expect(fchmod(slave, 0602) == 0) &&
	       expect(fchown(slave, 7, 9) == 0);
}

/* In canonical mode: a line, one that ended by end of file, one that has no end yet. */
static bool make_unread(void)
{
	int n = 0;

	if (!expect(write(master, "first\nsecond\004third", 18) == 18))
		return false;
	/* echo comes when the kernel finds the time */
	for (int i = 0; i < 1000 && n < 18; i++) {
		victim_sleep(5);
		ioctl(master, FIONREAD, &n);
	}
	return expect(n == 18) && expect(write(slave, "output\n", 7) == 7);
}

static bool make(void)
{
	int on = 1;

	lower = open_pair(&slave);
	close(slave);
	master = open_pair(&slave);
	packet = open_pair(&packet_slave);
	if (!expect(lower >= 0 && master >= 0 && packet >= 0))
		return false;
	close(lower); /* so that a number is free below ours */
	snprintf(name, sizeof(name), "%s", ptsname(master));
	return make_settings() &&
	       expect((reader = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY)) >= 0) &&
	       make_unread() && expect(ioctl(packet, TIOCPKT, &on) == 0) &&
	       expect(write(packet_slave, "data", 4) == 4) &&
	       expect(ioctl(packet_slave, TIOCEXCL) == 0);
}

static bool settings_are_kept(void)
{
	struct termios now;
	struct winsize size;
	struct stat st;
	int on = 0, excl = 0;

	return expect(tcgetattr(slave, &now) == 0) &&
	       expect(memcmp(&now, &was, sizeof(now)) == 0) &&
	       expect(ioctl(slave, TIOCGWINSZ, &size) == 0) &&
	       expect(size.ws_row == 33 && size.ws_col == 77) &&
	       expect(size.ws_xpixel == 5 && size.ws_ypixel == 7) &&
	       expect(strcmp(name, ptsname(master)) == 0) && expect(stat(name, &st) == 0) &&
	       expect((st.st_mode & 07777) == 0602) && expect(st.st_uid == 7 && st.st_gid == 9) &&
	       expect(ioctl(packet, TIOCGPKT, &on) == 0 && on) &&
	       expect(ioctl(packet_slave, TIOCGEXCL, &excl) == 0 && excl) &&
	       expect(fcntl(reader, F_GETFL) & O_NONBLOCK);
}

static bool reads(int fd, const char *want, size_t n)
{
	char buf[256];

	return expect(read(fd, buf, sizeof(buf)) == (ssize_t)n) &&
	       expect(memcmp(buf, want, n) == 0);
}

static bool has_nothing(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return expect(poll(&p, 1, 0) == 0);
}

static bool same(void)
{
	/* echo of what was typed, ONLCR, then the output */
	static const char echoed[] = "first\r\nsecondthirdoutput\r\n";

	if (!settings_are_kept() || !reads(reader, "first\n", 6) || !reads(slave, "second", 6) ||
	    !has_nothing(slave))
		return false;
	if (!reads(master, echoed, sizeof(echoed) - 1) || !has_nothing(master))
		return false;
	/* 0x7f erases one of what is no line yet */
	return expect(write(master, "\177D#", 3) == 3) && reads(slave, "thirD#", 6) &&
	       reads(packet, "\0data", 5) && expect(write(slave, "x", 1) == 1) &&
	       expect(close(slave) == 0 && close(reader) == 0);
}

VICTIM(make, same)
