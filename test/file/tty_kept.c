/* SPDX-License-Identifier: GPL-2.0-only */
/* a controlling terminal that nobody has open, one that only /dev/tty leads to, and one in other hands */
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "victim.h"

enum { NOWHERE, BY_TTY, BY_OTHERS, CASES };

static int masters[CASES], asks[CASES], says[CASES], kept;
static pid_t leaders[CASES];

/* The letter is written to the terminal when it is asked for. */
static void leader_main(int which, const char *name, int in, int out)
{
	int slave, fd;
	char c;

	setsid();
	slave = open(name, O_RDWR);
	fd = open("/dev/tty", O_RDWR);
	close(slave);
	if (which != BY_TTY)
		close(fd);
	while (read(in, &c, 1) == 1) {
		if (which != BY_TTY)
			fd = open("/dev/tty", O_RDWR);
		if (fd < 0 || tcgetsid(fd) != getpid() || write(fd, &c, 1) != 1)
			c = '-';
		if (which != BY_TTY)
			close(fd);
		if (write(out, &c, 1) != 1)
			break;
	}
	_exit(0);
}

static bool make_case(int which)
{
	int to[2], from[2], unlocked = 0;
	char name[64];

	masters[which] = posix_openpt(O_RDWR | O_NOCTTY);
	if (!expect(masters[which] >= 0) ||
	    !expect(ioctl(masters[which], TIOCSPTLCK, &unlocked) == 0) ||
	    !expect(pipe(to) == 0 && pipe(from) == 0))
		return false;
	snprintf(name, sizeof(name), "%s", ptsname(masters[which]));
	if (which == BY_OTHERS && !expect((kept = open(name, O_RDWR | O_NOCTTY)) >= 0))
		return false;
	leaders[which] = fork();
	if (leaders[which] == 0) {
		close_range(3, (unsigned int)to[0] - 1, 0);
		leader_main(which, name, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	asks[which] = to[1];
	says[which] = from[0];
	return true;
}

static bool answers(int which, char letter)
{
	char c = letter, buf[8];

	return expect(write(asks[which], &c, 1) == 1) && expect(read(says[which], &c, 1) == 1) &&
	       expect(c == letter) && expect(read(masters[which], buf, sizeof(buf)) == 1) &&
	       expect(buf[0] == letter);
}

static bool all_answer(char letter)
{
	for (int i = 0; i < CASES; i++)
		if (!answers(i, letter))
			return false;
	return true;
}

static bool make(void)
{
	for (int i = 0; i < CASES; i++)
		if (!make_case(i))
			return false;
	return all_answer('m');
}

static bool same(void)
{
	struct termios t;

	return all_answer('s') && expect(tcgetattr(kept, &t) == 0);
}

VICTIM(make, same)
