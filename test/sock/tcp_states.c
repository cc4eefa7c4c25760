/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP connections on their way to an end, or to a beginning: FIN_WAIT1, LAST_ACK (also with a peer that is
 * gone), CLOSING, SYN_SENT, with data that was sent, or could not be; over IPv4, IPv6, and IPv4 through IPv6
 *
 * dump: --tcp-established
 * restore: --tcp-established
 */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "victim.h"

enum { PORT = 21217, FAMILIES = 3 };

static const struct family {
	const char *listen, *connect;
} families[FAMILIES] = { { "127.0.0.1", "127.0.0.1" },
			 { "::1", "::1" },
			 { "::", "::ffff:127.0.0.1" } };

/* [0] is in the state that the name says, [1] is its peer */
struct set {
	int listener, deaf; /* the second hears nothing until it is told to */
	int fin_wait1[2], last_ack[2], closing[2], connecting;
	int last_ack_alone[2]; /* the peer has heard all, and is gone */
	int fin_wait1_full[2], last_ack_full[2], closing_full[2];
	size_t filled[3];
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

static int listener(const char *ip, int port)
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, ip, port);
	int fd = socket(a.ss_family, SOCK_STREAM, 0), on = 1, small = 8192;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	return bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 7) == 0 ? fd : -1;
}

static bool connection(int i, int fds[2])
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, families[i].connect, PORT + 2 * i);
	int small = 8192;

	fds[0] = socket(a.ss_family, SOCK_STREAM, 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	if (connect(fds[0], (struct sockaddr *)&a, len) < 0)
		return false;
	fds[1] = accept(sets[i].listener, NULL, NULL);
	return fds[1] >= 0;
}

static bool deafen(int fd)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = { .len = 1, .filter = &nothing };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) == 0;
}

static bool undeafen(int fd)
{
	int unused = 0;

	return expect(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) == 0);
}

static int state_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, SOL_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_state : -1;
}

static bool comes_to(int fd, int state)
{
	int i;

	for (i = 0; i < 400 && state_of(fd) != state; i++)
		victim_sleep(10);
	if (state_of(fd) != state)
		fprintf(stderr, "in state %d, not %d\n", state_of(fd), state);
	return expect(state_of(fd) == state);
}

static bool ends_by(int fd, const char *what)
{
	return write(fd, what, strlen(what)) == (ssize_t)strlen(what) && shutdown(fd, SHUT_WR) == 0;
}

static size_t fill(int fd)
{
	char buf[500];
	size_t n = 0, i;
	int tries;

	for (tries = 0; tries < 30;) {
		ssize_t sent;

		for (i = 0; i < sizeof(buf); i++)
			buf[i] = (char)('a' + (n + i) % 23);
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

static bool make_connecting(struct set *s, int i)
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, families[i].connect, PORT + 2 * i + 1);

	s->deaf = listener(families[i].listen, PORT + 2 * i + 1);
	s->connecting = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	return s->deaf >= 0 && deafen(s->deaf) &&
	       connect(s->connecting, (struct sockaddr *)&a, len) < 0 && errno == EINPROGRESS;
}

static bool make_set(int i)
{
	struct set *s = &sets[i];

	s->listener = listener(families[i].listen, PORT + 2 * i);
	if (s->listener < 0 || !connection(i, s->fin_wait1) || !connection(i, s->last_ack) ||
	    !connection(i, s->closing) || !connection(i, s->last_ack_alone) ||
	    !connection(i, s->fin_wait1_full) || !connection(i, s->last_ack_full) ||
	    !connection(i, s->closing_full))
		return false;

	if (!deafen(s->fin_wait1[1]) || !ends_by(s->fin_wait1[0], "unheard"))
		return false;
	if (!ends_by(s->last_ack[1], "first") || !comes_to(s->last_ack[0], TCP_CLOSE_WAIT) ||
	    !comes_to(s->last_ack[1], TCP_FIN_WAIT2) || !deafen(s->last_ack[1]) ||
	    !ends_by(s->last_ack[0], "second"))
		return false;
	if (!ends_by(s->last_ack_alone[1], "first") ||
	    !comes_to(s->last_ack_alone[0], TCP_CLOSE_WAIT) ||
	    !comes_to(s->last_ack_alone[1], TCP_FIN_WAIT2) || !deafen(s->last_ack_alone[0]) ||
	    !ends_by(s->last_ack_alone[0], "second"))
		return false;
	/* neither hears the end of the other, until the first one listens again */
	if (!deafen(s->closing[0]) || !deafen(s->closing[1]) || !ends_by(s->closing[0], "mine") ||
	    !ends_by(s->closing[1], "yours") || !undeafen(s->closing[0]))
		return false;

	s->filled[0] = fill(s->fin_wait1_full[0]);
	s->filled[1] = fill(s->last_ack_full[0]);
	s->filled[2] = fill(s->closing_full[0]);
	if (shutdown(s->fin_wait1_full[0], SHUT_WR) < 0 || !ends_by(s->last_ack_full[1], "one") ||
	    !comes_to(s->last_ack_full[0], TCP_CLOSE_WAIT) ||
	    shutdown(s->last_ack_full[0], SHUT_WR) < 0 ||
	    shutdown(s->closing_full[0], SHUT_WR) < 0 || !ends_by(s->closing_full[1], "two"))
		return false;
	return make_connecting(s, i) && comes_to(s->closing[0], TCP_CLOSING);
}

