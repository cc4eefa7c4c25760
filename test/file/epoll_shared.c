/* SPDX-License-Identifier: GPL-2.0-only */
/* one epoll shared over fork() wakes either process; a child sleeps in it */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "victim.h"

static int ep, fd, answer[2];
static pid_t child;

static void serve(void)
{
	struct epoll_event ev;
	uint64_t n;

	while (epoll_wait(ep, &ev, 1, -1) == 1 && ev.data.u32 == 11) {
		if (read(fd, &n, sizeof(n)) != sizeof(n) ||
		    write(answer[1], &n, sizeof(n)) != sizeof(n))
			_exit(1);
		if (n == 99)
			_exit(0);
	}
	_exit(2);
}

static bool make(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 11 };

	ep = epoll_create1(0);
	fd = eventfd(0, 0);
	if (!expect(pipe(answer) == 0) || !expect(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0))
		return false;
	child = fork();
	if (child == 0)
		serve();
	return expect(child > 0);
}

static bool echoes(uint64_t n)
{
	uint64_t got = 0;

	return expect(write(fd, &n, sizeof(n)) == sizeof(n)) &&
	       expect(read(answer[0], &got, sizeof(got)) == sizeof(got)) && expect(got == n);
}

static bool same(void)
{
	struct epoll_event ev;
	int status;

	return echoes(3) && echoes(99) && expect(waitpid(child, &status, 0) == child) &&
	       expect(status == 0) && expect(eventfd_write(fd, 1) == 0) &&
	       expect(epoll_wait(ep, &ev, 1, 1000) == 1) && expect(ev.data.u32 == 11);
}

VICTIM(make, same)
