/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_waiting - TCP connections that wait at a listener to be accepted
 *
 * take     Nobody can look at them, so they are accepted, by our copy of the
 *          listener, and read like any other connection (inet_stream.c).  They go
 *          into the record of the listener, in a field of ours
 * return   if the tree goes on after the dump, they come back to where they were,
 *          in the same way as at restore
 * link     The only way into that queue is a handshake, in which the kernel chooses
 *          a sequence number.  But where an older connection of the same two is in
 *          TIME_WAIT, the number follows from that one (RFC 1122 wants it higher, and
 *          the kernel adds 65537).  So such a rest is made in TCP_REPAIR, and then we
 *          send what the peer had sent: SYN, ACK, data, FIN.  The lock keeps the
 *          peer from hearing of it
 *
 * not kept  timestamps, which their peers do without from then on; those that were
 *           reset while they waited; handshakes that are not complete
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/netlink.h"
#include "core/sock_ns.h"
#include "core/sockopt.h"
#include "sock/inet.h"

enum { TIME_WAIT_STEP = 65535 + 2, PIECE = 16384 };

/* ---- take ---- */

int inet_waiting_note(struct dump *d, int fd, InetSkEntry *e, struct err *err)
{
	struct inet_state *s = kind_state(d->kinds, &inet_kind);
	struct inet_listener *l = arena_new(d->arena, struct inet_listener);

	l->e = e;
	l->ns = d->netns;
	l->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	*vec_add(d->arena, &s->listeners) = l;
	return l->fd < 0 ? err_sys(err, "cannot keep a copy of a TCP socket") : 0;
}

static int take_one(struct dump *d, struct inet_listener *l, struct err *err)
{
	struct inet_state *s = kind_state(d->kinds, &inet_kind);
	struct inet_conn *c = vec_add(d->arena, &s->conns);

	c->listener = l;
	c->e = record_new(d, inet_sk_entry);
	c->e->tcp_opts = record_new(d, tcp_opts_entry);
	c->e->family = l->e->family;
	c->e->type = SOCK_STREAM;
	c->e->has_ns_id = l->e->has_ns_id;
	c->e->ns_id = l->e->ns_id;
	c->fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	if (c->fd < 0)
		return err_sys(err, "cannot take a connection that waits at port %u",
			       l->e->src_port);
	return inet_addrs_collect(d, c->fd, c->e, err);
}

int inet_waiting_take(struct dump *d, struct err *err)
{
	struct inet_state *s = kind_state(d->kinds, &inet_kind);
	struct inet_listener **l;

	vec_for_each(l, &s->listeners) {
		struct pollfd p = { .fd = (*l)->fd, .events = POLLIN };

		/* the tree is stopped, so nobody takes it before us */
		while (poll(&p, 1, 0) > 0)
			if (take_one(d, *l, err) < 0)
				return -err->code;
	}
	return 0;
}

static InetWaitingEntry *entry_of(struct dump *d, const struct inet_conn *c)
{
	InetWaitingEntry *w = record_new(d, inet_waiting_entry);

	w->n_src_addr = c->e->n_src_addr;
	w->src_addr = c->e->src_addr;
	w->src_port = c->e->src_port;
	w->n_dst_addr = c->e->n_dst_addr;
	w->dst_addr = c->e->dst_addr;
	w->dst_port = c->e->dst_port;
	w->state = c->e->state;
	w->stream = c->t;
	w->data = c->in;
	return w;
}

void inet_waiting_record(struct dump *d, const struct inet_conn *c)
{
	InetSkEntry *e = c->listener->e;
	InetWaitingEntry **all = arena_array(d->arena, InetWaitingEntry *, e->n_waiting + 1);

	if (e->n_waiting)
		memcpy(all, e->waiting, e->n_waiting * sizeof(*all));
	all[e->n_waiting++] = entry_of(d, c);
	e->waiting = all;
}

/* ---- its place in the network ---- */

int inet_waiting_pair(const InetWaitingEntry *w, struct inet_pair *p)
{
	return inet_pair_fill(p, w->src_addr, w->n_src_addr, w->src_port, w->dst_addr,
			      w->n_dst_addr, w->dst_port);
}

/* The first number of each side behind its SYN. */
static uint32_t first_in(const InetWaitingEntry *w)
{
	return w->stream->inq_seq - w->stream->inq_len - inet_has_got_fin(w->state);
}

