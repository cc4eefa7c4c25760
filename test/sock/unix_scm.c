/* SPDX-License-Identifier: GPL-2.0-only */
/* pipe ends and an epoll in flight: in one message, in two, over seqpacket, from a sender that is gone */
#include <sys/epoll.h>
#include <sys/socket.h>

#include "victim.h"

/*
 * A pipe goes through a pair of sockets in one of these ways; in the end what is
 * written into the write end comes out of the read end.
 */
enum way {
	KEPT,	      /* both ends, and the sender keeps his */
	ONE_MESSAGE,  /* both ends */
	TWO_MESSAGES, /* each its own */
	TWO_HEADERS,  /* both in one message, in control messages of their own */
	ORPHANED,     /* one message, then the sender is closed */
	WAYS
};

struct trip {
	int pair[2], pipe[2];
};

static struct trip trips[3][WAYS];
static const int types[3] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };

/* One message with @n descriptors, all in one control message or each in its own. */
static bool pass(int sock, const int *fds, size_t n, bool apart)
{
	char control[2 * CMSG_SPACE(2 * sizeof(int))] = "";
	size_t each = apart ? 1 : n, i;
	struct iovec iov = { "m", 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = n / each * CMSG_SPACE(each * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	for (i = 0; i < n; i += each) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(each * sizeof(int));
		memcpy(CMSG_DATA(c), fds + i, each * sizeof(int));
		c = (struct cmsghdr *)((char *)c + CMSG_SPACE(each * sizeof(int)));
	}
	return expect(sendmsg(sock, &msg, 0) == 1);
}

/* Descriptors of the next message; the kernel has put them into one control message. */
static size_t take(int sock, int *fds, size_t max)
{
	char control[256], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(sock, &msg, MSG_DONTWAIT);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	size_t n = 0;

	for (; got == 1 && c; c = CMSG_NXTHDR(&msg, c)) {
		size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (n + here > max)
			return 0;
		memcpy(fds + n, CMSG_DATA(c), here * sizeof(int));
		n += here;
	}
	return n;
}

static bool set_out(struct trip *t, int type, enum way way)
{
	int *p = t->pipe;

	if (socketpair(AF_UNIX, type, 0, t->pair) < 0 || pipe(p) < 0 || write(p[1], "old", 3) != 3)
		return false;
	if (way == TWO_MESSAGES
		    ? !pass(t->pair[0], p, 1, false) || !pass(t->pair[0], p + 1, 1, false)
		    : !pass(t->pair[0], p, 2, way == TWO_HEADERS))
		return false;
	if (way == KEPT)
		return true;
	if (way == ORPHANED && close(t->pair[0]) < 0)
		return false;
	return close(p[0]) == 0 && close(p[1]) == 0;
}

static int watched[2], watcher;

/* An epoll that watches the socket in which it is in flight, twice. */
static bool make_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 0x1357 };

	watcher = epoll_create1(0);
	return socketpair(AF_UNIX, SOCK_STREAM, 0, watched) == 0 &&
	       epoll_ctl(watcher, EPOLL_CTL_ADD, watched[1], &ev) == 0 &&
	       pass(watched[0], &watcher, 1, false) && pass(watched[0], &watcher, 1, false) &&
	       close(watcher) == 0;
}

static bool make(void)
{
	int type, way;

	for (type = 0; type < 3; type++)
		for (way = 0; way < WAYS; way++)
			if (!set_out(&trips[type][way], types[type], way)) {
				fprintf(stderr, "type %d, way %d\n", types[type], way);
				return false;
			}
	return make_epoll();
}

static bool works(int r, int w)
{
	char buf[20];

	return expect(read(r, buf, sizeof(buf)) == 3) && expect(memcmp(buf, "old", 3) == 0) &&
	       expect(write(w, "newer", 5) == 5) && expect(read(r, buf, sizeof(buf)) == 5);
}

static bool arrives(struct trip *t, enum way way)
{
	int fds[4] = { -1, -1, -1, -1 };
	char buf[20];

	if (way == TWO_MESSAGES) {
		if (!expect(take(t->pair[1], fds, 4) == 1) ||
		    !expect(take(t->pair[1], fds + 1, 3) == 1))
			return false;
	} else if (!expect(take(t->pair[1], fds, 4) == 2)) {
		return false;
	}
	if (!works(fds[0], fds[1]))
		return false;
	if (way != KEPT) /* nobody else has the write end */
		return expect(close(fds[1]) == 0) && expect(read(fds[0], buf, 20) == 0);
	return expect(write(t->pipe[1], "mine", 4) == 4) && expect(read(fds[0], buf, 20) == 4) &&
	       expect(close(fds[0]) == 0 && close(fds[1]) == 0) &&
	       expect(write(t->pipe[1], "own", 3) == 3) && expect(read(t->pipe[0], buf, 20) == 3);
}

static bool same_epoll(void)
{
	struct epoll_event ev = { 0 };
	int a, b;

	return expect(take(watched[1], &a, 1) == 1) && expect(epoll_wait(a, &ev, 1, 0) == 1) &&
	       expect(ev.data.u64 == 0x1357) && expect(take(watched[1], &b, 1) == 1) &&
	       expect(epoll_wait(b, &ev, 1, 0) == 0) && expect(close(a) == 0) &&
	       expect(write(watched[0], "x", 1) == 1) && expect(epoll_wait(b, &ev, 1, 0) == 1) &&
	       expect(ev.data.u64 == 0x1357);
}

static bool same(void)
{
	int type, way;

	for (type = 0; type < 3; type++)
		for (way = 0; way < WAYS; way++)
			if (!arrives(&trips[type][way], way)) {
				fprintf(stderr, "type %d, way %d\n", types[type], way);
				return false;
			}
	return same_epoll();
}

VICTIM(make, same)
