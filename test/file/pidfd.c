/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pidfds of a child, of ourselves, of a zombie and of dead tasks
 *
 * crit: 3.17 does not know pidfds
 */
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

enum { NONBLOCK = O_NONBLOCK };

static pid_t child, zombie;
static int of_child, of_child_too, of_us, of_zombie, of_dead, of_dead_too, of_killed;

static int pidfd(pid_t pid, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static int send(int fd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
}

static pid_t start(int exit_code)
{
	pid_t pid = fork();

	if (pid == 0 && exit_code < 0)
		for (;;)
			pause();
	if (pid == 0)
		_exit(exit_code);
	return pid;
}

static bool make(void)
{
	pid_t dead = start(7), killed = start(-1);
	siginfo_t info;

	child = start(-1);
	zombie = start(9);
	return expect((of_child = pidfd(child, 0)) >= 0) &&
	       expect((of_child_too = pidfd(child, NONBLOCK)) >= 0) &&
	       expect((of_us = pidfd(getpid(), 0)) >= 0) &&
	       expect((of_zombie = pidfd(zombie, 0)) >= 0) &&
	       expect((of_dead = pidfd(dead, 0)) >= 0) &&
	       expect((of_dead_too = pidfd(dead, NONBLOCK)) >= 0) &&
	       expect((of_killed = pidfd(killed, 0)) >= 0) && expect(kill(killed, SIGTERM) == 0) &&
	       expect(waitpid(dead, NULL, 0) == dead) &&
	       expect(waitpid(killed, NULL, 0) == killed) &&
	       expect(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT) == 0);
}

static bool is_dead(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	siginfo_t info;

	return expect(poll(&p, 1, 0) == 1) && expect(p.revents & POLLIN) &&
	       expect(send(fd, 0) == -1) && expect(errno == ESRCH) &&
	       expect(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) == -1) &&
	       expect(errno == ECHILD);
}

static bool are_one(int a, int b)
{
	struct stat st_a, st_b;

	return fstat(a, &st_a) == 0 && fstat(b, &st_b) == 0 && st_a.st_ino == st_b.st_ino;
}

/* How a dead task ended, where the kernel tells it. */
static bool ended(int fd, int want)
{
	struct {
		uint64_t mask, cgroup;
		uint32_t ids[11];
		int32_t exit_code;
	} info = { .mask = 1 << 3 };

	if (ioctl(fd, _IOWR(0xff, 11, info), &info) < 0 || !(info.mask & 1 << 3))
		return true;
	return expect(info.exit_code == want);
}

static bool same(void)
{
	struct pollfd p = { .fd = of_child, .events = POLLIN };
	siginfo_t info = { 0 };

	return is_dead(of_dead) && is_dead(of_dead_too) && is_dead(of_killed) &&
	       ended(of_dead, 7 << 8) && ended(of_killed, SIGTERM) &&
	       expect(are_one(of_dead, of_dead_too)) && expect(!are_one(of_dead, of_killed)) &&
	       expect(are_one(of_child, of_child_too)) &&
	       expect(fcntl(of_dead_too, F_GETFL) & O_NONBLOCK) &&
	       expect(!(fcntl(of_dead, F_GETFL) & O_NONBLOCK)) &&
	       expect(fcntl(of_child_too, F_GETFL) & O_NONBLOCK) &&
	       expect(fcntl(of_child, F_GETFD) == FD_CLOEXEC) && expect(send(of_us, 0) == 0) &&
	       expect(waitid(P_PIDFD, (id_t)of_zombie, &info, WEXITED) == 0) &&
	       expect(info.si_pid == zombie) && expect(info.si_status == 9) &&
	       expect(poll(&p, 1, 0) == 0) && expect(send(of_child_too, SIGKILL) == 0) &&
	       expect(poll(&p, 1, 2000) == 1) &&
	       expect(waitid(P_PIDFD, (id_t)of_child, &info, WEXITED) == 0) &&
	       expect(info.si_pid == child);
}

VICTIM(make, same)
