/* SPDX-License-Identifier: GPL-2.0-only */
/* options of IP and TCP on TCP, UDP and raw sockets, at zero again too; addresses of somebody else */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "victim.h"

enum { BUF_LOCK = 72, FIRST_PORT = 20911, SORTS = 6 };

/* of one sort, with everything set, and with everything set and taken back */
static const struct sort {
	int family, type, proto;
} sorts[SORTS] = {
	{ AF_INET, SOCK_STREAM, 0 },  { AF_INET, SOCK_DGRAM, 0 },  { AF_INET, SOCK_RAW, 253 },
	{ AF_INET6, SOCK_STREAM, 0 }, { AF_INET6, SOCK_DGRAM, 0 }, { AF_INET6, SOCK_RAW, 253 },
};
static int set[SORTS], zero[SORTS];
static int port, foreign, foreign_off, foreign6, device, locked[3], linger_off;

static const struct option {
	int level, name, value, none, family, type; /* 0: all */
} options[] = {
	{ SOL_IP, IP_FREEBIND, 1, 0, AF_INET, 0 },
	{ SOL_IP, IP_PKTINFO, 1, 0, AF_INET, 0 },
	{ SOL_IP, IP_TTL, 132, 64, AF_INET, 0 },
	{ SOL_IP, IP_TOS, 0x58, 0, AF_INET, 0 },
	{ SOL_IPV6, IPV6_FREEBIND, 1, 0, AF_INET6, 0 },
	{ SOL_IPV6, IPV6_RECVPKTINFO, 1, 0, AF_INET6, 0 },
	{ SOL_IPV6, IPV6_TCLASS, 0x44, 0, AF_INET6, 0 },
	{ SOL_SOCKET, SO_PRIORITY, 6, 0, 0, 0 },
	{ SOL_SOCKET, SO_MARK, 3331, 0, 0, 0 },
	{ SOL_SOCKET, SO_RCVLOWAT, 131, 1, 0, 0 },
	{ SOL_SOCKET, SO_DONTROUTE, 1, 0, 0, 0 },
	{ SOL_SOCKET, SO_KEEPALIVE, 1, 0, 0, 0 },
	{ SOL_SOCKET, SO_BROADCAST, 1, 0, 0, 0 },
	{ SOL_SOCKET, SO_OOBINLINE, 1, 0, 0, 0 },
	{ SOL_SOCKET, SO_REUSEPORT, 1, 0, 0, SOCK_STREAM },
	{ SOL_TCP, TCP_CORK, 1, 0, 0, SOCK_STREAM },
	{ SOL_TCP, TCP_NODELAY, 1, 0, 0, SOCK_STREAM },
	{ SOL_TCP, TCP_KEEPIDLE, 73, 7200, 0, SOCK_STREAM },
	{ SOL_TCP, TCP_KEEPINTVL, 7, 75, 0, SOCK_STREAM },
	{ SOL_TCP, TCP_KEEPCNT, 11, 9, 0, SOCK_STREAM },
};
enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

static bool applies(const struct option *o, const struct sort *s)
{
	return (!o->family || o->family == s->family) && (!o->type || o->type == s->type);
}

