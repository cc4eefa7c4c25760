/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SOCK_INET_H
#define SOCK_INET_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/vec.h"
#include "core/kind.h"
#include "images/sk-inet.pb-c.h"

/*
 * What the files of this kind share: inet.c (the kind: addresses, names, IP),
 * inet_tcp.c, inet_raw.c (what only these have), inet_udp.c (what all but TCP have),
 * inet_group.c (multicast), inet_queue.c (datagrams not read), inet_port.c (whose is a port?),
 * inet_stream.c and inet_stream_make.c (TCP connections), inet_lock.c, inet_nft.c
 * (no packets for them meanwhile), inet_packet.c and inet_segment.c (packets of ours).
 */

/* As in inet_sk_entry: the states of TCP, which UDP uses too. */
enum { INET_ESTABLISHED = 1, INET_TIME_WAIT = 6, INET_CLOSED = 7, INET_LISTEN = 10 };

typedef vec(struct group_req) inet_groups;

/* A TCP connection, see inet_stream.c. */
struct inet_conn {
	InetSkEntry *e;
	TcpStreamEntry *t;
	ProtobufCBinaryData in, out;	/* received and not read, sent and not acknowledged */
	int fd;				/* our copy, -1: none */
	bool is_repaired;		/* dump */
	bool shuts_late;		/* restore: its own end comes when the network is there */
	struct inet_listener *listener; /* dump: where it waits to be accepted, or NULL */
};

struct inet_listener {
	InetSkEntry *e;
	struct ns *ns; /* where it is, NULL: ours */
	int fd;
};

