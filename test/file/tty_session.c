/* SPDX-License-Identifier: GPL-2.0-only */
/* a controlling terminal: for leader and children, with a group in the foreground, and hangup */
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "victim.h"

static int master, answers;
static pid_t leader, job;

struct answer {
	pid_t sid, pgrp;
	char who;
};

/* What /dev/tty says of itself. */
static void answer(int out, char who)
{
	int fd = open("/dev/tty", O_RDWR);
	struct answer a = { .who = who };

	if (fd >= 0) {
		a.sid = tcgetsid(fd);
		a.pgrp = tcgetpgrp(fd);
		close(fd);
	}
	if (write(out, &a, sizeof(a)) != sizeof(a))
		_exit(1);
}

static int out_fd;

static void on_signal(int sig)
{
	answer(out_fd, sig == SIGHUP ? 'H' : sig == SIGINT ? 'I' : 'U');
}

static void job_main(void)
{
	setpgid(0, 0);
	signal(SIGINT, on_signal);
	signal(SIGUSR1, on_signal);
	answer(out_fd, 'j');
	for (;;)
		pause();
}

static void leader_main(const char *name, int out)
{
	int fd;

	setsid();
	fd = open(name, O_RDWR);
	if (fd < 0)
		_exit(1);
	out_fd = out;
	signal(SIGTTOU, SIG_IGN);
	job = fork();
	if (job == 0)
		job_main();
	setpgid(job, job);
	tcsetpgrp(fd, job);
	signal(SIGHUP, on_signal);
	signal(SIGUSR1, on_signal);
	if (write(out, &job, sizeof(job)) != sizeof(job))
		_exit(1);
	for (;;)
		pause();
}

static bool make(void)
{
	int ends[2], unlocked = 0;
	struct answer a;

	if (!expect(pipe(ends) == 0) || !expect((master = posix_openpt(O_RDWR | O_NOCTTY)) >= 0) ||
	    !expect(ioctl(master, TIOCSPTLCK, &unlocked) == 0))
		return false;
	leader = fork();
	if (leader == 0) {
		char name[64];

		snprintf(name, sizeof(name), "%s", ptsname(master));
		close(master);
		close(ends[0]);
		leader_main(name, ends[1]);
	}
	close(ends[1]);
	answers = ends[0];

	/* the two come in any order: tell them by their length */
	for (int i = 0; i < 2; i++) {
		union {
			struct answer a;
			pid_t pid;
		} u;
		ssize_t n = read(answers, &u, sizeof(pid_t));

		if (!expect(n == sizeof(pid_t)))
			return false;
		if (i == 0 && u.pid != leader)
			job = u.pid;
		if (u.pid == leader && !expect(read(answers, (char *)&a + sizeof(pid_t),
						    sizeof(a) - sizeof(pid_t)) > 0))
			return false;
		if (u.pid != leader)
			job = u.pid;
	}
	return expect(leader > 0 && job > 0);
}

static bool answered(char who)
{
	struct answer a = { 0 };

	return expect(read(answers, &a, sizeof(a)) == sizeof(a)) && expect(a.who == who) &&
	       expect(a.sid == leader) && expect(a.pgrp == job);
}

static bool same(void)
{
	struct answer a = { 0 };
	pid_t pgrp = 0, sid = 0;

	if (!expect(ioctl(master, TIOCGPGRP, &pgrp) == 0 && pgrp == job) ||
	    !expect(ioctl(master, TIOCGSID, &sid) == 0 && sid == leader))
		return false;
	kill(leader, SIGUSR1);
	if (!answered('U'))
		return false;
	kill(job, SIGUSR1);
	if (!answered('U'))
		return false;
	/* ^C goes to the group in the foreground, a hangup to the leader */
	if (!expect(write(master, "\003", 1) == 1) || !answered('I'))
		return false;
	close(master);
	return expect(read(answers, &a, sizeof(a)) == sizeof(a)) && expect(a.who == 'H');
}

VICTIM(make, same)
