/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * a tree in a pid namespace: threads, groups, an orphan, a zombie, whom a
 * descriptor signals, whom a pidfd means
 *
 * inside: p */
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

static pid_t self, child, orphan, zombie, tid;
static int ends[2], pidfd;

static void *thread(void *unused)
{
	tid = (pid_t)syscall(SYS_gettid);
	for (;;)
		pause();
	return NULL;
}

/* Its father ends, so that init has it. */
static pid_t make_orphan(void)
{
	pid_t pid = 0;
	int fds[2];

	if (pipe(fds) < 0)
		return -1;
	if (fork() == 0) {
		pid = fork();
		if (pid == 0)
			for (;;)
				pause();
		_exit(write(fds[1], &pid, sizeof(pid)) != sizeof(pid));
	}
	wait(NULL);
	if (read(fds[0], &pid, sizeof(pid)) != sizeof(pid))
		return -1;
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static bool make(void)
{
	pthread_t unused;
	siginfo_t info;

	self = getpid();
	orphan = make_orphan();
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	setpgid(child, child);
	zombie = fork();
	if (zombie == 0)
		_exit(37);
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	return expect(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT) == 0) &&
	       expect(pthread_create(&unused, NULL, thread, NULL) == 0) &&
	       expect(pipe(ends) == 0) && expect(fcntl(ends[0], F_SETOWN, -child) == 0) &&
	       expect(pidfd >= 0);
}

static bool same(void)
{
	int status;

	return expect(self > 1 && self < 300) && expect(getpid() == self) &&
	       expect(getppid() == 1) && expect(getsid(0) == self) &&
	       expect(getpgid(child) == child) && expect(getsid(child) == self) &&
	       expect(kill(orphan, 0) == 0) && expect(fcntl(ends[0], F_GETOWN) == -child) &&
	       expect(syscall(SYS_tgkill, self, tid, 0) == 0) &&
	       expect(waitpid(zombie, &status, 0) == zombie && WEXITSTATUS(status) == 37) &&
	       expect(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0) &&
	       expect(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
}

VICTIM(make, same)
