/* SPDX-License-Identifier: GPL-2.0-only */
/* an epoll goes on watching files whose numbers were closed, moved or reused */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "victim.h"

enum { MOVED = 50, REUSED = 51, CLOSED = 52, TWICE = 53, TWICE_TOO = 54, FAR = 55, ELSEWHERE = 90 };

static int ep, moved, reused, closed, twice, other, to_child[2];
static pid_t child;

static bool watch(int fd, uint64_t data)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = data };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0;
}

/* A file watched as @number and now at another, or, with @put, another file at that number. */
static int displaced(int number, int put)
{
	int fd = eventfd(0, EFD_NONBLOCK), kept;

	if (dup2(fd, number) != number || !watch(number, (uint64_t)number))
		return -1;
	close(fd);
	kept = fcntl(number, F_DUPFD, ELSEWHERE);
	if (put >= 0 ? dup2(put, number) < 0 : close(number) < 0)
		return -1;
	return kept;
}

/* The child has a file that only it has open, and that the epoll watches for all. */
static void serve(int far)
{
	uint64_t one = 1;
	char c;

	close(to_child[1]);
	while (read(to_child[0], &c, 1) == 1)
		if (write(far, &one, sizeof(one)) != sizeof(one))
			_exit(1);
	_exit(0);
}

static bool make(void)
{
	int far = eventfd(0, EFD_NONBLOCK), same_file;

	ep = epoll_create1(0);
	other = eventfd(0, EFD_NONBLOCK);
	if (!expect((moved = displaced(MOVED, -1)) >= 0) ||
	    !expect((reused = displaced(REUSED, other)) >= 0) ||
	    !expect((closed = displaced(CLOSED, -1)) >= 0) || !expect(watch(REUSED, 1000)) ||
	    !expect(pipe(to_child) == 0))
		return false;
	/* one file by two numbers, and one number for two files */
	same_file = eventfd(0, EFD_NONBLOCK);
	if (!expect(dup2(same_file, TWICE) == TWICE) ||
	    !expect(dup2(same_file, TWICE_TOO) == TWICE_TOO) || !expect(watch(TWICE, 2001)) ||
	    !expect(watch(TWICE_TOO, 2002)))
		return false;
	twice = same_file;
	close(TWICE_TOO);
	if (!expect(dup2(far, FAR) == FAR) || !expect(watch(FAR, 3000)) ||
	    !expect((child = fork()) >= 0))
		return false;
	if (child == 0)
		serve(far);
	close(far);
	close(FAR);
	close(to_child[0]);
	return true;
}

/* After one more in @fd these are ready, and nothing else; 0 is nothing. */
static bool wakes(int fd, uint64_t a, uint64_t b)
{
	struct epoll_event ev[4];
	uint64_t n = 1;
	int ready;

	if (!expect(write(fd, &n, sizeof(n)) == sizeof(n)))
		return false;
	ready = epoll_wait(ep, ev, 4, 0);
	return expect(ready == (b ? 2 : 1)) && expect(ev[0].data.u64 == a || ev[0].data.u64 == b) &&
	       expect(!b || ev[0].data.u64 + ev[1].data.u64 == a + b) &&
	       expect(read(fd, &n, sizeof(n)) == sizeof(n));
}

static bool same_far(void)
{
	struct epoll_event ev;
	int status;

	return expect(write(to_child[1], "x", 1) == 1) &&
	       expect(epoll_wait(ep, &ev, 1, 1000) == 1) && expect(ev.data.u64 == 3000) &&
	       expect(close(to_child[1]) == 0) && expect(waitpid(child, &status, 0) == child) &&
	       expect(status == 0);
}

static bool same(void)
{
	struct epoll_event ev;

	return expect(epoll_wait(ep, &ev, 1, 0) == 0) && wakes(moved, MOVED, 0) &&
	       wakes(reused, REUSED, 0) && wakes(closed, CLOSED, 0) && wakes(other, 1000, 0) &&
	       wakes(twice, 2001, 2002) && expect(fcntl(MOVED, F_GETFD) == -1) &&
	       expect(fcntl(CLOSED, F_GETFD) == -1) &&
	       /* what a number was when it was added is what it is removed by */
	       expect(dup2(moved, MOVED) == MOVED) &&
	       expect(epoll_ctl(ep, EPOLL_CTL_DEL, MOVED, NULL) == 0) &&
	       expect(epoll_ctl(ep, EPOLL_CTL_DEL, moved, NULL) == -1) && expect(errno == ENOENT) &&
	       same_far();
}

VICTIM(make, same)
