/* SPDX-License-Identifier: GPL-2.0-only */
/* sockets in flight over themselves, and two and three pairs over each other in a circle (scm-rights-8) */
#include <sys/socket.h>

#include "victim.h"

enum { RING = 3 };

static const int types[3] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };

static struct set {
	int self[2], two[2][2], ring[RING][2];
} sets[3];

static bool pass(int sock, char text, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { &text, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return expect(sendmsg(sock, &msg, 0) == 1);
}

static int take(int sock, char text)
{
	char control[CMSG_SPACE(sizeof(int))], byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	int fd = -1;

	if (!expect(recvmsg(sock, &msg, MSG_DONTWAIT) == 1) || !expect(byte == text))
		return -1;
	c = CMSG_FIRSTHDR(&msg);
	if (c)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* Both ends go through the pair itself: each waits at the other, and at itself. */
static bool make_self(struct set *s, int type)
{
	return expect(socketpair(AF_UNIX, type, 0, s->self) == 0) &&
	       pass(s->self[0], 'a', s->self[0]) && pass(s->self[0], 'b', s->self[1]) &&
	       pass(s->self[1], 'c', s->self[1]) && pass(s->self[1], 'd', s->self[0]);
}

/* Each of two pairs carries the receiving end of the other; only the sending ends are open. */
static bool make_two(struct set *s, int type)
{
	for (int i = 0; i < 2; i++)
		if (!expect(socketpair(AF_UNIX, type, 0, s->two[i]) == 0))
			return false;
	return pass(s->two[0][1], 'e', s->two[1][0]) && pass(s->two[1][1], 'f', s->two[0][0]) &&
	       pass(s->two[0][1], 'g', s->two[0][1]) && expect(close(s->two[1][0]) == 0) &&
	       expect(close(s->two[1][1]) == 0);
}

/* The next pair's receiving end waits in each; one end is all that keeps the circle. */
static bool make_ring(struct set *s, int type)
{
	for (int i = 0; i < RING; i++)
		if (!expect(socketpair(AF_UNIX, type, 0, s->ring[i]) == 0))
			return false;
	for (int i = 0; i < RING; i++)
		if (!pass(s->ring[i][1], (char)('0' + i), s->ring[(i + 1) % RING][0]))
			return false;
	for (int i = 0; i < RING; i++)
		if (!expect(close(s->ring[i][1]) == 0) ||
		    (i > 0 && !expect(close(s->ring[i][0]) == 0)))
			return false;
	return true;
}

static bool make(void)
{
	for (int i = 0; i < 3; i++)
		if (!make_self(&sets[i], types[i]) || !make_two(&sets[i], types[i]) ||
		    !make_ring(&sets[i], types[i])) {
			fprintf(stderr, "type %d\n", types[i]);
			return false;
		}
	return true;
}

/* What is written to @a comes out of @b. */
static bool talk(int a, int b)
{
	char buf[8] = "";

	return expect(write(a, "seven", 6) == 6) && expect(read(b, buf, sizeof(buf)) == 6) &&
	       expect(strcmp(buf, "seven") == 0);
}

static bool same_self(const struct set *s)
{
	int a = take(s->self[1], 'a'), b = take(s->self[1], 'b'), c = take(s->self[0], 'c'),
	    d = take(s->self[0], 'd');

	return talk(a, s->self[1]) && talk(b, s->self[0]) && talk(c, d) && talk(s->self[0], c) &&
	       expect(a != d && close(a) == 0 && close(d) == 0) && talk(s->self[0], b);
}

static bool same_two(const struct set *s)
{
	int other = take(s->two[0][0], 'e'), own = take(s->two[0][0], 'g'), back = take(other, 'f');

	return talk(own, s->two[0][0]) && talk(s->two[0][1], back) && talk(back, own) &&
	       expect(recv(other, &other, 1, MSG_DONTWAIT) <= 0);
}

static bool same_ring(const struct set *s)
{
	int one = take(s->ring[0][0], '0'), two = take(one, '1'), back = take(two, '2'), other[2];

	if (!expect(socketpair(AF_UNIX, SOCK_STREAM, 0, other) == 0))
		return false;
	/* it is ours, and has nobody at its other end */
	return expect(back >= 0) && expect(close(s->ring[0][0]) == 0) &&
	       expect(recv(back, other, 1, MSG_DONTWAIT) <= 0) &&
	       expect(send(back, "x", 1, MSG_NOSIGNAL) < 0);
}

static bool same(void)
{
	for (int i = 0; i < 3; i++)
		if (!same_self(&sets[i]) || !same_two(&sets[i]) || !same_ring(&sets[i])) {
			fprintf(stderr, "type %d\n", types[i]);
			return false;
		}
	return true;
}

VICTIM(make, same)
