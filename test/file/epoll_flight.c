/* SPDX-License-Identifier: GPL-2.0-only */
/* an epoll watches a file that is nowhere but in a message between two sockets */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "victim.h"

enum { DATA = 4711 };

static int ep, pair[2];

static bool send_fd(int sock, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { 0 };
	struct iovec iov = { "x", 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = sizeof(u)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1;
}

static int receive_fd(int sock)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { 0 };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = sizeof(u)
	};
	int fd = -1;

	if (recvmsg(sock, &msg, MSG_DONTWAIT) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static bool make(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = DATA };
	int fd = eventfd(0, 0);

	return expect(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0) &&
	       expect((ep = epoll_create1(0)) >= 0) &&
	       expect(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0) && expect(send_fd(pair[0], fd)) &&
	       expect(close(fd) == 0);
}

static bool same(void)
{
	struct epoll_event ev;
	int fd = receive_fd(pair[1]);

	return expect(fd >= 0) && expect(epoll_wait(ep, &ev, 1, 0) == 0) &&
	       expect(eventfd_write(fd, 5) == 0) && expect(epoll_wait(ep, &ev, 1, 0) == 1) &&
	       expect(ev.data.u64 == DATA) && expect(close(fd) == 0) &&
	       expect(epoll_wait(ep, &ev, 1, 0) == 0); /* nobody has it any more */
}

VICTIM(make, same)
