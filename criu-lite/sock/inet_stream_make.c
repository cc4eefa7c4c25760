/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_stream_make - TCP connections, made again
 *
 * open     in TCP_REPAIR, where connect() sends nothing: sequence numbers, then
 *          addresses, options, and what is in the queues; what was sent counts as
 *          sent.  From the beginning on a filter lets nothing in but our own packets
 * link     the ends that it had: a shutdown() in TCP_REPAIR is silent, and the FIN or
 *          the reset of the peer is sent to it by us.  Then buffers and filters as
 *          they were
 * after    the coordinator takes copies
 * resume   all is there: the network is unlocked, each leaves TCP_REPAIR, and what
 *          was never sent is sent
 *
 * One that was connecting begins again, with the same number.
 *
 * not kept  congestion window, ECN, how much round trip times differ (nor they
 *           themselves without timestamps); the port of a connection that has ended;
 *           that a local port was chosen by the kernel
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/files.h"
#include "core/ns.h"
#include "core/privileged.h"
#include "core/sockopt.h"
#include "sock/inet.h"

static const char *peer_text(struct restore *r, const InetSkEntry *e)
{
	struct err err = { 0 };
	union inet_addr dst;
	socklen_t len;

	return inet_addr_dst(e, &dst, &len, &err) < 0 ? "?" : inet_addr_text(r->arena, &dst);
}

/* ---- read, plan ---- */

static int read_data(struct restore *r, struct image *img, uint32_t len, ProtobufCBinaryData *data,
		     struct err *err)
{
	if (image_left(img) >= 0 && image_left(img) < (int64_t)len)
		return err_set(err, EBADMSG, "cannot read %s: it ends too early", image_name(img));
	data->len = len;
	data->data = arena_alloc(r->arena, len);
	return image_get_raw(img, data->data, len, err);
}

/* What comes back closed is locked too. */
static void note_lock(struct restore *r, const InetSkEntry *e)
{
	struct inet_state *s = kind_state(r->kinds, &inet_kind);
	struct inet_pair p;

	if (inet_stream_pair(e, &p) < 0)
		return;
	s->has_v4 |= p.words == 1;
	s->has_v6 |= p.words == 4;
}

/* The families of those that wait are not worth looking at. */
void inet_waiting_read(struct restore *r, const InetSkEntry *e)
{
	struct inet_state *s = kind_state(r->kinds, &inet_kind);

	s->has_v4 |= e->n_waiting > 0;
	s->has_v6 |= e->n_waiting > 0 && e->family == AF_INET6;
}

int inet_stream_read(struct restore *r, struct file *f, struct err *err)
{
	struct inet_conn *c = arena_new(r->arena, struct inet_conn);
	InetSkEntry *e = f->image->isk;
	scoped_image *img = NULL;
	bool found;
	void *msg;
	int ret;

	note_lock(r, e);
	if (r->opts->common.tcp_close) {
		e->state = INET_CLOSED;
		e->src_port = 0;
		return 0;
	}
	if (image_open(r->store, IMAGE_TCP_STREAM, e->ino, r->arena, &img, &found, err) < 0)
		return -err->code;
	ret = found ? image_get(img, &tcp_stream_entry__descriptor, &msg, err) : 0;
	if (ret < 0)
		return ret;
	if (ret == 0) {
		err_set(err, EBADMSG, "cannot restore the TCP connection to %s: there is no image",
			peer_text(r, e));
		return err_hint(err, "make the dump again, with --tcp-established");
	}
	c->e = e;
	c->t = msg;
	c->fd = -1;
	f->data = c;
	/* what was not sent comes before the end, when the network is there */
	c->shuts_late = inet_has_sent_fin(e->state) && c->t->unsq_len;
	/* 14 is what the protocol allows */
	if (c->t->unsq_len > c->t->outq_len || c->t->snd_wscale > 14 || c->t->rcv_wscale > 14)
		return err_set(err, EBADMSG, "cannot restore the TCP connection to %s: %s",
			       peer_text(r, e), "its image contradicts itself");
	return read_data(r, img, c->t->inq_len, &c->in, err) < 0
		       ? -err->code
		       : read_data(r, img, c->t->outq_len, &c->out, err);
}

