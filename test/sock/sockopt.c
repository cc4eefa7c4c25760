/* SPDX-License-Identifier: GPL-2.0-only */
/* options of sockets of all families, with odd values, also those that CRIU has no field for */
#include <linux/filter.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "victim.h"

struct option {
	int *fd, level, name, value, read; /* read: what getsockopt() says then, 0: the same */
};

static int un[2], udp, udp6, tcp, nl, plain;

static const struct option options[] = {
	{ &un[0], SOL_SOCKET, SO_SNDBUF, 30001, 60002 },
	{ &un[0], SOL_SOCKET, SO_RCVBUF, 40003, 80006 },
	{ &un[0], SOL_SOCKET, SO_PASSCRED, 1, 0 },
	{ &un[0], SOL_SOCKET, SO_PASSSEC, 1, 0 },
	{ &un[0], SOL_SOCKET, SO_PRIORITY, 3, 0 },
	{ &un[0], SOL_SOCKET, SO_MARK, 0x1235, 0 },
	{ &un[0], SOL_SOCKET, SO_PEEK_OFF, 2, 0 },
	{ &un[1], SOL_SOCKET, SO_RCVLOWAT, 7, 0 },
	{ &un[1], SOL_SOCKET, SO_KEEPALIVE, 1, 0 },
	{ &un[1], SOL_SOCKET, SO_OOBINLINE, 1, 0 },
	{ &udp, SOL_SOCKET, SO_BROADCAST, 1, 0 },
	{ &udp, SOL_SOCKET, SO_REUSEADDR, 1, 0 },
	{ &udp, SOL_SOCKET, SO_NO_CHECK, 1, 0 },
	{ &udp, SOL_SOCKET, SO_DONTROUTE, 1, 0 },
	{ &udp, SOL_SOCKET, SO_TIMESTAMPNS, 1, 0 },
	{ &udp, SOL_SOCKET, SO_RXQ_OVFL, 1, 0 },
	{ &udp, SOL_IP, IP_TOS, 0x28, 0 },
	{ &udp, SOL_IP, IP_TTL, 77, 0 },
	{ &udp, SOL_IP, IP_PKTINFO, 1, 0 },
	{ &udp, SOL_IP, IP_FREEBIND, 1, 0 },
	{ &udp, SOL_IP, IP_RECVERR, 1, 0 },
	{ &udp, SOL_IP, IP_MULTICAST_TTL, 9, 0 },
	{ &udp, SOL_IP, IP_MULTICAST_LOOP, 0, -1 },
	{ &udp, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, 0 },
	{ &udp, SOL_UDP, UDP_SEGMENT, 1231, 0 },
	{ &udp6, SOL_IPV6, IPV6_V6ONLY, 1, 0 },
	{ &udp6, SOL_IPV6, IPV6_RECVPKTINFO, 1, 0 },
	{ &udp6, SOL_IPV6, IPV6_UNICAST_HOPS, 33, 0 },
	{ &udp6, SOL_IPV6, IPV6_TCLASS, 0x14, 0 },
	{ &udp6, SOL_IPV6, IPV6_RECVHOPLIMIT, 1, 0 },
	{ &tcp, SOL_SOCKET, SO_REUSEPORT, 1, 0 },
	{ &tcp, SOL_TCP, TCP_NODELAY, 1, 0 },
	{ &tcp, SOL_TCP, TCP_KEEPIDLE, 123, 0 },
	{ &tcp, SOL_TCP, TCP_KEEPINTVL, 17, 0 },
	{ &tcp, SOL_TCP, TCP_KEEPCNT, 5, 0 },
	{ &tcp, SOL_TCP, TCP_USER_TIMEOUT, 12345, 0 },
	{ &tcp, SOL_TCP, TCP_SYNCNT, 3, 0 },
	{ &nl, SOL_SOCKET, SO_PASSCRED, 1, 0 },
	{ &nl, SOL_NETLINK, NETLINK_PKTINFO, 1, 0 },
	{ &nl, SOL_NETLINK, NETLINK_EXT_ACK, 1, 0 },
};

