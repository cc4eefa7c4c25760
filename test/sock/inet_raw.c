/* SPDX-License-Identifier: GPL-2.0-only */
/* raw and ping sockets of both families: protocol, addresses, header included, filters of ICMP */
#include <arpa/inet.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include "victim.h"

enum { PING_ID = 4321, PROTO = 253, OWN_HDRINCL6 = 36, FILTER = 1 };

static int plain, bound4, bound6, connected4, ported4, header, raw_without, icmp, icmp6, ping,
	ping6, off;
static uint32_t filter4 = ~(1u << ICMP_ECHOREPLY), filter6[8] = { 5, 7, 11, 13, 17, 19, 23, 29 };

static struct sockaddr_in v4(const char *ip, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}

static struct sockaddr_in6 v6(const char *ip, int port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	inet_pton(AF_INET6, ip, &a.sin6_addr);
	return a;
}

static int raw(int family, int proto)
{
	return socket(family, SOCK_RAW | SOCK_NONBLOCK, proto);
}

static bool set(int fd, int level, int name, int value)
{
	return expect(setsockopt(fd, level, name, &value, sizeof(value)) == 0);
}

/* Groups that may have ping sockets; in the network namespace of the test. */
static bool allow_ping(void)
{
	int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY);

	return fd >= 0 && write(fd, "17 23", 5) == 5 && close(fd) == 0;
}

static bool make_ping(void)
{
	struct sockaddr_in a = v4("127.0.0.1", PING_ID);
	struct sockaddr_in6 a6 = v6("::1", PING_ID + 1);

	if (!allow_ping() || setegid(19) < 0)
		return false;
	ping = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_ICMP);
	ping6 = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_ICMPV6);
	return setegid(0) == 0 && ping >= 0 && ping6 >= 0 &&
	       bind(ping, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	       bind(ping6, (struct sockaddr *)&a6, sizeof(a6)) == 0 &&
	       set(ping, SOL_IP, IP_TTL, 77);
}

