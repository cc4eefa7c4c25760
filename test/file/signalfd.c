/* SPDX-License-Identifier: GPL-2.0-only */
/* a signalfd keeps its set: what is in it can be read, what is not cannot */
#include <sys/signalfd.h>

#include "victim.h"

static int fd, none;

static bool make(void)
{
	sigset_t set, all;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGRTMAX);
	sigaddset(&set, SIGRTMIN + 3);
	all = set;
	sigaddset(&all, SIGUSR1);
	return expect(sigprocmask(SIG_BLOCK, &all, NULL) == 0) &&
	       expect((fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) >= 0) &&
	       expect(sigemptyset(&set) == 0) && expect((none = signalfd(-1, &set, 0)) >= 0) &&
	       expect(fcntl(none, F_SETFL, O_NONBLOCK) == 0);
}

static bool holds(int sig, int value)
{
	struct signalfd_siginfo info;

	return expect(read(fd, &info, sizeof(info)) == sizeof(info)) &&
	       expect((int)info.ssi_signo == sig) && expect(info.ssi_int == value);
}

static bool same(void)
{
	struct signalfd_siginfo info;
	union sigval v = { .sival_int = 55 };

	return expect(fcntl(fd, F_GETFD) == FD_CLOEXEC) && expect(raise(SIGUSR1) == 0) &&
	       expect(sigqueue(getpid(), SIGRTMAX, v) == 0) &&
	       expect(kill(getpid(), SIGUSR2) == 0) && holds(SIGUSR2, 0) && holds(SIGRTMAX, 55) &&
	       expect(read(fd, &info, sizeof(info)) == -1) && expect(errno == EAGAIN) &&
	       expect(read(none, &info, sizeof(info)) == -1) && expect(errno == EAGAIN);
}

VICTIM(make, same)
