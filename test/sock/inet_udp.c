/* SPDX-License-Identifier: GPL-2.0-only */
/* UDP and UDP-Lite, both families: bound, connected, with data, shut in one or both directions */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "victim.h"

enum { PORT = 20811, SEND_COVERAGE = 10, RECV_COVERAGE = 11, BOTH = 3 };

/* two of each sort, connected to each other */
struct sort {
	const char *ip;
	int proto;
	int shut; /* of the first: as for shutdown(), plus 1 */
	int fds[2];
};

static struct sort sorts[] = {
	{ .ip = "127.0.0.1", .proto = IPPROTO_UDP },
	{ .ip = "::1", .proto = IPPROTO_UDP },
	{ .ip = "127.0.0.1", .proto = IPPROTO_UDPLITE },
	{ .ip = "::1", .proto = IPPROTO_UDPLITE },
	{ .ip = "127.0.0.1", .proto = IPPROTO_UDP, .shut = SHUT_RD + 1 },
	{ .ip = "::1", .proto = IPPROTO_UDP, .shut = SHUT_WR + 1 },
	{ .ip = "127.0.0.1", .proto = IPPROTO_UDP, .shut = SHUT_WR + 1 },
	{ .ip = "127.0.0.1", .proto = IPPROTO_UDPLITE, .shut = SHUT_WR + 1 },
	{ .ip = "127.0.0.1", .proto = IPPROTO_UDP, .shut = BOTH },
};
enum { SORTS = sizeof(sorts) / sizeof(sorts[0]) };

static int lite[2];

static struct sockaddr_storage addr_of(const char *ip, int port)
{
	struct sockaddr_storage a = { 0 };

	if (strchr(ip, ':')) {
		struct sockaddr_in6 *in = (struct sockaddr_in6 *)&a;

		in->sin6_family = AF_INET6;
		in->sin6_port = htons((uint16_t)port);
		inet_pton(AF_INET6, ip, &in->sin6_addr);
	} else {
		struct sockaddr_in *in = (struct sockaddr_in *)&a;

		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		inet_pton(AF_INET, ip, &in->sin_addr);
	}
	return a;
}

static int bound(const char *ip, int port, int proto)
{
	struct sockaddr_storage a = addr_of(ip, port);
	int fd = socket(a.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, proto);

	return bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? fd : -1;
}

static bool connected(int fd, const char *ip, int port)
{
	struct sockaddr_storage a = addr_of(ip, port);

	return connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

/* A datagram of which only a part has a checksum, not read yet. */
static bool make_lite(void)
{
	int some = 12;

	lite[0] = bound("127.0.0.1", PORT + 90, IPPROTO_UDPLITE);
	lite[1] = bound("127.0.0.1", PORT + 91, IPPROTO_UDPLITE);
	return lite[0] >= 0 && lite[1] >= 0 && connected(lite[0], "127.0.0.1", PORT + 91) &&
	       setsockopt(lite[0], IPPROTO_UDPLITE, SEND_COVERAGE, &some, sizeof(some)) == 0 &&
	       setsockopt(lite[1], IPPROTO_UDPLITE, RECV_COVERAGE, &some, sizeof(some)) == 0 &&
	       send(lite[0], "unread", 6, 0) == 6;
}

static bool make(void)
{
	int i;

	for (i = 0; i < SORTS; i++) {
		struct sort *s = &sorts[i];
		int port = PORT + 2 * i;

		s->fds[0] = bound(s->ip, port, s->proto);
		s->fds[1] = bound(s->ip, port + 1, s->proto);
		if (s->fds[0] < 0 || s->fds[1] < 0 || !connected(s->fds[0], s->ip, port + 1) ||
		    !connected(s->fds[1], s->ip, port))
			return false;
		if (s->shut && shutdown(s->fds[0], s->shut - 1) < 0)
			return false;
	}
	return make_lite();
}

static bool sends(int from, int to, const char *what)
{
	char buf[40];
	ssize_t n = (ssize_t)strlen(what);

	return expect(send(from, what, (size_t)n, 0) == n) &&
	       expect(recv(to, buf, sizeof(buf), 0) == n) &&
	       expect(memcmp(buf, what, (size_t)n) == 0);
}

static bool is_as_shut(const struct sort *s)
{
	struct pollfd p = { .fd = s->fds[0], .events = POLLRDHUP };
	int got = poll(&p, 1, 0) >= 0 ? p.revents : -1;
	ssize_t sent = send(s->fds[0], "through", 7, MSG_NOSIGNAL);
	char buf[20];

	if (!expect((got == (POLLHUP | POLLRDHUP)) == (s->shut == BOTH)) ||
	    !expect(((got & POLLRDHUP) != 0) == (s->shut != SHUT_WR + 1)))
		return false;
	if (s->shut == SHUT_RD + 1)
		return expect(sent == 7) && expect(recv(s->fds[1], buf, 20, 0) == 7);
	if (!expect(sent < 0 && errno == EPIPE))
		return false;
	return s->shut == BOTH || sends(s->fds[1], s->fds[0], "the other way");
}

static bool same_lite(void)
{
	int value = 0;
	socklen_t len = sizeof(value);
	char buf[20];

	return expect(getsockopt(lite[0], IPPROTO_UDPLITE, SEND_COVERAGE, &value, &len) == 0) &&
	       expect(value == 12) && expect(recv(lite[1], buf, 20, 0) == 6) &&
	       expect(memcmp(buf, "unread", 6) == 0) && sends(lite[0], lite[1], "more");
}

static bool same(void)
{
	int i;

	for (i = 0; i < SORTS; i++) {
		const struct sort *s = &sorts[i];

		if (s->shut ? !is_as_shut(s)
			    : !sends(s->fds[0], s->fds[1], "there") ||
				      !sends(s->fds[1], s->fds[0], "and back")) {
			fprintf(stderr, "sort %d\n", i);
			return false;
		}
	}
	return same_lite();
}

VICTIM(make, same)