static bool put(int fd, int level, int name, int value)
{
	return expect(setsockopt(fd, level, name, &value, sizeof(value)) == 0);
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

static bool make_sort(int i)
{
	int k;

	set[i] = socket(sorts[i].family, sorts[i].type, sorts[i].proto);
	zero[i] = socket(sorts[i].family, sorts[i].type, sorts[i].proto);
	for (k = 0; k < OPTIONS; k++) {
		const struct option *o = &options[k];

		if (!applies(o, &sorts[i]))
			continue;
		if (!put(set[i], o->level, o->name, o->value) ||
		    !put(zero[i], o->level, o->name, o->value) ||
		    !put(zero[i], o->level, o->name, o->none)) {
			fprintf(stderr, "sort %d, option %d\n", i, k);
			return false;
		}
	}
	return true;
}

static bool bound(int fd, const char *ip, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	inet_pton(AF_INET, ip, &a.sin_addr);
	return bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

/* 192.0.2.0/24 and 2001:db8::/32 are for examples: nobody has them */
static bool make_foreign(void)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	inet_pton(AF_INET6, "2001:db8::7", &a6.sin6_addr);
	foreign = socket(AF_INET, SOCK_DGRAM, 0);
	foreign_off = socket(AF_INET, SOCK_STREAM, 0);
	foreign6 = socket(AF_INET6, SOCK_STREAM, 0);
	return !bound(foreign, "192.0.2.7", port) && put(foreign, SOL_IP, IP_FREEBIND, 1) &&
	       put(foreign_off, SOL_IP, IP_FREEBIND, 1) &&
	       put(foreign6, SOL_IPV6, IPV6_FREEBIND, 1) && bound(foreign, "192.0.2.7", port) &&
	       bound(foreign_off, "192.0.2.9", port) &&
	       bind(foreign6, (struct sockaddr *)&a6, sizeof(a6)) == 0 &&
	       put(foreign_off, SOL_IP, IP_FREEBIND, 0) &&
	       put(foreign6, SOL_IPV6, IPV6_FREEBIND, 0) && listen(foreign_off, 5) == 0;
}

static bool make_buffers(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		locked[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (!put(locked[i], SOL_SOCKET, BUF_LOCK, i + 1))
			return false;
	}
	return true;
}

static bool make(void)
{
	struct linger on = { 1, 13 }, off = { 0, 0 };
	int i;

	/* the one before may take a moment to die */
	port = FIRST_PORT + getpid() % 1000;
	for (i = 0; i < SORTS; i++)
		if (!make_sort(i))
			return false;
	device = socket(AF_INET6, SOCK_DGRAM, 0);
	linger_off = socket(AF_INET, SOCK_STREAM, 0);
	return make_foreign() && make_buffers() &&
	       setsockopt(device, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0 &&
	       setsockopt(linger_off, SOL_SOCKET, SO_LINGER, &on, sizeof(on)) == 0 &&
	       setsockopt(linger_off, SOL_SOCKET, SO_LINGER, &off, sizeof(off)) == 0;
}

static bool is_at(int fd, const char *want, int port)
{
	struct sockaddr_in6 a = { 0 }; /* larger than the other one */
	const struct sockaddr_in *in = (struct sockaddr_in *)&a;
	socklen_t len = sizeof(a);
	char ip[INET6_ADDRSTRLEN] = "";

	if (!expect(getsockname(fd, (struct sockaddr *)&a, &len) == 0))
		return false;
	inet_ntop(in->sin_family,
		  in->sin_family == AF_INET ? (void *)&in->sin_addr : (void *)&a.sin6_addr, ip,
		  sizeof(ip));
	return expect(strcmp(ip, want) == 0) && expect(ntohs(in->sin_port) == port);
}

static bool same_sort(int i)
{
	int k;

	for (k = 0; k < OPTIONS; k++) {
		const struct option *o = &options[k];

		if (applies(o, &sorts[i]) && (!has(set[i], o->level, o->name, o->value) ||
					      !has(zero[i], o->level, o->name, o->none))) {
			fprintf(stderr, "sort %d, option %d\n", i, k);
			return false;
		}
	}
	return true;
}

static bool same(void)
{
	struct linger l = { 5, 5 };
	socklen_t len = sizeof(l);
	char name[20] = "";
	int i;

	for (i = 0; i < SORTS; i++)
		if (!same_sort(i))
			return false;
	for (i = 0; i < 3; i++)
		if (!has(locked[i], SOL_SOCKET, BUF_LOCK, i + 1))
			return false;
	if (!expect(getsockopt(linger_off, SOL_SOCKET, SO_LINGER, &l, &len) == 0) ||
	    !expect(l.l_onoff == 0))
		return false;
	len = sizeof(name);
	return expect(getsockopt(device, SOL_SOCKET, SO_BINDTODEVICE, name, &len) == 0) &&
	       expect(strcmp(name, "lo") == 0) && is_at(foreign, "192.0.2.7", port) &&
	       has(foreign, SOL_IP, IP_FREEBIND, 1) && is_at(foreign_off, "192.0.2.9", port) &&
	       has(foreign_off, SOL_IP, IP_FREEBIND, 0) && is_at(foreign6, "2001:db8::7", port) &&
	       has(foreign6, SOL_IPV6, IPV6_FREEBIND, 0);
}

VICTIM(make, same)
