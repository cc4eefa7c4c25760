/* SPDX-License-Identifier: GPL-2.0-only */
/* watches with EPOLLONESHOT (armed, fired), EPOLLET and EPOLLEXCLUSIVE keep their state */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "victim.h"

static int ep, fired, armed, hung, exclusive, wakeup, hung_in;

static bool watch(int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events,
				  .data.u64 = 0x1234567800000000 | (unsigned int)fd };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0;
}

/* Whose watch is ready, -1: none. */
static int ready(void)
{
	struct epoll_event ev;
	int n = epoll_wait(ep, &ev, 1, 0);

	return n == 1 && ev.data.u64 >> 32 == 0x12345678 ? (int)(uint32_t)ev.data.u64 : -1;
}

static bool make(void)
{
	int ends[2];

	ep = epoll_create1(0);
	fired = eventfd(1, EFD_NONBLOCK);
	armed = eventfd(0, EFD_NONBLOCK);
	exclusive = eventfd(0, EFD_NONBLOCK);
	wakeup = eventfd(0, EFD_NONBLOCK);
	if (!expect(pipe(ends) == 0))
		return false;
	hung = ends[0];
	hung_in = ends[1];
	return expect(watch(fired, EPOLLIN | EPOLLONESHOT)) && expect(ready() == fired) &&
	       expect(watch(hung, EPOLLIN | EPOLLONESHOT)) && expect(write(hung_in, "x", 1) == 1) &&
	       expect(ready() == hung) && expect(watch(armed, EPOLLIN | EPOLLONESHOT | EPOLLET)) &&
	       expect(watch(exclusive, EPOLLIN | EPOLLEXCLUSIVE)) &&
	       expect(watch(wakeup, EPOLLIN | EPOLLET | EPOLLWAKEUP)) && expect(ready() == -1);
}

static bool count(int fd)
{
	uint64_t one = 1;

	return expect(write(fd, &one, sizeof(one)) == sizeof(one));
}

static bool same(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT,
				  .data.u64 = 0x1234567800000000 | (unsigned int)fired };

	return expect(ready() == -1) && count(fired) && expect(ready() == -1) &&
	       expect(close(hung_in) == 0) &&
	       expect(ready() == -1) && /* it had fired: not even the end shows */
	       expect(epoll_ctl(ep, EPOLL_CTL_MOD, fired, &ev) == 0) && expect(ready() == fired) &&
	       expect(ready() == -1) && count(armed) && expect(ready() == armed) && count(armed) &&
	       expect(ready() == -1) && count(wakeup) && expect(ready() == wakeup) &&
	       expect(ready() == -1) && count(exclusive) && expect(ready() == exclusive) &&
	       expect(ready() == exclusive) &&
	       expect(epoll_ctl(ep, EPOLL_CTL_MOD, exclusive, &ev) == -1) &&
	       expect(errno == EINVAL);
}

VICTIM(make, same)