struct inet_state {
	vec(struct inet_conn) conns; /* dump */
	vec(struct inet_listener *) listeners;
	bool is_locked;
	bool has_sockets;    /* in the network namespace of the root task, which is its own */
	bool has_v4, has_v6; /* restore: connections that may be locked */
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
int inet_tcp_options(int fd, const InetSkEntry *e, struct err *err);

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

/* ---- inet_packet.c ---- */

enum { INET_MARK = 0xc114 }; /* of our own packets, as CRIU has it */

struct inet_packet {
	uint8_t proto;
	size_t words; /* of each address: 1, or 4, also for IPv4 */
	const uint32_t *src, *dst;
	void *head; /* of the protocol */
	size_t head_len;
	uint16_t *check; /* in it: is filled in */
	const void *data;
	size_t len;
};

/* Send it to its address here, as if it came from @src.  -errno on failure. */
int inet_packet_send(const struct inet_packet *p);

/* An IPv4 address as IPv6 writes it? */
bool inet_is_mapped(const uint32_t *addr, size_t words);

/* Both ends of a connection, IPv4 with one word. */
struct inet_pair {
	size_t words;
	uint32_t src[4], dst[4];
	uint16_t src_port, dst_port;
};

/* ---- inet_segment.c ---- */

struct inet_segment {
	uint32_t seq, ack;
	bool fin, rst, syn;
	uint16_t window;
	const void *data;
	size_t len;
	/* of a SYN: */
	uint16_t mss;
	bool has_wscale, has_sack;
	uint8_t wscale;
	/* of others: */
	uint32_t echo; /* the clock of ours that it answers, 0: none */
};

/* As if the peer (p->dst) sent it to us. */
int inet_segment_send(const struct inet_pair *p, const struct inet_segment *s, struct err *err);
/* Again and again, until the socket @fd is in @state: it may arrive later, or be lost. */
int inet_segment_send_until(int fd, const struct inet_pair *p, const struct inet_segment *s,
			    uint32_t state, struct err *err);

/* ---- inet_lock.c, inet_nft.c ---- */

struct inet_lock {
	bool whole; /* all packets of the namespace, not only those of @pairs */
	const struct inet_pair *pairs;
	size_t n;
};

/*
 * Drop packets that do not have our mark, in the way that --network-lock says, in
 * the network namespace that we are in.  It is undone by its name.
 */
int inet_lock(struct dump *d, const struct inet_lock *l, struct err *err);
int inet_unlock(struct dump *d, struct err *err);
/* The same in a restore, in @ns, which we are in (NULL: that which we came from). */
int inet_relock(struct restore *r, const struct ns *ns, const struct inet_lock *l, struct err *err);
int inet_release(struct restore *r, const struct ns *ns, bool has_v4, bool has_v6, struct err *err);

int inet_nft_lock(struct arena *a, const char *table, const struct inet_lock *l, struct err *err);
/* -ENOENT: there is no such table. */
int inet_nft_unlock(struct arena *a, const char *table, struct err *err);

/* ---- inet_stream.c, inet_stream_make.c: TCP connections ---- */

static inline bool inet_has_sent_fin(uint32_t state)
{
	return state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSING ||
	       state == TCP_LAST_ACK;
}

static inline bool inet_has_got_fin(uint32_t state)
{
	return state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING;
}

/* Neither closed nor listening. */
static inline bool inet_is_stream(const InetSkEntry *e)
{
	return inet_is_tcp(e) && e->state != INET_CLOSED && e->state != INET_LISTEN;
}

int inet_stream_pair(const InetSkEntry *e, struct inet_pair *p);
int inet_pair_fill(struct inet_pair *p, const uint32_t *src, size_t n_src, uint32_t src_port,
		   const uint32_t *dst, size_t n_dst, uint32_t dst_port);

int inet_stream_collect(struct dump *d, int fd, InetSkEntry *e, struct err *err);
int inet_stream_collect_end(struct dump *d, struct err *err);
int inet_stream_drain_end(struct dump *d, struct err *err);
void inet_stream_dump_end(struct dump *d, bool ok);

/* Once, before: packets for connections that are not there yet shall be lost, not refused. */
int inet_stream_before(struct restore *r, struct err *err);

int inet_stream_read(struct restore *r, struct file *f, struct err *err);
int inet_stream_plan(struct restore *r, const InetSkEntry *e, struct err *err);
int inet_stream_open(struct restore *r, int fd, struct inet_conn *c, struct err *err);
int inet_stream_link(struct restore *r, int fd, struct inet_conn *c, struct err *err);
int inet_stream_after(struct restore *r, struct err *err);
int inet_stream_resume(struct restore *r, struct err *err);

/* One of its copies in TCP_REPAIR that belongs to nobody: what has been read of it is complete. */
int inet_stream_take(struct dump *d, struct inet_conn *c, struct err *err);

/* ---- inet_waiting.c: connections that wait to be accepted ---- */

/* Collect: @fd is a listener; later, the others being locked out, all that waits is taken. */
int inet_waiting_note(struct dump *d, int fd, InetSkEntry *e, struct err *err);
int inet_waiting_take(struct dump *d, struct err *err);
/* What was taken, into the record of its listener. */
void inet_waiting_record(struct dump *d, const struct inet_conn *c);
/* The tree goes on: back to the listener. */
void inet_waiting_return(struct dump *d, struct inet_conn *c);
void inet_waiting_end(struct inet_state *s);

int inet_waiting_pair(const InetWaitingEntry *w, struct inet_pair *p);
/* They may be locked, too. */
void inet_waiting_read(struct restore *r, const InetSkEntry *e);
int inet_waiting_plan(struct restore *r, const InetSkEntry *e, struct err *err);
int inet_waiting_link(int fd, const InetSkEntry *e, struct err *err);

/* ---- inet_stream_make.c ---- */

int inet_set_queue_seq(int fd, int queue, uint32_t seq, struct err *err);
/* In TCP_REPAIR: it counts as sent, and nobody hears of it. */
int inet_shut_silently(int fd, struct err *err);

/* Connections that have ended: what is left of them. */
int inet_closed_collect(struct dump *d, int fd, InetSkEntry *e, struct err *err);
int inet_closed_open(struct restore *r, int fd, const InetSkEntry *e, struct err *err);

/* ---- inet.c ---- */

/* Addresses, ports and state of the socket @fd, of the family e->family. */
int inet_addrs_collect(struct dump *d, int fd, InetSkEntry *e, struct err *err);

/* Give it the address of @e. */
int inet_bind(struct restore *r, int fd, const InetSkEntry *e, struct err *err);

/* Plan: refuse an address that another program has. */
int inet_port_plan(struct restore *r, const struct file *f, struct err *err);

/* Open: have the kernel forget connections of its port that are closed on both sides. */
int inet_port_clear(struct restore *r, const InetSkEntry *e, struct err *err);

#endif
