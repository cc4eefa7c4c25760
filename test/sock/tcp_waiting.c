/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP connections that wait to be accepted: idle, with data, with much data and an end, with an option of
 * the listener; over IPv4, IPv6, and IPv4 through IPv6
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

enum { PORT = 21517, FAMILIES = 3, WAITING = 4, MUCH = 40001 };

static const struct family {
	const char *listen, *connect;
} families[FAMILIES] = { { "0.0.0.0", "127.0.0.1" },
			 { "::1", "::1" },
			 { "::", "::ffff:127.0.0.1" } };

static int listeners[FAMILIES], clients[FAMILIES][WAITING];

static socklen_t address(struct sockaddr_storage *a, const char *ip, int port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)a;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;

	memset(a, 0, sizeof(*a));
	if (!strchr(ip, ':')) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		inet_pton(AF_INET, ip, &v4->sin_addr);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)port);
	inet_pton(AF_INET6, ip, &v6->sin6_addr);
	return sizeof(*v6);
}

static int connected(int i)
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, families[i].connect, PORT + i);
	int fd = socket(a.ss_family, SOCK_STREAM, 0);

	return connect(fd, (struct sockaddr *)&a, len) == 0 ? fd : -1;
}

static char letter(size_t i)
{
	return (char)('a' + i % 23);
}

static bool sends_much(int fd)
{
	char buf[MUCH];
	size_t i, at;

	for (i = 0; i < MUCH; i++)
		buf[i] = letter(i);
	for (at = 0; at < MUCH;) {
		ssize_t n = send(fd, buf + at, MUCH - at, 0);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static bool make_set(int i)
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, families[i].listen, PORT + i);
	int on = 1, k;

	listeners[i] = socket(a.ss_family, SOCK_STREAM, 0);
	if (setsockopt(listeners[i], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(listeners[i], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0 ||
	    bind(listeners[i], (struct sockaddr *)&a, len) < 0 || listen(listeners[i], 7) < 0)
		return false;
	for (k = 0; k < WAITING; k++) {
		clients[i][k] = connected(i);
		if (clients[i][k] < 0)
			return false;
	}
	return write(clients[i][1], "early", 5) == 5 && sends_much(clients[i][2]) &&
	       shutdown(clients[i][2], SHUT_WR) == 0 && write(clients[i][3], "a", 1) == 1;
}

static bool make(void)
{
	int i = 0;

	while (i < FAMILIES && make_set(i))
		i++;
	return expect(i == FAMILIES);
}

static int port_of(const struct sockaddr_storage *a)
{
	return ntohs(((const struct sockaddr_in *)a)->sin_port);
}

/* Who was the @k-th. */
static int accepted(int i, int k)
{
	struct pollfd p = { .fd = listeners[i], .events = POLLIN };
	struct sockaddr_storage a, b;
	socklen_t len = sizeof(a);
	int fd = expect(poll(&p, 1, 3000) == 1) ? accept(listeners[i], (struct sockaddr *)&a, &len)
						: -1;

	if (!expect(fd >= 0))
		return -1;
	len = sizeof(b);
	if (!expect(getsockname(clients[i][k], (struct sockaddr *)&b, &len) == 0) ||
	    !expect(port_of(&a) == port_of(&b)))
		return -1;
	return fd;
}

static bool hears(int fd, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = (ssize_t)strlen(what);
	char buf[50];

	return expect(poll(&p, 1, 3000) == 1) && expect(recv(fd, buf, sizeof(buf), 0) == n) &&
	       expect(memcmp(buf, what, (size_t)n) == 0);
}

static bool hears_much(int fd)
{
	char buf[1000];
	size_t at = 0, k;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n = expect(poll(&p, 1, 3000) == 1) ? recv(fd, buf, sizeof(buf), 0) : -1;

		if (n <= 0)
			return expect(n == 0) && expect(at == MUCH);
		for (k = 0; k < (size_t)n; k++)
			if (!expect(buf[k] == letter(at + k)))
				return false;
		at += (size_t)n;
	}
}

static bool talks(int client, int server)
{
	int on = 0;
	socklen_t len = sizeof(on);

	return expect(write(server, "hello", 5) == 5) && hears(client, "hello") &&
	       expect(getsockopt(server, SOL_SOCKET, SO_KEEPALIVE, &on, &len) == 0) && expect(on);
}

static bool same_set(int i)
{
	int fds[WAITING], k, fd;

	for (k = 0; k < WAITING; k++) {
		fds[k] = accepted(i, k);
		if (fds[k] < 0)
			return false;
	}
	for (k = 0; k < WAITING; k++)
		if (!talks(clients[i][k], fds[k]))
			return false;
	if (!expect(write(clients[i][0], "now", 3) == 3) || !hears(fds[0], "now") ||
	    !hears(fds[1], "early") || !hears_much(fds[2]) || !hears(fds[3], "a"))
		return false;
	fd = connected(i);
	return expect(fd >= 0) && expect(sends_much(fd)) && expect(close(fd) == 0) &&
	       hears_much(accept(listeners[i], NULL, NULL));
}

static bool same(void)
{
	int i = 0;

	while (i < FAMILIES && same_set(i))
		i++;
	return expect(i == FAMILIES);
}

VICTIM(make, same)
