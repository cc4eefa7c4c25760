/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SOCK_INET_H
#define SOCK_INET_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/vec.h"
#include "core/kind.h"
#include "images/sk-inet.pb-c.h"

/*
 * What the files of this kind share: inet.c (the kind: addresses, names, IP),
 * inet_tcp.c, inet_raw.c (what only these have), inet_udp.c (what all but TCP have),
 * inet_group.c (multicast), inet_queue.c (datagrams not read), inet_port.c (whose is a port?).
 */

/* As in inet_sk_entry: the states of TCP, which UDP uses too. */
enum { INET_ESTABLISHED = 1, INET_CLOSED = 7, INET_LISTEN = 10 };

typedef vec(struct group_req) inet_groups;

struct inet_state {
	bool has_groups;
	inet_groups groups; /* multicast groups that this host is in, by device */
};

extern const struct file_kind inet_kind;

/* An address of a record. */
union inet_addr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static inline bool inet_is_tcp(const InetSkEntry *e)
{
	return e->type == SOCK_STREAM;
}

static inline bool inet_is_udp(const InetSkEntry *e)
{
	return e->type == SOCK_DGRAM && (e->proto == IPPROTO_UDP || e->proto == IPPROTO_UDPLITE);
}

/* "127.0.0.1:53", for messages. */
const char *inet_addr_text(struct arena *a, const union inet_addr *addr);

/* The address that the socket is bound to, or connected to. */
int inet_addr_src(const InetSkEntry *e, union inet_addr *addr_ret, socklen_t *len_ret,
		  struct err *err);
int inet_addr_dst(const InetSkEntry *e, union inet_addr *addr_ret, socklen_t *len_ret,
		  struct err *err);

/* @fresh is a new socket of the same sort, to see what differs. */
int inet_tcp_collect(struct dump *d, int fd, int fresh, InetSkEntry *e, struct err *err);
int inet_tcp_open(int fd, const InetSkEntry *e, struct err *err);

int inet_udp_collect(struct dump *d, int fd, InetSkEntry *e, struct err *err);

/* What raw and ping sockets have besides. */
int inet_raw_collect(struct dump *d, int fd, InetSkEntry *e, struct err *err);
int inet_raw_open(int fd, const InetSkEntry *e, struct err *err);

/* The multicast groups that it has joined, into its options. */
int inet_group_collect(struct dump *d, struct inet_state *s, int fd, const InetSkEntry *e,
		       struct err *err);
int inet_udp_open(int fd, const InetSkEntry *e, struct err *err);

/* Datagrams that were not read; link: they arrive once more. */
int inet_queue_collect(struct dump *d, int fd, InetSkEntry *e, struct err *err);
int inet_queue_link(struct restore *r, int fd, const InetSkEntry *e, struct err *err);

/* Plan: refuse an address that another program has. */
int inet_port_plan(struct restore *r, const InetSkEntry *e, struct err *err);

/* Open: have the kernel forget connections of its port that are closed on both sides. */
int inet_port_clear(struct restore *r, const InetSkEntry *e, struct err *err);

#endif
