/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * a master that two tasks have, of a controlling terminal with data on both sides: the
 * hangup comes when the last one closes it
 */
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "victim.h"

static int master, ask_leader[2], ask_holder[2], answer[2];
static pid_t leader, holder;
static volatile sig_atomic_t hung_up;

static void on_hangup(int sig)
{
	hung_up = 1;
}

/* Says what it reads from @fd whenever it is asked. */
static void tell(int fd, int in)
{
	char buf[64], c;
	ssize_t n;

	while (read(in, &c, 1) == 1) {
		n = c == 'r' ? read(fd, buf, sizeof(buf)) : snprintf(buf, 3, "%d", hung_up);
		n = n <= 0 ? snprintf(buf, sizeof(buf), "end") : n;
		if (write(answer[1], buf, (size_t)n) != n)
			_exit(1);
	}
	_exit(0);
}

static void leader_main(const char *name)
{
	int slave;

	close(master);
	close(ask_leader[1]);
	close(ask_holder[1]);
	signal(SIGHUP, on_hangup);
	setsid();
	slave = open(name, O_RDWR);
	if (slave < 0 || write(slave, "out\n", 4) != 4 || write(answer[1], "r", 1) != 1)
		_exit(1);
	tell(slave, ask_leader[0]);
}

static bool make(void)
{
	int unlocked = 0, n = 0;
	char name[64], c;

	if (!expect(pipe(ask_leader) == 0 && pipe(ask_holder) == 0 && pipe(answer) == 0) ||
	    !expect((master = posix_openpt(O_RDWR | O_NOCTTY)) >= 0) ||
	    !expect(ioctl(master, TIOCSPTLCK, &unlocked) == 0))
		return false;
	snprintf(name, sizeof(name), "%s", ptsname(master));
	leader = fork();
	if (leader == 0)
		leader_main(name);
	if (!expect(read(answer[0], &c, 1) == 1))
		return false;
	holder = fork();
	if (holder == 0) {
		close(ask_holder[1]);
		close(ask_leader[1]);
		tell(master, ask_holder[0]);
	}
	if (!expect(write(master, "typed\n", 6) == 6))
		return false;
	for (int i = 0; i < 1000 && n < 12; i++) {
		victim_sleep(5);
		ioctl(master, FIONREAD, &n);
	}
	return expect(n == 12);
}

static bool says(int fd, char question, const char *want)
{
	char buf[64] = "";

	return expect(write(fd, &question, 1) == 1) &&
	       expect(read(answer[0], buf, sizeof(buf) - 1) == (ssize_t)strlen(want)) &&
	       expect(strcmp(buf, want) == 0);
}

static bool same(void)
{
	return says(ask_leader[1], 'r', "typed\n") &&
	       says(ask_holder[1], 'r', "out\r\ntyped\r\n") &&
	       expect(write(master, "x\n", 2) == 2) && says(ask_holder[1], 'r', "x\r\n") &&
	       expect(close(master) == 0) && says(ask_leader[1], 'h', "0") &&
	       says(ask_leader[1], 'r', "x\n") && expect(close(ask_holder[1]) == 0) &&
	       expect(waitpid(holder, NULL, 0) == holder) && (victim_sleep(50), true) &&
	       says(ask_leader[1], 'h', "1") && says(ask_leader[1], 'r', "end");
}

VICTIM(make, same)
