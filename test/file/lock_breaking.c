/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * leases that somebody is breaking: their holder was told of it, and is not told
 * again; who breaks them waits until he gives them up
 */
/* dump: --file-locks */
#include <sys/wait.h>

#include "victim.h"

static int downgrade, give_up, read_only, handed_over;
static volatile sig_atomic_t told;
static pid_t child;

static void count(int sig)
{
	told++;
}

/* A file with a lease of @type that somebody who wants to open it with @flags breaks. */
static int broken_lease(const char *name, int mode, int type, int flags)
{
	int fd = open(name, O_RDWR | O_CREAT, 0600);

	if (write(fd, "content", 7) != 7 || close(fd) < 0)
		return -1;
	fd = open(name, mode);
	if (fcntl(fd, F_SETLEASE, type) < 0 || open(name, flags | O_NONBLOCK) >= 0 ||
	    errno != EWOULDBLOCK)
		return -1;
	return fd;
}

/* The child has it, and is told of nothing: that was said to us. */
static bool hand_over(void)
{
	child = fork();
	if (child == 0)
		for (;;)
			pause();
	return expect(child > 0) && expect(close(handed_over) == 0);
}

static bool make(void)
{
	signal(SIGIO, count);
	return expect((handed_over = broken_lease("handed_over", O_RDWR, F_WRLCK, O_RDWR)) >= 0) &&
	       hand_over() &&
	       expect((downgrade = broken_lease("downgrade", O_RDONLY, F_WRLCK, O_RDONLY)) >= 0) &&
	       expect((give_up = broken_lease("give_up", O_RDWR, F_WRLCK, O_WRONLY)) >= 0) &&
	       expect((read_only = broken_lease("read_only", O_RDONLY, F_RDLCK, O_WRONLY)) >= 0) &&
	       expect(dup(give_up) >= 0) && expect(told == 4);
}

static bool can_open(const char *name, int flags)
{
	int fd = open(name, flags | O_NONBLOCK);

	return fd >= 0 && close(fd) == 0;
}

static bool is_owned(int fd)
{
	struct f_owner_ex owner;

	return expect(fcntl(fd, F_GETOWN_EX, &owner) == 0) &&
	       expect(owner.type == F_OWNER_PID && owner.pid == getpid());
}

static bool same(void)
{
	bool ok = expect(fcntl(downgrade, F_GETLEASE) == F_RDLCK) &&
		  expect(fcntl(give_up, F_GETLEASE) == F_UNLCK) &&
		  expect(fcntl(read_only, F_GETLEASE) == F_UNLCK) &&
		  expect(!can_open("downgrade", O_RDONLY)) &&
		  expect(!can_open("give_up", O_WRONLY)) &&
		  expect(!can_open("read_only", O_WRONLY)) &&
		  expect(can_open("read_only", O_RDONLY)) &&
		  expect(!can_open("handed_over", O_RDWR)) && expect(told == 4) &&
		  is_owned(downgrade);

	return ok && expect(fcntl(downgrade, F_SETLEASE, F_RDLCK) == 0) &&
	       expect(fcntl(downgrade, F_GETLEASE) == F_RDLCK) &&
	       expect(can_open("downgrade", O_RDONLY)) &&
	       expect(fcntl(give_up, F_SETLEASE, F_UNLCK) == 0) &&
	       expect(can_open("give_up", O_WRONLY)) &&
	       expect(fcntl(read_only, F_SETLEASE, F_UNLCK) == 0) &&
	       expect(can_open("read_only", O_WRONLY)) && expect(kill(child, SIGKILL) == 0) &&
	       expect(waitpid(child, NULL, 0) == child) && expect(can_open("handed_over", O_RDWR));
}

VICTIM(make, same)