int inet_stream_plan(struct restore *r, const InetSkEntry *e, struct err *err)
{
	if (r->opts->common.tcp_established)
		return 0;
	err_set(err, EINVAL, "cannot restore the TCP connection to %s", peer_text(r, e));
	return err_hint(err, "give --tcp-established, or --tcp-close to have it closed");
}

/* ---- in repair ---- */

static int set(int fd, int name, int value, const char *what, struct err *err)
{
	if (setsockopt(fd, SOL_TCP, name, &value, sizeof(value)) < 0)
		return err_sys(err, "cannot set %s of a TCP connection", what);
	return 0;
}

int inet_set_queue_seq(int fd, int queue, uint32_t seq, struct err *err)
{
	if (set(fd, TCP_REPAIR_QUEUE, queue, "TCP_REPAIR_QUEUE", err) < 0)
		return -err->code;
	return set(fd, TCP_QUEUE_SEQ, (int)seq, "a sequence number", err);
}

/* Only packets with our mark: nobody else is to be answered before it is complete. */
static int let_nothing_in(int fd, struct err *err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_MARK)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, INET_MARK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = 4, .filter = code };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return err_sys(err, "cannot close a socket to the network");
	return 0;
}

static int let_all_in(int fd, struct err *err)
{
	int unused = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) < 0)
		return err_sys(err, "cannot open a socket to the network");
	return 0;
}

static int begin(struct restore *r, int fd, size_t in, size_t out, struct err *err)
{
	size_t most = 1 << 29;
	int rcv = (int)(in > most ? most : in) * 2 + (1 << 17);
	int snd = (int)(out > most ? most : out) * 2 + (1 << 17);

	if (let_nothing_in(fd, err) < 0)
		return -err->code;
	/* sockopt_end() puts them right */
	if (privileged_setsockopt(r, fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcv, sizeof(rcv)) < 0 ||
	    privileged_setsockopt(r, fd, SOL_SOCKET, SO_SNDBUFFORCE, &snd, sizeof(snd)) < 0)
		return err_sys(err, "cannot make room for the queues of a socket");
	if (set(fd, TCP_REPAIR, TCP_REPAIR_ON, "TCP_REPAIR", err) < 0)
		return err_hint(err, "this kernel must have CONFIG_CHECKPOINT_RESTORE");
	return 0;
}

static int connect_silently(struct restore *r, int fd, const InetSkEntry *e, struct err *err)
{
	union inet_addr dst;
	socklen_t len;

	if (inet_addr_dst(e, &dst, &len, err) < 0)
		return -err->code;
	if (connect(fd, &dst.any, len) == 0)
		return 0;
	/* the rest of a connection between the same two */
	if (errno == EADDRNOTAVAIL || errno == EADDRINUSE) {
		if (inet_port_clear(r, e, err) < 0)
			return -err->code;
		if (connect(fd, &dst.any, len) == 0)
			return 0;
	}
	err_sys(err, "cannot have the TCP connection to %s", inet_addr_text(r->arena, &dst));
	if (err->code == EADDRNOTAVAIL)
		return err_hint(err, "there is one already; end the program that has it");
	return err_hint(err, "this host must have a route there");
}

static int set_options(int fd, const TcpStreamEntry *t, struct err *err)
{
	struct tcp_repair_opt o[4];
	size_t n = 0;

	o[n++] = (struct tcp_repair_opt){ TCPOPT_MAXSEG, t->mss_clamp };
	if (t->opt_mask & TCPI_OPT_WSCALE)
		o[n++] = (struct tcp_repair_opt){ TCPOPT_WINDOW,
						  t->snd_wscale | t->rcv_wscale << 16 };
	if (t->opt_mask & TCPI_OPT_SACK)
		o[n++] = (struct tcp_repair_opt){ TCPOPT_SACK_PERMITTED, 0 };
	if (t->opt_mask & TCPI_OPT_TIMESTAMPS)
		o[n++] = (struct tcp_repair_opt){ TCPOPT_TIMESTAMP, 0 };
	if (setsockopt(fd, SOL_TCP, TCP_REPAIR_OPTIONS, o, (socklen_t)(n * sizeof(o[0]))) < 0)
		return err_sys(err, "cannot set the options of a TCP connection");
	if (t->has_timestamp)
		return set(fd, TCP_TIMESTAMP, (int)t->timestamp, "the clock", err);
	return 0;
}

