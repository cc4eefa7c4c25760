/* SPDX-License-Identifier: GPL-2.0-only */
/* stream and seqpacket pairs, shut in every way on either end, with and without unread data */
#include <poll.h>
#include <sys/socket.h>

#include "victim.h"

/* how: 0 not at all, else as for shutdown(), plus 1 */
enum { WAYS = 4 };

static int pairs[2][WAYS][WAYS][2][2]; /* by type, way of each end, with data */
static const int types[2] = { SOCK_STREAM, SOCK_SEQPACKET };

/* Can @way still send, can it still receive? */
static bool sends(int way)
{
	return way == 0 || way == SHUT_RD + 1;
}

static bool receives(int way)
{
	return way == 0 || way == SHUT_WR + 1;
}

static bool make_pair(int type, int a, int b, int data)
{
	int *p = pairs[type][a][b][data], i;
	const int ways[2] = { a, b };

	if (socketpair(AF_UNIX, types[type] | SOCK_NONBLOCK, 0, p) < 0)
		return false;
	if (data && (write(p[0], "from a", 6) != 6 || write(p[1], "from b!", 7) != 7))
		return false;
	for (i = 0; i < 2; i++)
		if (ways[i] && shutdown(p[i], ways[i] - 1) < 0)
			return false;
	return true;
}

static bool make(void)
{
	int type, a, b;

	for (type = 0; type < 2; type++)
		for (a = 0; a < WAYS; a++)
			for (b = 0; b < WAYS; b++)
				if (!make_pair(type, a, b, 0) || !make_pair(type, a, b, 1))
					return false;
	return true;
}

/* What arrives at an end from which @from can come, until nothing more does. */
static bool arrives(int fd, const char *what, bool is_open)
{
	char buf[30];

	if (*what && (!expect(recv(fd, buf, sizeof(buf), 0) == (ssize_t)strlen(what)) ||
		      !expect(memcmp(buf, what, strlen(what)) == 0)))
		return false;
	if (is_open)
		return expect(recv(fd, buf, sizeof(buf), 0) < 0) && expect(errno == EAGAIN);
	return expect(recv(fd, buf, sizeof(buf), 0) == 0);
}

static bool goes(int from, int to, bool is_open)
{
	char buf[10];

	if (!is_open)
		return expect(send(from, "x", 1, MSG_NOSIGNAL) < 0) && expect(errno == EPIPE);
	return expect(send(from, "xyz", 3, MSG_NOSIGNAL) == 3) &&
	       expect(recv(to, buf, sizeof(buf), 0) == 3);
}

static bool same_pair(int type, int a, int b, int data)
{
	const int *p = pairs[type][a][b][data];
	bool there = sends(a) && receives(b), back = sends(b) && receives(a);
	struct pollfd polled[2] = { { .fd = p[0], .events = POLLRDHUP },
				    { .fd = p[1], .events = POLLRDHUP } };

	poll(polled, 2, 0);
	return expect(!(polled[0].revents & POLLRDHUP) == back) &&
	       expect(!(polled[1].revents & POLLRDHUP) == there) &&
	       expect(!(polled[0].revents & POLLHUP) == (there || back)) &&
	       arrives(p[1], data ? "from a" : "", there) &&
	       arrives(p[0], data ? "from b!" : "", back) && goes(p[0], p[1], there) &&
	       goes(p[1], p[0], back);
}

static bool same(void)
{
	int type, a, b, data;

	for (type = 0; type < 2; type++)
		for (a = 0; a < WAYS; a++)
			for (b = 0; b < WAYS; b++)
				for (data = 0; data < 2; data++)
					if (!same_pair(type, a, b, data)) {
						fprintf(stderr, "type %d, %d and %d, data %d\n",
							type, a, b, data);
						return false;
					}
	return true;
}

VICTIM(make, same)
