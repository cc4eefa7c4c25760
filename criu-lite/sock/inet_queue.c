/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_queue - datagrams that a UDP socket has received and not read
 *
 * collect   looked at by MSG_PEEK through our copy, with SO_PEEK_OFF to get from
 *           one to the next.  They stand in a field of ours, which CRIU skips
 * link      each is made anew, header and all, and sent to this host by a raw
 *           socket: so it comes from whom it came, even if he is far away.  It
 *           arrives over lo
 *
 * not kept  what the kernel noted of them: time, device, TTL; they may go another
 *           way, if a device, a filter of packets or a group of SO_REUSEPORT is in
 *           between.  Those of link-local addresses, and behind an
 *           error that was not told yet (looking would take it away).  All this is
 *           in the log: the network may lose datagrams, so a dump does not fail
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/privileged.h"
#include "core/sockopt.h"
#include "sock/inet.h"

enum { DATAGRAM_MAX = 65536 };

/* ---- dump ---- */

static uint32_t *words_of(struct dump *d, const void *addr, size_t n)
{
	return arena_dup(d->arena, addr, n * sizeof(uint32_t));
}

/* To whom it was sent, if the program wants to know that too. */
static void take_dst(struct dump *d, struct msghdr *msg, InetDatagramEntry *g)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		const void *data = CMSG_DATA(c);

		if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO && g->n_src_addr == 1) {
			g->n_dst_addr = 1;
			g->dst_addr = words_of(d, &((const struct in_pktinfo *)data)->ipi_addr, 1);
		} else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO &&
			   g->n_src_addr == 4) {
			g->n_dst_addr = 4;
			g->dst_addr =
				words_of(d, &((const struct in6_pktinfo *)data)->ipi6_addr, 4);
		}
	}
}

static InetDatagramEntry *look(struct dump *d, int fd, char *buf)
{
	char control[1024];
	union inet_addr from = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = DATAGRAM_MAX };
	struct msghdr msg = { .msg_name = &from,
			      .msg_namelen = sizeof(from),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT);
	InetDatagramEntry *g;

	if (n < 0)
		return NULL;
	g = record_new(d, inet_datagram_entry);
	g->data.len = (size_t)n;
	g->data.data = arena_dup(d->arena, buf, (size_t)n);
	g->n_src_addr = from.any.sa_family == AF_INET ? 1 : 4;
	if (g->n_src_addr == 1) {
		g->src_port = ntohs(from.v4.sin_port);
		g->src_addr = words_of(d, &from.v4.sin_addr, 1);
	} else {
		g->src_port = ntohs(from.v6.sin6_port);
		g->src_addr = words_of(d, &from.v6.sin6_addr, 4);
	}
	take_dst(d, &msg, g);
	return g;
}

static int set_offset(int fd, int off, struct err *err)
{
	if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)) < 0)
		return err_sys(err, "cannot set SO_PEEK_OFF");
	return 0;
}

static int collect_all(struct dump *d, int fd, InetSkEntry *e, struct err *err)
{
	vec(InetDatagramEntry *) all = { 0 };
	scoped_ptr char *buf = malloc(DATAGRAM_MAX);
	InetDatagramEntry *g;
	int was;

	if (!buf)
		abort();
	if (sockopt_get_int(fd, SOL_SOCKET, SO_PEEK_OFF, &was) < 0)
		return err_sys(err, "cannot read SO_PEEK_OFF");
	if (set_offset(fd, 0, err) < 0)
		return -err->code;
	while ((g = look(d, fd, buf)))
		*vec_add(d->arena, &all) = g;
	e->queue = all.items;
	e->n_queue = all.n;
	return set_offset(fd, was, err);
}

int inet_queue_collect(struct dump *d, int fd, InetSkEntry *e, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLRDHUP };

	/* one of no bytes can be looked at only once: the kernel skips it the next time */
	if (d->dry)
		return 0;
	if (poll(&p, 1, 0) < 0)
		return err_sys(err, "cannot ask for the events of a socket");
	if (p.revents & POLLERR)
		log_warn(
			"UDP socket %u, port %u: an error that was not told, and datagrams behind it, are lost",
			e->ino, e->src_port);
	/* after shutdown(), there always is something to read: the end */
	if (!(p.revents & POLLIN) || (p.revents & (POLLERR | POLLRDHUP)))
		return 0;
	return collect_all(d, fd, e, err);
}

/* ---- restore ---- */

static bool is_any(const uint32_t *words, size_t n)
{
	while (n-- > 0)
		if (words[n])
			return false;
	return true;
}

/* An address of this host that leads to the socket. */
static void choose_dst(const InetSkEntry *e, const InetDatagramEntry *g, struct in6_addr *dst)
{
	static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
	const uint32_t loopback_v4 = htonl(INADDR_LOOPBACK);

	if (g->n_dst_addr == g->n_src_addr)
		memcpy(dst, g->dst_addr, g->n_dst_addr * sizeof(uint32_t));
	else if (!is_any(e->src_addr, e->n_src_addr))
		memcpy(dst, e->src_addr, e->n_src_addr * sizeof(uint32_t));
	else if (e->family == AF_INET)
		memcpy(dst, &loopback_v4, sizeof(loopback_v4));
	else if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)g->src_addr))
		inet_pton(AF_INET6, "::ffff:127.0.0.1", dst);
	else
		*dst = loopback;
}

static int send_datagram(const InetSkEntry *e, const InetDatagramEntry *g)
{
	bool is_lite = e->proto == IPPROTO_UDPLITE;
	size_t size = sizeof(struct udphdr) + g->data.len;
	/* of UDP-Lite, the length is how much the checksum covers: 0 is everything */
	struct udphdr udp = { .source = htons((uint16_t)g->src_port),
			      .dest = htons((uint16_t)e->src_port),
			      .len = htons(is_lite ? 0 : (uint16_t)size) };
	struct in6_addr dst;
	struct inet_packet p = { .proto = (uint8_t)e->proto,
				 .words = g->n_src_addr,
				 .src = g->src_addr,
				 .dst = dst.s6_addr32,
				 .head = &udp,
				 .head_len = sizeof(udp),
				 .check = &udp.check,
				 .data = g->data.data,
				 .len = g->data.len };

	choose_dst(e, g, &dst);
	return inet_packet_send(&p);
}

static bool is_fit(const InetSkEntry *e, const InetDatagramEntry *g)
{
	size_t n = e->family == AF_INET ? 1 : 4;

	if (g->n_src_addr != n || e->n_src_addr != n || g->src_port > 65535 ||
	    g->data.len > 65535 - sizeof(struct udphdr) - sizeof(struct iphdr))
		return false;
	return n == 1 || !IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)g->src_addr);
}

int inet_queue_link(struct restore *r, int fd, const InetSkEntry *e, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int room = 1 << 24;
	size_t i;

	if (!e->n_queue)
		return 0;
	/* sockopt_end() sets what it was */
	if (privileged_setsockopt(r, fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		return err_sys(err, "cannot make room for the queue of a socket");
	for (i = 0; i < e->n_queue; i++) {
		int ret = is_fit(e, e->queue[i]) ? send_datagram(e, e->queue[i]) : -EOPNOTSUPP;

		if (ret < 0)
			log_warn("UDP socket at port %u: a datagram of %zu bytes is lost: %s",
				 e->src_port, e->queue[i]->data.len, strerror(-ret));
	}
	if (poll(&p, 1, 100) <= 0)
		log_warn("UDP socket at port %u: %zu datagrams did not arrive", e->src_port,
			 e->n_queue);
	return 0;
}