/* ret 0: drops everything */
static struct sock_filter code[] = { { BPF_LD | BPF_W | BPF_LEN, 0, 0, 0 },
				     { BPF_JMP | BPF_JGT | BPF_K, 1, 0, 5 },
				     { BPF_RET | BPF_K, 0, 0, 0xffff },
				     { BPF_RET | BPF_K, 0, 0, 0 } };

static bool make(void)
{
	const struct sock_fprog prog = { .len = 4, .filter = code };
	const struct timeval snd = { 1, 250000 }, rcv = { 0, 123000 };
	const struct linger l = { 1, 19 };
	size_t i;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, un) < 0)
		return false;
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	udp6 = socket(AF_INET6, SOCK_DGRAM, 0);
	tcp = socket(AF_INET, SOCK_STREAM, 0);
	nl = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	plain = socket(AF_INET, SOCK_STREAM, 0);
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (!expect(setsockopt(*options[i].fd, options[i].level, options[i].name,
				       &options[i].value, sizeof(int)) == 0)) {
			fprintf(stderr, "option %zu\n", i);
			return false;
		}
	return setsockopt(un[0], SOL_SOCKET, SO_SNDTIMEO, &snd, sizeof(snd)) == 0 &&
	       setsockopt(un[0], SOL_SOCKET, SO_RCVTIMEO, &rcv, sizeof(rcv)) == 0 &&
	       setsockopt(tcp, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0 &&
	       setsockopt(udp, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0 &&
	       /* what is in the queue already stays, whatever the filter thinks of it */
	       send(un[0], "too long for it", 15, 0) == 15 &&
	       setsockopt(un[1], SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) == 0;
}

static bool has_value(const struct option *o)
{
	int value = -5, want = o->read == -1 ? 0 : o->read ? o->read : o->value;
	socklen_t len = sizeof(value);
	bool ok = getsockopt(*o->fd, o->level, o->name, &value, &len) == 0 &&
		  (len == 1 ? (value & 255) == want : value == want);

	if (!ok)
		fprintf(stderr, "option %d of level %d: %d, not %d\n", o->name, o->level, value,
			want);
	return ok;
}

static bool same(void)
{
	struct timeval tv;
	struct linger l;
	char dev[20], buf[20];
	socklen_t len = sizeof(tv);
	struct sock_filter got[4];
	int locked = -1;
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (!expect(has_value(&options[i])))
			return false;
	if (!expect(getsockopt(un[0], SOL_SOCKET, SO_SNDTIMEO, &tv, &len) == 0) ||
	    !expect(tv.tv_sec == 1) ||
	    !expect(tv.tv_usec / 1000 >= 250 && tv.tv_usec / 1000 < 260) ||
	    !expect(getsockopt(un[0], SOL_SOCKET, SO_RCVTIMEO, &tv, &len) == 0) ||
	    !expect(tv.tv_sec == 0) || !expect(tv.tv_usec / 1000 >= 123 && tv.tv_usec / 1000 < 140))
		return false;
	len = sizeof(l);
	if (!expect(getsockopt(tcp, SOL_SOCKET, SO_LINGER, &l, &len) == 0) ||
	    !expect(l.l_onoff == 1 && l.l_linger == 19))
		return false;
	len = sizeof(dev);
	if (!expect(getsockopt(udp, SOL_SOCKET, SO_BINDTODEVICE, dev, &len) == 0) ||
	    !expect(strcmp(dev, "lo") == 0))
		return false;
	len = 4;
	if (!expect(getsockopt(un[1], SOL_SOCKET, SO_GET_FILTER, got, &len) == 0) ||
	    !expect(len == 4) || !expect(memcmp(got, code, sizeof(code)) == 0))
		return false;
	/* the plain one must not have become fixed in its sizes */
	len = sizeof(locked);
	return expect(getsockopt(plain, SOL_SOCKET, 72 /* SO_BUF_LOCK */, &locked, &len) == 0) &&
	       expect(locked == 0) && expect(recv(un[1], buf, 20, 0) == 15) &&
	       expect(send(un[0], "short", 5, 0) == 5) && expect(recv(un[1], buf, 20, 0) == 5) &&
	       expect(send(un[0], "too long", 8, 0) == 8 || errno == EPERM) &&
	       expect(recv(un[1], buf, 20, MSG_DONTWAIT) < 0);
}

VICTIM(make, same)
