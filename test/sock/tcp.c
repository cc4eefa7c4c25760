/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP connections with both ends here: data in both queues, half closed, full queues, options; over IPv4,
 * IPv6, and IPv4 through IPv6
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

enum { PORT = 21117, FAMILIES = 3, OPEN = 1, HALF_SERVER = 8, HALF_CLIENT = 5 };

static const struct family {
	const char *listen, *connect;
} families[FAMILIES] = { { "127.0.0.1", "127.0.0.1" },
			 { "::1", "::1" },
			 { "::", "::ffff:127.0.0.1" } };

/* [0] has connected, [1] was accepted */
struct set {
	int listener;
	int open[2], half[2], full[2], tuned[2], idle[2];
	size_t filled[2];
};

static struct set sets[FAMILIES];

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

static int port_of(int family)
{
	return PORT + family;
}

/* @buffer: of both, 0: as they come */
static bool connection(int i, int fds[2], int buffer)
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, families[i].connect, port_of(i));

	fds[0] = socket(a.ss_family, SOCK_STREAM, 0);
	if (buffer &&
	    (setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)) < 0 ||
	     setsockopt(sets[i].listener, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) < 0))
		return false;
	if (connect(fds[0], (struct sockaddr *)&a, len) < 0)
		return false;
	fds[1] = accept(sets[i].listener, NULL, NULL);
	return fds[1] >= 0;
}

static char letter(size_t at)
{
	return (char)('a' + at % 23);
}

/* Until there is no more room on either side. */
static size_t fill(int fd)
{
	char buf[500];
	size_t n = 0, i;
	int tries;

	for (tries = 0; tries < 30;) {
		ssize_t sent;

		for (i = 0; i < sizeof(buf); i++)
			buf[i] = letter(n + i);
		sent = send(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (sent > 0) {
			n += (size_t)sent;
			tries = 0;
		} else {
			tries++;
			victim_sleep(2);
		}
	}
	return n;
}

static bool set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static bool make_set(int i)
{
	struct set *s = &sets[i];
	struct sockaddr_storage a;
	socklen_t len = address(&a, families[i].listen, port_of(i));
	char buf[10];

	s->listener = socket(a.ss_family, SOCK_STREAM, 0);
	if (!set_int(s->listener, SOL_SOCKET, SO_REUSEADDR, 1) ||
	    bind(s->listener, (struct sockaddr *)&a, len) < 0 || listen(s->listener, 7) < 0)
		return false;
	if (!connection(i, s->open, 0) || !connection(i, s->half, 0) ||
	    !connection(i, s->tuned, 0) || !connection(i, s->idle, 0) ||
	    !connection(i, s->full, 8192))
		return false;
	if (write(s->open[0], "read and not", 12) != 12 || read(s->open[1], buf, 9) != 9 ||
	    write(s->open[1], "the other way", 13) != 13)
		return false;
	if (write(s->half[0], "the last", 8) != 8 || shutdown(s->half[0], SHUT_WR) < 0 ||
	    write(s->half[1], "not yet", 7) != 7)
		return false;
	s->filled[0] = fill(s->full[0]);
	s->filled[1] = fill(s->full[1]);
	return s->filled[0] > 8192 && s->filled[1] > 8192 &&
	       set_int(s->tuned[0], SOL_TCP, TCP_NODELAY, 1) &&
	       set_int(s->tuned[0], SOL_TCP, TCP_KEEPIDLE, 93) &&
	       set_int(s->tuned[0], SOL_TCP, TCP_KEEPINTVL, 17) &&
	       set_int(s->tuned[0], SOL_TCP, TCP_KEEPCNT, 5) &&
	       set_int(s->tuned[0], SOL_SOCKET, SO_KEEPALIVE, 1) &&
	       set_int(s->tuned[1], SOL_TCP, TCP_CORK, 1) &&
	       set_int(s->tuned[1], SOL_IP, IP_TOS, 0x28) && write(s->tuned[1], "corked", 6) == 6;
}

static bool make(void)
{
	int i;

	for (i = 0; i < FAMILIES; i++)
		if (!make_set(i)) {
			fprintf(stderr, "family %d\n", i);
			return false;
		}
	return true;
}

static bool hears(int fd, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[50];
	ssize_t n = (ssize_t)strlen(what);

	return expect(poll(&p, 1, 3000) == 1) && expect(recv(fd, buf, sizeof(buf), 0) == n) &&
	       expect(memcmp(buf, what, (size_t)n) == 0);
}

static bool says(int from, int to, const char *what)
{
	return expect(write(from, what, strlen(what)) == (ssize_t)strlen(what)) && hears(to, what);
}

static bool ends(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	return expect(poll(&p, 1, 3000) == 1) && expect(read(fd, &c, 1) == 0);
}

static bool has(int fd, int level, int name, int want)
{
	int value = -5;
	socklen_t len = sizeof(value);
	bool ok = getsockopt(fd, level, name, &value, &len) == 0 && value == want;

	if (!ok)
		fprintf(stderr, "option %d of level %d: %d, not %d\n", name, level, value, want);
	return expect(ok);
}

static bool is_in_state(int fd, int want)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (!expect(getsockopt(fd, SOL_TCP, TCP_INFO, &info, &len) == 0))
		return false;
	if (info.tcpi_state != want)
		fprintf(stderr, "in state %d, not %d\n", info.tcpi_state, want);
	return expect(info.tcpi_state == want) && expect(info.tcpi_options & TCPI_OPT_SACK) &&
	       expect(info.tcpi_options & TCPI_OPT_TIMESTAMPS) &&
	       expect(info.tcpi_options & TCPI_OPT_WSCALE) && expect(info.tcpi_rtt) &&
	       expect(info.tcpi_rto < 1000000);
}

