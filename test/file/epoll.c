/* SPDX-License-Identifier: GPL-2.0-only */
/* an epoll watches a file of every sort, each with its events and its data */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "victim.h"

enum { PIPE, EVENT, TIMER, SIGNAL, INOTIFY, INNER, SOCKET, WRITER, KINDS };

static int ep, fds[KINDS], inner, in_inner, pipe_in, socket_in;
static int objects[KINDS]; /* their addresses are the data */

static bool watch(int in, int fd, uint32_t events, void *data)
{
	struct epoll_event ev = { .events = events, .data.ptr = data };

	return epoll_ctl(in, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static int make_signalfd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -1 : signalfd(-1, &set, SFD_NONBLOCK);
}

static bool make(void)
{
	struct itimerspec it = { .it_value = { 1000, 0 } };
	int ends[2], pair[2], i;

	if (!expect(pipe(ends) == 0) || !expect(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0))
		return false;
	fds[PIPE] = ends[0];
	pipe_in = fds[WRITER] = ends[1];
	fds[SOCKET] = pair[0];
	socket_in = pair[1];
	fds[EVENT] = eventfd(0, 0);
	fds[TIMER] = timerfd_create(CLOCK_MONOTONIC, 0);
	fds[SIGNAL] = make_signalfd();
	fds[INOTIFY] = inotify_init1(0);
	fds[INNER] = inner = epoll_create1(0);
	in_inner = eventfd(0, EFD_NONBLOCK);
	if (!expect(timerfd_settime(fds[TIMER], 0, &it, NULL) == 0) ||
	    !expect(close(open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644)) == 0) ||
	    !expect(inotify_add_watch(fds[INOTIFY], ".", IN_ATTRIB | IN_DELETE_SELF) == 1) ||
	    !expect(watch(inner, in_inner, EPOLLIN, NULL)) ||
	    !expect((ep = epoll_create1(EPOLL_CLOEXEC)) >= 0))
		return false;
	for (i = 0; i < KINDS; i++)
		if (!expect(watch(ep, fds[i],
				  i == WRITER ? EPOLLOUT | EPOLLET : EPOLLIN | EPOLLRDHUP,
				  &objects[i])))
			return false;
	/* taken, so that only the edge of a restore can bring it back */
	return expect(epoll_wait(ep, &(struct epoll_event){ 0 }, 1, 0) == 1);
}

/* Exactly this one is ready. */
static bool ready(int which, uint32_t events)
{
	struct epoll_event ev[KINDS];
	int n = epoll_wait(ep, ev, KINDS, 1000);

	return expect(n == 1) && expect(ev[0].data.ptr == &objects[which]) &&
	       expect(ev[0].events == events);
}

static bool drained(int fd)
{
	char buf[4096];

	return expect(read(fd, buf, sizeof(buf)) > 0);
}

static bool same(void)
{
	struct itimerspec soon = { .it_value = { 0, 1 } };
	struct epoll_event ev;
	uint64_t one = 1;
	int n = epoll_wait(ep, &ev, 1, 0);

	/* a restore may report once more what is ready with EPOLLET */
	if (!expect(n == 0 || (n == 1 && ev.data.ptr == &objects[WRITER])))
		return false;
	return expect(write(pipe_in, "x", 1) == 1) && ready(PIPE, EPOLLIN) && drained(fds[PIPE]) &&
	       expect(write(fds[EVENT], &one, sizeof(one)) == sizeof(one)) &&
	       ready(EVENT, EPOLLIN) && drained(fds[EVENT]) &&
	       expect(timerfd_settime(fds[TIMER], 0, &soon, NULL) == 0) && ready(TIMER, EPOLLIN) &&
	       drained(fds[TIMER]) && expect(kill(getpid(), SIGUSR1) == 0) &&
	       ready(SIGNAL, EPOLLIN) && drained(fds[SIGNAL]) && expect(chmod("file", 0600) == 0) &&
	       ready(INOTIFY, EPOLLIN) && drained(fds[INOTIFY]) &&
	       expect(write(in_inner, &one, sizeof(one)) == sizeof(one)) && ready(INNER, EPOLLIN) &&
	       drained(in_inner) && expect(shutdown(socket_in, SHUT_WR) == 0) &&
	       ready(SOCKET, EPOLLIN | EPOLLRDHUP) &&
	       expect(epoll_ctl(ep, EPOLL_CTL_DEL, fds[SOCKET], NULL) == 0) &&
	       expect(epoll_wait(ep, &ev, 1, 0) == 0);
}

VICTIM(make, same)
