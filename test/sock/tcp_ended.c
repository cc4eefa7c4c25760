/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP connections that have ended and were not closed: what is unread is read, then comes the end, or the
 * reset; their port is free, and they can be connected again
 *
 * dump: --tcp-established
 * restore: --tcp-established
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "victim.h"

enum { PORT = 21317, FAMILIES = 3 }; /* IPv4, IPv6, IPv4 through IPv6 */

struct set {
	int listener;
	int both[2];	       /* shut by both */
	int unread[2];	       /* the same, with data */
	int reset, reset_read; /* the peer is gone, with data here and without */
	int never, bound;      /* without a connection */
};

static struct set sets[FAMILIES];

static socklen_t address(struct sockaddr_storage *a, int i, int port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)a;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;

	memset(a, 0, sizeof(*a));
	if (i == 0) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)port);
	v6->sin6_addr = in6addr_loopback;
	if (i == 2)
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &v6->sin6_addr);
	return sizeof(*v6);
}

static bool connection(int i, int fds[2])
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, i, PORT + 2 * i);

	fds[0] = socket(a.ss_family, SOCK_STREAM, 0);
	if (connect(fds[0], (struct sockaddr *)&a, len) < 0)
		return false;
	fds[1] = accept(sets[i].listener, NULL, NULL);
	return fds[1] >= 0;
}

static bool comes_to(int fd, int state)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int i;

	for (i = 0; i < 400; i++) {
		if (getsockopt(fd, SOL_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state == state)
			return true;
		victim_sleep(10);
	}
	return expect(info.tcpi_state == state);
}

static bool make_reset(int i, int *fd, const char *what)
{
	struct linger l = { 1, 0 };
	int fds[2];

	if (!connection(i, fds) || write(fds[0], what, strlen(what)) != (ssize_t)strlen(what) ||
	    setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &l, sizeof(l)) < 0)
		return false;
	victim_sleep(20);
	*fd = fds[1];
	return close(fds[0]) == 0 && comes_to(*fd, TCP_CLOSE);
}

static bool make_set(int i)
{
	struct set *s = &sets[i];
	struct sockaddr_storage a;
	socklen_t len = address(&a, i, PORT + 2 * i);
	int on = 1;

	s->listener = socket(a.ss_family, SOCK_STREAM, 0);
	s->never = socket(a.ss_family, SOCK_STREAM, 0);
	s->bound = socket(a.ss_family, SOCK_STREAM, 0);
	len = address(&a, i, PORT + 2 * i + 1);
	if (bind(s->bound, (struct sockaddr *)&a, len) < 0)
		return false;
	len = address(&a, i, PORT + 2 * i);
	setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s->listener, (struct sockaddr *)&a, len) < 0 || listen(s->listener, 5) < 0 ||
	    !connection(i, s->both) || !connection(i, s->unread))
		return false;
	if (write(s->unread[0], "unread", 6) != 6 || write(s->unread[1], "too", 3) != 3 ||
	    shutdown(s->unread[0], SHUT_WR) < 0 || shutdown(s->unread[1], SHUT_WR) < 0 ||
	    shutdown(s->both[0], SHUT_WR) < 0 || shutdown(s->both[1], SHUT_WR) < 0)
		return false;
	return comes_to(s->both[0], TCP_CLOSE) && comes_to(s->unread[1], TCP_CLOSE) &&
	       make_reset(i, &s->reset, "before") && make_reset(i, &s->reset_read, "");
}

static bool make(void)
{
	int i = 0;

	while (i < FAMILIES && make_set(i))
		i++;
	return expect(i == FAMILIES);
}

static bool gives(int fd, const char *what)
{
	char buf[20];

	return expect(recv(fd, buf, sizeof(buf), MSG_DONTWAIT) == (ssize_t)strlen(what)) &&
	       expect(memcmp(buf, what, strlen(what)) == 0);
}

static bool is_shut(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLRDHUP };

	return gives(fd, "") && expect(poll(&p, 1, 0) == 1) && expect(p.revents & POLLRDHUP) &&
	       expect(p.revents & POLLHUP) && expect(send(fd, "x", 1, MSG_NOSIGNAL) < 0) &&
	       expect(errno == EPIPE) && gives(fd, "");
}

static bool was_reset(int fd)
{
	char c;

	return expect(recv(fd, &c, 1, MSG_DONTWAIT) < 0) && expect(errno == ECONNRESET) &&
	       gives(fd, "") && is_shut(fd);
}

/* What has ended holds no port: another one can listen there. */
static bool is_free(int i)
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, i, PORT + 2 * i);
	int fd = socket(a.ss_family, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return expect(close(sets[i].listener) == 0) &&
	       expect(bind(fd, (struct sockaddr *)&a, len) == 0) && expect(listen(fd, 3) == 0);
}

/* From @port, -1: any. */
static bool connects(int i, int fd, int port)
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, i, PORT + 2 * i);
	const struct sockaddr_in *from = (struct sockaddr_in *)&a;
	int server;
	char c;

	if (!expect(connect(fd, (struct sockaddr *)&a, len) == 0))
		return false;
	len = sizeof(a);
	server = accept(sets[i].listener, (struct sockaddr *)&a, &len);
	return expect(server >= 0) && expect(port < 0 || ntohs(from->sin_port) == port) &&
	       expect(write(fd, "x", 1) == 1) && expect(read(server, &c, 1) == 1) &&
	       expect(close(server) == 0);
}

static bool connects_again(int i, int fd)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	return expect(connect(fd, &none, sizeof(none)) == 0) && connects(i, fd, -1);
}

static bool same_set(int i)
{
	const struct set *s = &sets[i];
	char c;

	return is_shut(s->both[0]) && is_shut(s->both[1]) && gives(s->unread[1], "unread") &&
	       is_shut(s->unread[1]) && gives(s->unread[0], "too") && is_shut(s->unread[0]) &&
	       gives(s->reset, "before") && was_reset(s->reset) && was_reset(s->reset_read) &&
	       expect(recv(s->never, &c, 1, MSG_DONTWAIT) < 0) && expect(errno == ENOTCONN) &&
	       connects(i, s->never, -1) && connects(i, s->bound, PORT + 2 * i + 1) &&
	       connects_again(i, s->both[0]) && connects_again(i, s->reset) && is_free(i);
}

static bool same(void)
{
	int i = 0;

	while (i < FAMILIES && same_set(i))
		i++;
	return expect(i == FAMILIES);
}

VICTIM(make, same)