static bool in_states(const struct set *s)
{
	return comes_to(s->fin_wait1[0], TCP_FIN_WAIT1) && comes_to(s->last_ack[0], TCP_LAST_ACK) &&
	       comes_to(s->last_ack_alone[0], TCP_LAST_ACK) &&
	       comes_to(s->last_ack_alone[1], TCP_CLOSE) && comes_to(s->closing[0], TCP_CLOSING) &&
	       comes_to(s->connecting, TCP_SYN_SENT) &&
	       comes_to(s->fin_wait1_full[0], TCP_FIN_WAIT1) &&
	       comes_to(s->last_ack_full[0], TCP_LAST_ACK) &&
	       comes_to(s->closing_full[0], TCP_CLOSING) &&
	       comes_to(s->fin_wait1[1], TCP_ESTABLISHED) &&
	       comes_to(s->last_ack[1], TCP_FIN_WAIT2) && comes_to(s->closing[1], TCP_FIN_WAIT1) &&
	       comes_to(s->fin_wait1_full[1], TCP_ESTABLISHED);
}

static bool make(void)
{
	int i;

	for (i = 0; i < FAMILIES; i++)
		if (!make_set(i) || !in_states(&sets[i])) {
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

	return expect(poll(&p, 1, 8000) == 1) && expect(recv(fd, buf, sizeof(buf), 0) == n) &&
	       expect(memcmp(buf, what, (size_t)n) == 0);
}

static bool ends(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	return expect(poll(&p, 1, 8000) == 1) && expect(read(fd, &c, 1) == 0);
}

/* All that was filled in, and then the end. */
static bool hears_all(int fd, size_t n)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t at = 0, k;
	char buf[1000];

	while (at < n) {
		ssize_t got;

		if (!expect(poll(&p, 1, 8000) == 1) ||
		    !expect((got = recv(fd, buf, sizeof(buf), 0)) > 0))
			return false;
		for (k = 0; k < (size_t)got; k++)
			if (!expect(buf[k] == (char)('a' + (at + k) % 23)))
				return false;
		at += (size_t)got;
	}
	return expect(at == n) && ends(fd);
}

static bool let_hear(const struct set *s)
{
	return undeafen(s->deaf) && undeafen(s->fin_wait1[1]) && undeafen(s->last_ack[1]) &&
	       undeafen(s->closing[1]) && undeafen(s->last_ack_alone[0]);
}

static bool connects(const struct set *s)
{
	struct pollfd p = { .fd = s->connecting, .events = POLLOUT };
	int server, error = -1;
	socklen_t len = sizeof(error);

	if (!expect(poll(&p, 1, 10000) == 1) ||
	    !expect(getsockopt(s->connecting, SOL_SOCKET, SO_ERROR, &error, &len) == 0) ||
	    !expect(error == 0))
		return false;
	server = accept(s->deaf, NULL, NULL);
	return expect(server >= 0) && expect(write(s->connecting, "at last", 7) == 7) &&
	       hears(server, "at last");
}

static bool same_set(int i)
{
	const struct set *s = &sets[i];

	return hears(s->fin_wait1[1], "unheard") && ends(s->fin_wait1[1]) &&
	       expect(write(s->fin_wait1[1], "back", 4) == 4) && hears(s->fin_wait1[0], "back") &&
	       hears(s->last_ack[0], "first") && ends(s->last_ack[0]) &&
	       hears(s->last_ack[1], "second") && ends(s->last_ack[1]) &&
	       hears(s->last_ack_alone[1], "second") && ends(s->last_ack_alone[1]) &&
	       hears(s->last_ack_alone[0], "first") && ends(s->last_ack_alone[0]) &&
	       comes_to(s->last_ack_alone[0], TCP_CLOSE) && hears(s->closing[0], "yours") &&
	       ends(s->closing[0]) && hears(s->closing[1], "mine") && ends(s->closing[1]) &&
	       comes_to(s->closing[0], TCP_CLOSE) && comes_to(s->last_ack[0], TCP_CLOSE) &&
	       hears_all(s->fin_wait1_full[1], s->filled[0]) &&
	       hears_all(s->last_ack_full[1], s->filled[1]) && hears(s->last_ack_full[0], "one") &&
	       hears_all(s->closing_full[1], s->filled[2]) && hears(s->closing_full[0], "two") &&
	       connects(s);
}

static bool same(void)
{
	int i;

	/* what was lost is sent again when its time has come: of all at the same time */
	for (i = 0; i < FAMILIES; i++)
		if (!in_states(&sets[i]) || !let_hear(&sets[i]))
			return false;

	for (i = 0; i < FAMILIES; i++)
		if (!same_set(i)) {
			fprintf(stderr, "family %d\n", i);
			return false;
		}
	return true;
}

VICTIM(make, same)