static socklen_t fill_addr(union inet_addr *a, const uint32_t *words, size_t n, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (n == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		memcpy(&a->v4.sin_addr, words, sizeof(a->v4.sin_addr));
		return sizeof(a->v4);
	}
	a->v6.sin6_family = AF_INET6;
	a->v6.sin6_port = htons(port);
	memcpy(&a->v6.sin6_addr, words, sizeof(a->v6.sin6_addr));
	return sizeof(a->v6);
}

static int open_silent(const struct inet_pair *p, uint32_t in, uint32_t out, struct err *err)
{
	const int on = TCP_REPAIR_ON;
	union inet_addr a;
	socklen_t len = fill_addr(&a, p->src, p->words, p->src_port);
	scoped_fd fd = sock_new(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0 || setsockopt(fd, SOL_TCP, TCP_REPAIR, &on, sizeof(on)) < 0)
		return err_sys(err, "cannot have a socket in TCP_REPAIR");
	if (inet_set_queue_seq(fd, TCP_RECV_QUEUE, in, err) < 0 ||
	    inet_set_queue_seq(fd, TCP_SEND_QUEUE, out, err) < 0)
		return -err->code;
	if (bind(fd, &a.any, len) < 0)
		return err_sys(err, "cannot bind to port %u", p->src_port);
	len = fill_addr(&a, p->dst, p->words, p->dst_port);
	if (connect(fd, &a.any, len) < 0)
		return err_sys(err, "cannot connect to port %u", p->dst_port);
	return take_fd(&fd);
}

/* One after which a connection begins with the numbers of @w. */
static int make_time_wait(const InetWaitingEntry *w, const struct inet_pair *p, struct err *err)
{
	uint32_t in = first_in(w) - 1000, out = w->stream->outq_seq - 1 - TIME_WAIT_STEP - 1;
	struct inet_segment ack = { .seq = in, .ack = out + 1, .window = 1000 };
	struct inet_segment fin = { .seq = in, .ack = out + 1, .fin = true, .window = 1000 };
	scoped_fd fd = open_silent(p, in, out, err);

	if (fd < 0 || inet_shut_silently(fd, err) < 0)
		return -err->code;
	if (inet_segment_send_until(fd, p, &ack, TCP_FIN_WAIT2, err) < 0)
		return -err->code;
	return inet_segment_send_until(fd, p, &fin, TCP_CLOSE, err);
}

/* ---- what has come of it ---- */

struct child {
	uint32_t state, received;
};

static int look_at(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct inet_diag_msg *msg = netlink_payload(h, sizeof(*msg));
	struct child *c = arg;

	if (!msg)
		return err_set(err, EPROTO, "cannot read an answer of sock_diag");
	c->state = msg->idiag_state;
	c->received = msg->idiag_rqueue;
	return 0;
}

/* Where there is none, it is the listener that answers. */
static int ask(int nl, const struct inet_pair *p, struct child *c, struct err *err)
{
	struct inet_diag_req_v2 req = {
		.sdiag_family = p->words == 1 ? AF_INET : AF_INET6,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = ~0u,
		.id = { .idiag_sport = htons(p->src_port),
			.idiag_dport = htons(p->dst_port),
			.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } },
	};

	memcpy(req.id.idiag_src, p->src, p->words * 4);
	memcpy(req.id.idiag_dst, p->dst, p->words * 4);
	*c = (struct child){ .state = TCP_LISTEN };
	return netlink_ask(nl, SOCK_DIAG_BY_FAMILY, 0, &req, sizeof(req), look_at, c, err);
}

static bool is_established(const struct child *c)
{
	return c->state == TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT;
}

/* Packets of ours until the child is as @is_done wants it. */
struct step {
	struct inet_segment segments[2];
	int n;
	uint32_t received; /* at least */
	bool shut;
};

static bool is_done(const struct child *c, const struct step *s)
{
	return is_established(c) && c->received >= s->received &&
	       (!s->shut || c->state == TCP_CLOSE_WAIT);
}

static int go(int nl, const struct inet_pair *p, const struct step *s, struct err *err)
{
	const struct timespec wait = { .tv_nsec = 1000000 };
	struct child c;

	for (int i = 0; i < 200; i++) {
		if (i % 20 == 0)
			for (int k = 0; k < s->n; k++)
				if (inet_segment_send(p, &s->segments[k], err) < 0)
					return -err->code;
		if (ask(nl, p, &c, err) < 0)
			return -err->code;
		if (is_done(&c, s))
			return 0;
		nanosleep(&wait, NULL);
	}
	err_set(err, ETIMEDOUT, "cannot have a connection wait at port %u", p->src_port);
	return err_hint(err,
			"do rules of the network drop packets on lo? Is the listener's backlog "
			"large enough? --skip-in-flight has such connections dropped");
}