/* The kernel takes it in one piece of memory, so it gets pieces. */
static int fill_queue(int fd, int queue, const void *data, size_t len, struct err *err)
{
	enum { PIECE = 32768 };
	const char *p = data;

	if (set(fd, TCP_REPAIR_QUEUE, queue, "TCP_REPAIR_QUEUE", err) < 0)
		return -err->code;
	while (len) {
		ssize_t n = send(fd, p, len < PIECE ? len : PIECE, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n <= 0)
			return err_sys(err, "cannot fill the queues of a TCP connection");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The FIN of the peer, which is counted in these numbers, arrives later. */
static int set_window(int fd, const InetSkEntry *e, const TcpStreamEntry *t, struct err *err)
{
	uint32_t fin = inet_has_got_fin(e->state) && t->rcv_wup == t->inq_seq;
	struct tcp_repair_window w = {
		.snd_wl1 = t->snd_wl1,
		.snd_wnd = t->snd_wnd,
		.max_window = t->max_window,
		.rcv_wnd = t->rcv_wnd + fin,
		.rcv_wup = t->rcv_wup - fin,
	};

	if (!t->has_rcv_wup)
		return 0;
	if (setsockopt(fd, SOL_TCP, TCP_REPAIR_WINDOW, &w, sizeof(w)) < 0)
		return err_sys(err, "cannot set the window of a TCP connection");
	return 0;
}

/* ---- the round trip time ---- */

static struct inet_segment segment_of(const TcpStreamEntry *t, bool fin, uint32_t ack)
{
	/* a FIN has the last number that is counted */
	return (struct inet_segment){ .seq = t->inq_seq - fin,
				      .ack = ack,
				      .fin = fin,
				      .window = (uint16_t)(t->snd_wnd >> t->snd_wscale) };
}

/*
 * Without one, what was lost on its way is sent again after three seconds.  So the
 * queue begins with a byte that the peer has had, and it is acknowledged as if it
 * had been sent that long ago.  If that is lost, the peer will do it.
 */
static int tell_rtt(int fd, const struct inet_conn *c, uint32_t in, uint32_t out, struct err *err)
{
	struct inet_segment ack = segment_of(c->t, false, out);
	struct inet_pair p;
	int clock, unsent;

	if (fill_queue(fd, TCP_SEND_QUEUE, "", 1, err) < 0)
		return -err->code;
	if (inet_stream_pair(c->e, &p) < 0 ||
	    sockopt_get_int(fd, SOL_TCP, TCP_TIMESTAMP, &clock) < 0)
		return err_set(err, EBADMSG, "cannot use the addresses of a TCP connection");
	ack.seq = in;
	/* the lowest bit says that the clock counts microseconds */
	ack.echo = (uint32_t)clock - (clock & 1 ? c->t->rtt : c->t->rtt / 1000);
	for (int i = 0; i < 10; i++)
		if (inet_segment_send(&p, &ack, err) < 0)
			return -err->code;
		else if (ioctl(fd, SIOCOUTQ, &unsent) == 0 && unsent == 0)
			return 0;
	log_info("connection to port %u: its round trip time is not kept", c->e->dst_port);
	return 0;
}

/* ---- connections ---- */

static int open_connected(struct restore *r, int fd, const struct inet_conn *c, struct err *err)
{
	const TcpStreamEntry *t = c->t;
	uint32_t in = t->inq_seq - t->inq_len - inet_has_got_fin(c->e->state);
	uint32_t out = t->outq_seq - t->outq_len - inet_has_sent_fin(c->e->state);
	bool has_rtt = t->has_rtt && t->has_timestamp;

	if (inet_set_queue_seq(fd, TCP_RECV_QUEUE, in, err) < 0 ||
	    inet_set_queue_seq(fd, TCP_SEND_QUEUE, out - has_rtt, err) < 0 ||
	    inet_bind(r, fd, c->e, err) < 0 || connect_silently(r, fd, c->e, err) < 0 ||
	    set_options(fd, t, err) < 0)
		return -err->code;
	if (has_rtt && tell_rtt(fd, c, in, out, err) < 0)
		return -err->code;
	if (fill_queue(fd, TCP_RECV_QUEUE, c->in.data, c->in.len, err) < 0 ||
	    fill_queue(fd, TCP_SEND_QUEUE, c->out.data, c->out.len - t->unsq_len, err) < 0)
		return -err->code;
	return set_window(fd, c->e, t, err);
}

/* A SYN takes a number too; connect() uses the one that it finds. */
static int open_connecting(struct restore *r, int fd, const struct inet_conn *c, struct err *err)
{
	if (inet_set_queue_seq(fd, TCP_SEND_QUEUE, c->t->outq_seq - 1, err) < 0 ||
	    inet_bind(r, fd, c->e, err) < 0)
		return -err->code;
	return set(fd, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP, "TCP_REPAIR", err);
}

int inet_stream_open(struct restore *r, int fd, struct inet_conn *c, struct err *err)
{
	if (begin(r, fd, c->in.len, c->out.len, err) < 0)
		return -err->code;
	return c->e->state == TCP_SYN_SENT ? open_connecting(r, fd, c, err)
					   : open_connected(r, fd, c, err);
}

/* ---- the ends that it had ---- */

/* In the send queue of TCP_REPAIR, the FIN counts as sent. */
int inet_shut_silently(int fd, struct err *err)
{
	if (set(fd, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE, "TCP_REPAIR_QUEUE", err) < 0)
		return -err->code;
	if (shutdown(fd, SHUT_WR) < 0)
		return err_sys(err, "cannot shut a TCP connection");
	return set(fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE, "TCP_REPAIR_QUEUE", err);
}

static int link_ends(int fd, struct inet_conn *c, struct err *err)
{
	const TcpStreamEntry *t = c->t;
	uint32_t state = c->e->state;
	struct inet_segment fin =
		segment_of(t, true, t->outq_seq - t->outq_len - inet_has_sent_fin(state));
	struct inet_segment ack = segment_of(t, false, t->outq_seq);
	struct inet_pair p;

	if (inet_stream_pair(c->e, &p) < 0)
		return err_set(err, EBADMSG, "cannot use the addresses of a TCP connection");
	if (state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK)
		if (inet_segment_send_until(fd, &p, &fin, TCP_CLOSE_WAIT, err) < 0)
			return -err->code;
	if (inet_has_sent_fin(state) && !c->shuts_late && inet_shut_silently(fd, err) < 0)
		return -err->code;
	if (state == TCP_FIN_WAIT2)
		return inet_segment_send_until(fd, &p, &ack, TCP_FIN_WAIT2, err);
	if (state == TCP_CLOSING && !c->shuts_late)
		return inet_segment_send_until(fd, &p, &fin, TCP_CLOSING, err);
	return 0;
}

int inet_stream_link(struct restore *r, int fd, struct inet_conn *c, struct err *err)
{
	if (c->e->state != TCP_SYN_SENT && link_ends(fd, c, err) < 0)
		return -err->code;
	return c->e->opts->n_so_filter ? 0 : let_all_in(fd, err);
}

/* ---- after, resume ---- */

int inet_stream_after(struct restore *r, struct err *err)
{
	struct file *f;

	for_each_file(f, r->files) {
		struct inet_conn *c = f->kind == &inet_kind ? f->data : NULL;
		bool lent;

		if (!c || !f->owner)
			continue;
		c->fd = file_borrow(r, f, &lent, err);
		if (c->fd < 0)
			return -err->code;
	}
	return 0;
}

/* connect() would wait; the tasks, who share the flags, are stopped. */
static int connect_again(struct restore *r, const struct inet_conn *c, struct err *err)
{
	int flags = fcntl(c->fd, F_GETFL), ret;
	union inet_addr dst;
	socklen_t len;

	if (inet_addr_dst(c->e, &dst, &len, err) < 0)
		return -err->code;
	if (flags < 0 || fcntl(c->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(err, "cannot change the flags of a TCP socket");
	ret = connect(c->fd, &dst.any, len);
	if (ret < 0 && errno != EINPROGRESS)
		return err_sys(err, "cannot connect to %s again", inet_addr_text(r->arena, &dst));
	return fcntl(c->fd, F_SETFL, flags) < 0
		       ? err_sys(err, "cannot change the flags of a socket")
		       : 0;
}

/* In a buffer that is large enough for a moment. */
static int send_unsent(struct restore *r, const struct inet_conn *c, struct err *err)
{
	const SkOptsEntry *o = c->e->opts;
	size_t len = c->t->unsq_len;
	int room = (int)(2 * c->out.len + 65536), was = (int)(o->so_sndbuf / 2);

	if (!len)
		return 0;
	if (privileged_setsockopt(r, c->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0 ||
	    send(c->fd, c->out.data + c->out.len - len, len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
		    (ssize_t)len)
		return err_sys(err, "cannot send what a TCP connection had not sent");
	if (privileged_setsockopt(r, c->fd, SOL_SOCKET, SO_SNDBUFFORCE, &was, sizeof(was)) < 0 ||
	    (o->has_so_buf_lock &&
	     sockopt_set_int(c->fd, SOL_SOCKET, SO_BUF_LOCK, (int)o->so_buf_lock) < 0))
		return err_sys(err, "cannot set the sizes of buffers of a socket");
	return 0;
}

/* Of two ends at the same time, the own one came first. */
static int shut_late(const struct inet_conn *c, struct err *err)
{
	const TcpStreamEntry *t = c->t;
	struct inet_segment fin = segment_of(t, true, t->outq_seq - t->outq_len - 1);
	struct inet_pair p;

	if (shutdown(c->fd, SHUT_WR) < 0)
		return err_sys(err, "cannot shut a TCP connection");
	if (c->e->state != TCP_CLOSING || inet_stream_pair(c->e, &p) < 0)
		return 0;
	return inet_segment_send_until(c->fd, &p, &fin, TCP_CLOSING, err);
}

static int go_on(struct restore *r, struct inet_conn *c, struct err *err)
{
	if (c->e->state == TCP_SYN_SENT)
		return connect_again(r, c, err);
	if (set(c->fd, TCP_REPAIR, TCP_REPAIR_OFF, "TCP_REPAIR", err) < 0)
		return -err->code;
	/* which that takes away */
	if (sockopt_set_int(c->fd, SOL_SOCKET, SO_REUSEADDR, c->e->opts->reuseaddr) < 0)
		return err_sys(err, "cannot set SO_REUSEADDR of a socket");
	if (send_unsent(r, c, err) < 0)
		return -err->code;
	if (c->shuts_late && shut_late(c, err) < 0)
		return -err->code;
	return inet_tcp_options(c->fd, c->e, err);
}

static void add_pairs(struct inet_lock *lock, struct inet_pair *pairs, const struct file *f)
{
	const InetSkEntry *e = f->image->isk;

	if (f->data && inet_stream_pair(e, &pairs[lock->n]) == 0)
		lock->n++;
	for (size_t i = 0; i < e->n_waiting; i++)
		if (inet_waiting_pair(e->waiting[i], &pairs[lock->n]) == 0)
			lock->n++;
}

static size_t count_pairs(const struct restore *r)
{
	size_t n = 0;
	struct file *f;

	for_each_file(f, r->files)
		if (f->kind == &inet_kind)
			n += 1 + f->image->isk->n_waiting;
	return n;
}

/* In @ns, as the dump had it. */
static int lock_again(struct restore *r, const struct ns *ns, struct err *err)
{
	const struct inet_state *s = kind_state(r->kinds, &inet_kind);
	struct inet_pair *pairs = arena_array(r->arena, struct inet_pair, count_pairs(r));
	struct inet_lock lock = { .pairs = pairs, .whole = ns->is_root && s->has_sockets };
	struct file *f;

	for_each_file(f, r->files)
		if (f->kind == &inet_kind && f->image->isk->ns_id == ns->id)
			add_pairs(&lock, pairs, f);
	return inet_relock(r, ns, &lock, err);
}

static int unlock(struct restore *r, const struct ns *ns, struct err *err)
{
	const struct inet_state *s = kind_state(r->kinds, &inet_kind);
	bool whole = ns && ns->is_root && s->has_sockets;

	if (!s->has_v4 && !s->has_v6 && !whole)
		return 0;
	return inet_release(r, ns, s->has_v4 || whole, s->has_v6 || whole, err);
}

/* In every network namespace of the tree. */
static int each_network(struct restore *r,
			int (*what)(struct restore *r, const struct ns *ns, struct err *err),
			struct err *err)
{
	struct ns **ns;

	vec_for_each(ns, &r->ns->all) {
		struct ns_visit visit;

		if ((*ns)->type != NS_NET)
			continue;
		if (ns_enter_restore(r, *ns, &visit, err) < 0 || what(r, *ns, err) < 0)
			return -err->code;
		if (ns_leave(&visit, err) < 0)
			return -err->code;
	}
	return 0;
}

int inet_stream_before(struct restore *r, struct err *err)
{
	return each_network(r, lock_again, err);
}

int inet_stream_resume(struct restore *r, struct err *err)
{
	struct file *f;

	if ((!r->ns->root[NS_NET] && unlock(r, NULL, err) < 0) || each_network(r, unlock, err) < 0)
		return -err->code;
	for_each_file(f, r->files) {
		struct inet_conn *c = f->kind == &inet_kind ? f->data : NULL;

		if (!c || c->fd < 0)
			continue;
		if (go_on(r, c, err) < 0)
			return err_in(err, "TCP connection to %s", peer_text(r, c->e));
		close(c->fd);
		c->fd = -1;
	}
	return 0;
}

/* ---- those that have ended ---- */

enum { SEQ = 1000000 }; /* any number will do */

/*
 * A connection of this host with itself, at a port that is free, comes to the same
 * end: nobody else takes part.  The kernel chooses the address, so that the socket
 * is not tied to it when it is connected again.
 */
static int connect_to_nobody(int fd, const InetSkEntry *e, struct inet_pair *p, struct err *err)
{
	union inet_addr addr = { 0 };
	socklen_t len = e->family == AF_INET ? sizeof(addr.v4) : sizeof(addr.v6);
	const void *words;

	addr.any.sa_family = (sa_family_t)e->family;
	if (e->family == AF_INET)
		addr.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		addr.v6.sin6_addr = in6addr_loopback;
	p->dst_port = 9; /* discard */
	addr.v4.sin_port = htons(p->dst_port);
	if (connect(fd, &addr.any, len) < 0)
		return err_sys(err, "cannot make a TCP connection that has ended");
	if (getsockname(fd, &addr.any, &len) < 0)
		return err_sys(err, "cannot ask for the address of a socket");
	words = e->family == AF_INET ? (void *)&addr.v4.sin_addr : (void *)&addr.v6.sin6_addr;
	p->words = e->family == AF_INET ? 1 : 4;
	memcpy(p->src, words, p->words * 4);
	memcpy(p->dst, words, p->words * 4);
	p->src_port = ntohs(addr.v4.sin_port);
	return 0;
}

static int end_it(int fd, const struct inet_pair *p, const InetClosedEntry *c, struct err *err)
{
	uint32_t seq = SEQ + (uint32_t)c->data.len;
	struct inet_segment reset = { .seq = seq, .ack = SEQ, .rst = true };
	struct inet_segment fin = { .seq = seq, .ack = SEQ, .fin = true, .window = 1000 };
	struct inet_segment ack = { .seq = seq + 1, .ack = SEQ + 1, .window = 1000 };

	if (c->is_reset)
		return inet_segment_send_until(fd, p, &reset, TCP_CLOSE, err);
	if (inet_segment_send_until(fd, p, &fin, TCP_CLOSE_WAIT, err) < 0 ||
	    inet_shut_silently(fd, err) < 0)
		return -err->code;
	return inet_segment_send_until(fd, p, &ack, TCP_CLOSE, err);
}

int inet_closed_open(struct restore *r, int fd, const InetSkEntry *e, struct err *err)
{
	const InetClosedEntry *c = e->closed;
	struct inet_pair p;

	if (begin(r, fd, c->data.len, 0, err) < 0 ||
	    inet_set_queue_seq(fd, TCP_RECV_QUEUE, SEQ, err) < 0 ||
	    inet_set_queue_seq(fd, TCP_SEND_QUEUE, SEQ, err) < 0 ||
	    connect_to_nobody(fd, e, &p, err) < 0 ||
	    fill_queue(fd, TCP_RECV_QUEUE, c->data.data, c->data.len, err) < 0 ||
	    end_it(fd, &p, c, err) < 0 ||
	    set(fd, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP, "TCP_REPAIR", err) < 0)
		return -err->code;
	return let_all_in(fd, err);
}
