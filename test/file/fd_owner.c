/* SPDX-License-Identifier: GPL-2.0-only */
/* who gets signals of a file: which signal, process, thread or group, and on whose behalf */
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif

enum { PIPE, GROUP, SOME_USER, SILENT, NR };

static int ends[NR][2];
static volatile sig_atomic_t got, of_fd;
static pid_t child;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	got = sig;
	of_fd = info->si_fd;
}

static bool set(int fd, int sig, int type, pid_t pid, bool async)
{
	struct f_owner_ex owner = { .type = type, .pid = pid };

	return expect(fcntl(fd, F_SETSIG, sig) == 0) &&
	       expect(fcntl(fd, F_SETOWN_EX, &owner) == 0) &&
	       expect(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | (async ? O_ASYNC : 0)) == 0);
}

static bool make(void)
{
	struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	sigaction(SIGRTMIN + 5, &act, NULL);
	sigaction(SIGIO, &act, NULL);
	for (int i = 0; i < NR; i++)
		if (!expect(pipe2(ends[i], O_NONBLOCK) == 0))
			return false;
	child = fork();
	if (child == 0) {
		signal(SIGUSR2, SIG_DFL);
		for (;;)
			pause();
	}
	/* the owner's user is who set it */
	if (!expect(setresuid(1789, 1789, 0) == 0) ||
	    !set(ends[SOME_USER][0], SIGUSR2, F_OWNER_PID, child, true) ||
	    !expect(setresuid(0, 0, 0) == 0))
		return false;
	return set(ends[PIPE][0], SIGRTMIN + 5, F_OWNER_TID, getpid(), true) &&
	       set(ends[GROUP][0], 0, F_OWNER_PGRP, getpgrp(), true) &&
	       set(ends[SILENT][0], SIGUSR1, F_OWNER_PID, getpid(), false);
}

static bool is_owned(int fd, int sig, int type, pid_t pid, uid_t uid)
{
	struct f_owner_ex owner;
	uid_t uids[2];

	return expect(fcntl(fd, F_GETSIG) == sig) && expect(fcntl(fd, F_GETOWN_EX, &owner) == 0) &&
	       expect((int)owner.type == type && owner.pid == pid) &&
	       expect(fcntl(fd, F_GETOWNER_UIDS, uids) == 0) &&
	       expect(uids[0] == uid && uids[1] == uid);
}

static bool signals(int which, int sig, int fd)
{
	got = 0;
	return expect(write(ends[which][1], "x", 1) == 1) && expect(got == sig) &&
	       expect(of_fd == fd);
}

static bool same(void)
{
	int status;

	signal(SIGUSR1, SIG_DFL); /* SILENT would end us */
	return is_owned(ends[PIPE][0], SIGRTMIN + 5, F_OWNER_TID, getpid(), 0) &&
	       is_owned(ends[GROUP][0], 0, F_OWNER_PGRP, getpgrp(), 0) &&
	       is_owned(ends[SOME_USER][0], SIGUSR2, F_OWNER_PID, child, 1789) &&
	       is_owned(ends[SILENT][0], SIGUSR1, F_OWNER_PID, getpid(), 0) &&
	       expect(fcntl(ends[PIPE][0], F_GETFL) & O_ASYNC) &&
	       expect(!(fcntl(ends[SILENT][0], F_GETFL) & O_ASYNC)) && expect(got == 0) &&
	       expect(signal(SIGIO, SIG_IGN) != SIG_ERR) &&
	       signals(PIPE, SIGRTMIN + 5, ends[PIPE][0]) &&
	       expect(write(ends[SILENT][1], "x", 1) == 1) &&
	       /* that user may not signal the child, which is root's */
	       expect(write(ends[SOME_USER][1], "x", 1) == 1) &&
	       expect(kill(child, SIGKILL) == 0) && expect(waitpid(child, &status, 0) == child) &&
	       expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

VICTIM(make, same)