static bool make(void)
{
	struct sockaddr_in a = v4("127.0.0.1", 0), to = v4("127.0.0.3", 0);
	struct sockaddr_in port = v4("127.0.0.9", 17);
	struct sockaddr_in6 a6 = v6("::1", 0);

	plain = raw(AF_INET, PROTO);
	bound4 = raw(AF_INET, PROTO);
	bound6 = raw(AF_INET6, PROTO);
	connected4 = raw(AF_INET, PROTO);
	ported4 = raw(AF_INET, PROTO + 2);
	header = raw(AF_INET, PROTO);
	raw_without = raw(AF_INET, IPPROTO_RAW);
	icmp = raw(AF_INET, IPPROTO_ICMP);
	icmp6 = raw(AF_INET6, IPPROTO_ICMPV6);
	off = raw(AF_INET6, PROTO + 1);
	return bind(bound4, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	       bind(bound6, (struct sockaddr *)&a6, sizeof(a6)) == 0 &&
	       connect(connected4, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	       connect(ported4, (struct sockaddr *)&port, sizeof(port)) == 0 &&
	       set(plain, SOL_IP, IP_NODEFRAG, 1) && set(plain, SOL_IP, IP_TTL, 33) &&
	       set(header, SOL_IP, IP_HDRINCL, 1) && set(raw_without, SOL_IP, IP_HDRINCL, 0) &&
	       set(bound6, SOL_IPV6, OWN_HDRINCL6, 1) && set(off, SOL_IPV6, IPV6_CHECKSUM, 2) &&
	       setsockopt(icmp, SOL_RAW, FILTER, &filter4, sizeof(filter4)) == 0 &&
	       setsockopt(icmp6, IPPROTO_ICMPV6, FILTER, filter6, sizeof(filter6)) == 0 &&
	       make_ping();
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

static bool is_of(int fd, int proto, int type)
{
	return has(fd, SOL_SOCKET, SO_PROTOCOL, proto) && has(fd, SOL_SOCKET, SO_TYPE, type);
}

/* What is sent to the address of a socket gets there, and to nobody that is bound elsewhere. */
static bool same_packets(void)
{
	struct sockaddr_in one = v4("127.0.0.1", 0), two = v4("127.0.0.2", 0), from;
	struct {
		struct iphdr ip;
		char text[5];
	} p = { .ip = { .version = 4,
			.ihl = 5,
			.ttl = 9,
			.protocol = PROTO,
			.saddr = htonl(0x7f000003),
			.daddr = htonl(0x7f000002) },
		.text = "later" };
	char buf[100];
	socklen_t len = sizeof(from);

	if (!expect(sendto(plain, "hello", 5, 0, (struct sockaddr *)&one, sizeof(one)) == 5) ||
	    !expect(recv(bound4, buf, 100, 0) == 25) ||
	    !expect(memcmp(buf + 20, "hello", 5) == 0) || !expect(buf[8] == 33) ||
	    !expect(recv(connected4, buf, 100, 0) < 0))
		return false;
	/* with a header of its own */
	return expect(sendto(header, &p, 25, 0, (struct sockaddr *)&two, sizeof(two)) == 25) &&
	       expect(recv(bound4, buf, 100, 0) < 0) && expect(recv(plain, buf, 100, 0) == 25) &&
	       expect(recvfrom(plain, buf, 100, 0, (struct sockaddr *)&from, &len) == 25) &&
	       expect(from.sin_addr.s_addr == htonl(0x7f000003)) &&
	       expect(recv(connected4, buf, 100, 0) < 0);
}

static bool same_names(void)
{
	struct sockaddr_in a, want = v4("127.0.0.3", 0);
	struct sockaddr_in6 a6, want6 = v6("::1", PROTO);
	socklen_t len = sizeof(a), len6 = sizeof(a6);
	char buf[100];
	struct sockaddr_in ported = v4("127.0.0.9", 17);

	/* without a port, the kernel says that it is not connected */
	return expect(getpeername(connected4, (struct sockaddr *)&a, &len) < 0) &&
	       expect(send(connected4, "to 3", 4, 0) == 4) &&
	       expect(recv(plain, buf, 100, 0) == 24) &&
	       expect(memcmp(buf + 16, &want.sin_addr, 4) == 0) &&
	       expect(getpeername(ported4, (struct sockaddr *)&a, &len) == 0) &&
	       expect(memcmp(&a, &ported, sizeof(a)) == 0) &&
	       expect(getsockname(bound6, (struct sockaddr *)&a6, &len6) == 0) &&
	       expect(memcmp(&a6, &want6, sizeof(a6)) == 0);
}

static bool same_filters(void)
{
	uint32_t f4 = 0, f6[8] = { 0 };
	socklen_t len4 = sizeof(f4), len6 = sizeof(f6);

	return expect(getsockopt(icmp, SOL_RAW, FILTER, &f4, &len4) == 0) &&
	       expect(f4 == filter4) &&
	       expect(getsockopt(icmp6, IPPROTO_ICMPV6, FILTER, f6, &len6) == 0) &&
	       expect(memcmp(f6, filter6, sizeof(f6)) == 0);
}

/* An echo comes back to the socket with its number; the raw one sees only the reply. */
static bool same_echo(void)
{
	struct sockaddr_in to = v4("127.0.0.1", 0);
	struct sockaddr_in6 to6 = v6("::1", 0);
	struct icmphdr h = { .type = ICMP_ECHO, .un.echo.sequence = htons(7) }, *got;
	char buf[100];
	struct icmphdr h6 = { .type = 128, .un.echo.sequence = htons(9) };

	if (!expect(sendto(ping, &h, sizeof(h), 0, (struct sockaddr *)&to, sizeof(to)) ==
		    sizeof(h)) ||
	    !expect(sendto(ping6, &h6, sizeof(h6), 0, (struct sockaddr *)&to6, sizeof(to6)) ==
		    sizeof(h6)))
		return false;
	victim_sleep(20);
	got = (struct icmphdr *)buf;
	if (!expect(recv(ping, buf, 100, 0) == sizeof(h)) ||
	    !expect(got->un.echo.id == htons(PING_ID)) || !expect(got->type == ICMP_ECHOREPLY) ||
	    !expect(recv(ping6, buf, 100, 0) == sizeof(h)) ||
	    !expect(got->un.echo.id == htons(PING_ID + 1)))
		return false;
	got = (struct icmphdr *)(buf + 20);
	return expect(recv(icmp, buf, 100, 0) == 20 + sizeof(h)) &&
	       expect(got->type == ICMP_ECHOREPLY) && expect(got->un.echo.sequence == htons(7)) &&
	       expect(recv(icmp, buf, 100, 0) < 0);
}

static bool same(void)
{
	return is_of(plain, PROTO, SOCK_RAW) && is_of(bound6, PROTO, SOCK_RAW) &&
	       is_of(raw_without, IPPROTO_RAW, SOCK_RAW) &&
	       is_of(icmp6, IPPROTO_ICMPV6, SOCK_RAW) && is_of(ping, IPPROTO_ICMP, SOCK_DGRAM) &&
	       is_of(ping6, IPPROTO_ICMPV6, SOCK_DGRAM) && has(plain, SOL_IP, IP_NODEFRAG, 1) &&
	       has(bound4, SOL_IP, IP_NODEFRAG, 0) && has(plain, SOL_IP, IP_HDRINCL, 0) &&
	       has(header, SOL_IP, IP_HDRINCL, 1) && has(raw_without, SOL_IP, IP_HDRINCL, 0) &&
	       has(bound6, SOL_IPV6, OWN_HDRINCL6, 1) && has(off, SOL_IPV6, IPV6_CHECKSUM, 2) &&
	       has(ping, SOL_IP, IP_TTL, 77) && same_names() && same_packets() && same_filters() &&
	       same_echo();
}

VICTIM(make, same)