static struct step handshake(const InetWaitingEntry *w)
{
	const TcpStreamEntry *t = w->stream;
	uint16_t window = (uint16_t)(t->snd_wnd >> t->snd_wscale);
	struct inet_segment syn = { .seq = first_in(w) - 1,
				    .syn = true,
				    .window = window,
				    .mss = (uint16_t)t->mss_clamp,
				    .has_sack = t->opt_mask & TCPI_OPT_SACK,
				    .has_wscale = t->opt_mask & TCPI_OPT_WSCALE,
				    .wscale = (uint8_t)t->snd_wscale };
	struct inet_segment ack = { .seq = first_in(w), .ack = t->outq_seq, .window = window };

	return (struct step){ .segments = { syn, ack }, .n = 2 };
}

/* Something of its data, or of its end. */
static struct step arrival(const InetWaitingEntry *w, size_t from, size_t len, bool fin)
{
	struct inet_segment s = handshake(w).segments[1];

	s.seq += (uint32_t)from;
	s.data = w->data.data + from;
	s.len = len;
	s.fin = fin;
	return (struct step){
		.segments = { s }, .n = 1, .received = (uint32_t)(from + len), .shut = fin
	};
}

static int put(const InetWaitingEntry *w, struct err *err)
{
	scoped_fd nl = netlink_open(NETLINK_SOCK_DIAG, err);
	struct inet_pair p;
	struct step step;
	size_t at, len;

	if (nl < 0)
		return nl;
	if (inet_waiting_pair(w, &p) < 0)
		return err_set(err, EBADMSG, "cannot use the addresses of a TCP connection");
	if (make_time_wait(w, &p, err) < 0)
		return -err->code;
	step = handshake(w);
	if (go(nl, &p, &step, err) < 0)
		return -err->code;
	for (at = 0; at < w->data.len; at += len) {
		len = w->data.len - at < PIECE ? w->data.len - at : PIECE;
		step = arrival(w, at, len, false);
		if (go(nl, &p, &step, err) < 0)
			return -err->code;
	}
	step = arrival(w, w->data.len, 0, true);
	return inet_has_got_fin(w->state) ? go(nl, &p, &step, err) : 0;
}

/* ---- return ---- */

void inet_waiting_return(struct dump *d, struct inet_conn *c)
{
	struct err err = { 0 };
	struct ns_visit visit;
	int ret = 0;

	if (c->fd < 0)
		return;
	if (!c->t)
		ret = inet_stream_take(d, c, &err);
	/* in TCP_REPAIR, nobody hears of that */
	close(take_fd(&c->fd));
	if (ret == 0 && c->t)
		ret = sock_ns_enter_dump(d, c->listener->ns, &visit, &err) < 0
			      ? -err.code
			      : sock_ns_leave_dump(d, &visit, put(entry_of(d, c), &err), &err);
	if (ret < 0)
		log_error("a connection that waited at port %u is lost: %s: %s", c->e->src_port,
			  err.what, err.why);
}

void inet_waiting_end(struct inet_state *s)
{
	struct inet_listener **l;

	vec_for_each(l, &s->listeners)
		if ((*l)->fd >= 0)
			close(take_fd(&(*l)->fd));
}

/* ---- restore ---- */

static bool is_sane(const InetWaitingEntry *w)
{
	struct inet_pair p;

	return inet_waiting_pair(w, &p) == 0 && w->stream->snd_wscale <= 14 &&
	       w->stream->inq_len == w->data.len;
}

int inet_waiting_plan(struct restore *r, const InetSkEntry *e, struct err *err)
{
	for (size_t i = 0; i < e->n_waiting; i++)
		if (!is_sane(e->waiting[i]))
			return err_set(err, EBADMSG, "cannot restore a connection that waits: %s",
				       "its image contradicts itself");
	if (r->opts->common.tcp_established || r->opts->common.tcp_close)
		return 0;
	err_set(err, EINVAL, "cannot restore %zu connections that wait at port %u", e->n_waiting,
		e->src_port);
	return err_hint(err, "give --tcp-established, or --tcp-close to have them dropped");
}

int inet_waiting_link(int fd, const InetSkEntry *e, struct err *err)
{
	for (size_t i = 0; i < e->n_waiting; i++)
		if (put(e->waiting[i], err) < 0)
			return -err->code;
	return 0;
}
