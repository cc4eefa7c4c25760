/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_packet - a packet that comes from anybody, for a socket of this host
 *
 * Sent by a raw socket, with a header of ours, to an address of this host, it goes
 * through lo and arrives as if it had come from the network.  It carries the mark
 * that what locks the network lets pass.
 */
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sock/inet.h"

union ip_head {
	struct iphdr v4;
	struct ip6_hdr v6;
};

static uint32_t sum_words(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	return (sum & 0xffff) + (sum >> 16);
}

static uint16_t checksum(const struct inet_packet *p, const union ip_head *ip, bool is_v4)
{
	uint32_t sum = p->proto + (uint32_t)(p->head_len + p->len);

	sum = is_v4 ? sum_words(sum, &ip->v4.saddr, 8) : sum_words(sum, &ip->v6.ip6_src, 32);
	sum = sum_words(sum, p->head, p->head_len);
	sum = sum_words(sum, p->data, p->len);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	return htons((uint16_t)(sum ? sum : 0xffff));
}

static size_t fill_v4(union ip_head *ip, const struct inet_packet *p, const uint32_t *src,
		      const uint32_t *dst)
{
	ip->v4 = (struct iphdr){
		.version = 4, .ihl = 5, .ttl = 64, .protocol = p->proto, .saddr = *src, .daddr = *dst
	};
	return sizeof(ip->v4);
}

static size_t fill_v6(union ip_head *ip, const struct inet_packet *p)
{
	ip->v6 = (struct ip6_hdr){ .ip6_flow = htonl(6u << 28),
				   .ip6_plen = htons((uint16_t)(p->head_len + p->len)),
				   .ip6_nxt = p->proto,
				   .ip6_hlim = 64 };
	memcpy(&ip->v6.ip6_src, p->src, sizeof(ip->v6.ip6_src));
	memcpy(&ip->v6.ip6_dst, p->dst, sizeof(ip->v6.ip6_dst));
	return sizeof(ip->v6);
}

bool inet_is_mapped(const uint32_t *addr, size_t words)
{
	return words == 4 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)addr);
}

static int open_raw(int family)
{
	const uint32_t mark = INET_MARK;
	scoped_fd raw = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	if (raw < 0 || setsockopt(raw, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		return -1;
	return take_fd(&raw);
}

int inet_packet_send(const struct inet_packet *p)
{
	bool is_v4 = p->words == 1 || inet_is_mapped(p->src, p->words);
	size_t skip = is_v4 ? p->words - 1 : 0, ip_len;
	union inet_addr to = { 0 };
	union ip_head ip;

	to.any.sa_family = is_v4 ? AF_INET : AF_INET6;
	if (is_v4) {
		ip_len = fill_v4(&ip, p, p->src + skip, p->dst + skip);
		to.v4.sin_addr.s_addr = p->dst[skip];
	} else {
		ip_len = fill_v6(&ip, p);
		memcpy(&to.v6.sin6_addr, p->dst, sizeof(to.v6.sin6_addr));
	}
	/* datagrams over IPv4 need none */
	if (p->check && !(is_v4 && p->proto == IPPROTO_UDP))
		*p->check = checksum(p, &ip, is_v4);

	struct iovec iov[] = { { &ip, ip_len },
			       { p->head, p->head_len },
			       { (void *)p->data, p->len } };
	struct msghdr msg = { .msg_name = &to,
			      .msg_namelen = is_v4 ? sizeof(to.v4) : sizeof(to.v6),
			      .msg_iov = iov,
			      .msg_iovlen = 3 };
	scoped_fd raw = open_raw(to.any.sa_family);

	return raw < 0 || sendmsg(raw, &msg, 0) < 0 ? -errno : 0;
}
