/* SPDX-License-Identifier: GPL-2.0-only */
/* UDP sockets go on exchanging datagrams, TCP listeners go on accepting, ports are still theirs */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "victim.h"

enum { PORT = 20117 };

static int udp[2], udp6[2], mapped, tcp, tcp6, waits, shared[2], held, unbound, closed, dropped;

static socklen_t v4(struct sockaddr_storage *a, const char *ip, int port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)a;

	memset(a, 0, sizeof(*a));
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	inet_pton(AF_INET, ip, &in->sin_addr);
	return sizeof(*in);
}

static socklen_t v6(struct sockaddr_storage *a, const char *ip, int port)
{
	struct sockaddr_in6 *in = (struct sockaddr_in6 *)a;

	memset(a, 0, sizeof(*a));
	in->sin6_family = AF_INET6;
	in->sin6_port = htons((uint16_t)port);
	inet_pton(AF_INET6, ip, &in->sin6_addr);
	return sizeof(*in);
}

static int bound(int type, const char *ip, int port, bool share)
{
	bool is_v6 = strchr(ip, ':');
	struct sockaddr_storage a;
	socklen_t len = is_v6 ? v6(&a, ip, port) : v4(&a, ip, port);
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, type, 0), on = 1;

	if (is_v6 && strcmp(ip, "::") != 0)
		setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (share)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	/* there may have been one of us before */
	if ((type & ~SOCK_NONBLOCK) != SOCK_DGRAM && port < PORT + 6)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&a, len) == 0 ? fd : -1;
}

static int connected(const char *ip, int port, int type)
{
	struct sockaddr_storage a;
	bool is_v6 = strchr(ip, ':');
	socklen_t len = is_v6 ? v6(&a, ip, port) : v4(&a, ip, port);
	int fd = socket(a.ss_family, type, 0);

	return connect(fd, (struct sockaddr *)&a, len) == 0 ? fd : -1;
}

