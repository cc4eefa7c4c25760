/* SPDX-License-Identifier: GPL-2.0-only */
/* the console and virtual terminals */
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "victim.h"

static const char *const names[] = { "/dev/console", "/dev/tty1", "/dev/tty2", "/dev/ttyS0" };

static int fds[4];
static struct termios was[4];

static bool make(void)
{
	int n = 0;

	for (int i = 0; i < 4; i++) {
		fds[i] = open(names[i], O_RDWR | O_NOCTTY | O_NONBLOCK);
		if (fds[i] >= 0 && tcgetattr(fds[i], &was[i]) < 0) {
			close(fds[i]);
			fds[i] = -1;
		}
		n += fds[i] >= 0;
	}
	if (!n)
		skip("this machine has no console, virtual terminal or serial line");
	return true;
}

static bool same(void)
{
	struct termios now;
	struct stat st, want;

	for (int i = 0; i < 4; i++)
		if (fds[i] >= 0 &&
		    (!expect(fstat(fds[i], &st) == 0 && stat(names[i], &want) == 0) ||
		     !expect(st.st_rdev == want.st_rdev) || !expect(tcgetattr(fds[i], &now) == 0) ||
		     !expect(now.c_lflag == was[i].c_lflag) ||
		     !expect(fcntl(fds[i], F_GETFL) & O_NONBLOCK)))
			return false;
	return true;
}

VICTIM(make, same)