static bool same_full(int from, int to, size_t n)
{
	struct pollfd p = { .fd = to, .events = POLLIN };
	size_t i = 0, k;
	char buf[1000];

	while (i < n) {
		ssize_t got;

		if (!expect(poll(&p, 1, 5000) == 1) ||
		    !expect((got = recv(to, buf, sizeof(buf), 0)) > 0))
			return false;
		for (k = 0; k < (size_t)got; k++)
			if (!expect(buf[k] == letter(i + k)))
				return false;
		i += (size_t)got;
	}
	return expect(i == n) && says(from, to, "and more");
}

static bool serves(int i)
{
	int fds[2];

	return expect(connection(i, fds, 0)) && says(fds[0], fds[1], "new") && close(fds[0]) == 0 &&
	       close(fds[1]) == 0;
}

static bool same_tuned(const struct set *s)
{
	return has(s->tuned[0], SOL_TCP, TCP_NODELAY, 1) &&
	       has(s->tuned[0], SOL_TCP, TCP_KEEPIDLE, 93) &&
	       has(s->tuned[0], SOL_TCP, TCP_KEEPINTVL, 17) &&
	       has(s->tuned[0], SOL_TCP, TCP_KEEPCNT, 5) &&
	       has(s->tuned[0], SOL_SOCKET, SO_KEEPALIVE, 1) &&
	       has(s->tuned[0], SOL_SOCKET, SO_REUSEADDR, 0) &&
	       has(s->tuned[1], SOL_SOCKET, SO_REUSEADDR, 1) &&
	       has(s->tuned[1], SOL_TCP, TCP_CORK, 1) && has(s->tuned[1], SOL_IP, IP_TOS, 0x28) &&
	       hears(s->tuned[0], "corked") && says(s->tuned[0], s->tuned[1], "back");
}

static bool same_set(int i)
{
	struct set *s = &sets[i];

	return is_in_state(s->open[0], OPEN) && is_in_state(s->open[1], OPEN) &&
	       is_in_state(s->half[0], HALF_CLIENT) && is_in_state(s->half[1], HALF_SERVER) &&
	       hears(s->open[1], "not") && hears(s->open[0], "the other way") &&
	       says(s->open[0], s->open[1], "again") && says(s->open[1], s->open[0], "too") &&
	       says(s->idle[0], s->idle[1], "first") && says(s->idle[1], s->idle[0], "second") &&
	       hears(s->half[1], "the last") && ends(s->half[1]) && hears(s->half[0], "not yet") &&
	       says(s->half[1], s->half[0], "now") && expect(close(s->half[1]) == 0) &&
	       ends(s->half[0]) && same_full(s->full[0], s->full[1], s->filled[0]) &&
	       same_full(s->full[1], s->full[0], s->filled[1]) && same_tuned(s) && serves(i);
}

static bool same(void)
{
	int i;

	for (i = 0; i < FAMILIES; i++)
		if (!same_set(i)) {
			fprintf(stderr, "family %d\n", i);
			return false;
		}
	return true;
}

VICTIM(make, same)