/* One that was reset. */
static bool make_closed(void)
{
	struct linger l = { 1, 0 };
	int server;

	closed = connected("127.0.0.1", PORT, SOCK_STREAM);
	server = accept(tcp, NULL, NULL);
	return setsockopt(server, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0 &&
	       close(server) == 0 && send(closed, "x", 1, MSG_NOSIGNAL) < 1;
}

/* The same at the other end, whose port is that of the listener. */
static bool make_dropped(void)
{
	struct linger l = { 1, 0 };
	int client = connected("127.0.0.1", PORT, SOCK_STREAM);

	dropped = accept(tcp, NULL, NULL);
	return setsockopt(client, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0 &&
	       close(client) == 0 && dropped >= 0;
}

/* Connections of yesterday stay in TIME_WAIT at a port, which then nobody else can have. */
static bool make_yesterday(void)
{
	int client, server, port = PORT + 6;

	for (waits = -1; waits < 0 && port < PORT + 100; port += 2)
		waits = bound(SOCK_STREAM | SOCK_NONBLOCK, "127.0.0.1", port, false);
	if (waits < 0 || fcntl(waits, F_SETFL, 0) < 0 || listen(waits, 1) < 0)
		return false;
	client = connected("127.0.0.1", port - 2, SOCK_STREAM);
	server = accept(waits, NULL, NULL);
	return client >= 0 && close(server) == 0 && close(client) == 0 &&
	       fcntl(waits, F_SETFL, O_NONBLOCK) == 0 &&
	       bound(SOCK_STREAM, "127.0.0.1", port - 2, false) < 0;
}

static bool make(void)
{
	udp[0] = bound(SOCK_DGRAM, "127.0.0.1", PORT, false);
	udp[1] = connected("127.0.0.1", PORT, SOCK_DGRAM);
	udp6[0] = bound(SOCK_DGRAM, "::1", PORT + 1, false);
	udp6[1] = connected("::1", PORT + 1, SOCK_DGRAM);
	mapped = bound(SOCK_DGRAM, "::", PORT + 2, false);
	tcp = bound(SOCK_STREAM, "0.0.0.0", PORT, false);
	tcp6 = bound(SOCK_STREAM | SOCK_NONBLOCK, "::1", PORT + 3, false);
	shared[0] = bound(SOCK_STREAM, "127.0.0.1", PORT + 4, true);
	shared[1] = bound(SOCK_STREAM, "127.0.0.1", PORT + 4, true);
	held = bound(SOCK_STREAM, "127.0.0.1", PORT + 5, false);
	unbound = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (udp[0] < 0 || udp[1] < 0 || udp6[0] < 0 || udp6[1] < 0 || mapped < 0 || tcp < 0 ||
	    tcp6 < 0 || shared[0] < 0 || shared[1] < 0 || held < 0 || unbound < 0)
		return false;
	if (listen(tcp, 13) < 0 || listen(tcp6, 3) < 0 || listen(shared[0], 5) < 0 ||
	    listen(shared[1], 5) < 0)
		return false;
	return make_closed() && make_dropped() && make_yesterday();
}

static bool exchange(int server, int client, struct sockaddr *to, socklen_t to_len)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char buf[20];

	return expect(sendto(client, "hello", 5, 0, to, to_len) == 5) &&
	       expect(recvfrom(server, buf, 20, 0, (struct sockaddr *)&from, &len) == 5) &&
	       expect(sendto(server, "you", 3, 0, (struct sockaddr *)&from, len) == 3) &&
	       expect(recv(client, buf, 20, 0) == 3);
}

static bool is_at(int fd, socklen_t (*make_addr)(struct sockaddr_storage *, const char *, int),
		  const char *ip, int port)
{
	struct sockaddr_storage want, got = { 0 };
	socklen_t want_len = make_addr(&want, ip, port), len = sizeof(got);

	return expect(getsockname(fd, (struct sockaddr *)&got, &len) == 0) &&
	       expect(len == want_len) && expect(memcmp(&got, &want, len) == 0);
}

static bool serves(int listener, const char *ip, int port, uint32_t backlog)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int client, server;
	char buf[20];

	if (!expect(getsockopt(listener, SOL_TCP, TCP_INFO, &info, &len) == 0) ||
	    !expect(info.tcpi_sacked == backlog))
		return false;
	client = connected(ip, port, SOCK_STREAM);
	if (!expect(client >= 0))
		return false;
	victim_sleep(20);
	server = accept(listener, NULL, NULL);
	return expect(server >= 0) && expect(write(client, "hello", 5) == 5) &&
	       expect(read(server, buf, 20) == 5);
}

static bool same(void)
{
	struct sockaddr_storage a;
	socklen_t len = v4(&a, "127.0.0.1", PORT + 2);
	int value = -1, fd;
	socklen_t value_len = sizeof(value);

	if (!is_at(udp[0], v4, "127.0.0.1", PORT) || !exchange(udp[0], udp[1], NULL, 0) ||
	    !is_at(udp6[0], v6, "::1", PORT + 1) || !exchange(udp6[0], udp6[1], NULL, 0))
		return false;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (!exchange(mapped, fd, (struct sockaddr *)&a, len))
		return false;
	if (!expect(getsockopt(waits, SOL_SOCKET, SO_REUSEADDR, &value, &value_len) == 0) ||
	    !expect(value == 0) ||
	    !expect(getsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &value, &value_len) == 0) ||
	    !expect(value == 1))
		return false;
	if (!is_at(held, v4, "127.0.0.1", PORT + 5) || !expect(listen(held, 2) == 0) ||
	    !expect(bound(SOCK_STREAM, "127.0.0.1", PORT + 5, false) < 0))
		return false;
	if (!expect(bound(SOCK_STREAM, "127.0.0.1", PORT + 4, true) >= 0))
		return false;
	return serves(tcp, "127.0.0.1", PORT, 13) && serves(tcp6, "::1", PORT + 3, 3) &&
	       serves(held, "127.0.0.1", PORT + 5, 2) && expect(accept(waits, NULL, NULL) < 0) &&
	       expect(errno == EAGAIN) && is_at(unbound, v6, "::", 0) &&
	       expect(send(closed, "x", 1, MSG_NOSIGNAL) < 0) &&
	       expect(read(dropped, &value, 1) < 1);
}

VICTIM(make, same)
