/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_stream - TCP connections, dumped
 *
 * collect   all connections are found, then the network is locked (inet_lock.c),
 *           then each is put into TCP_REPAIR, where its queues can be looked at
 * drain     tcp-stream-INODE.img: sequence numbers, options, window, and what is in
 *           both queues.  The sequence number of a FIN is counted in the number,
 *           but not in the length
 * end       sockets of tasks that go on leave TCP_REPAIR, and the network is
 *           unlocked.  Others die in it, silently: their peers hear nothing
 *
 * A connection that has ended and was not closed keeps what can still be read of
 * it, and whether its end was a reset, in a field of ours.
 *
 * refused   urgent data, connections in the middle of being accepted, kernel TLS
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/sock_ns.h"
#include "core/sockopt.h"
#include "sock/inet.h"

/* ---- collect ---- */

int inet_pair_fill(struct inet_pair *p, const uint32_t *src, size_t n_src, uint32_t src_port,
		   const uint32_t *dst, size_t n_dst, uint32_t dst_port)
{
	size_t skip = inet_is_mapped(dst, n_dst) ? 3 : 0;

	if (n_src != n_dst || (n_src != 1 && n_src != 4))
		return -EINVAL;
	p->words = n_src - skip;
	memcpy(p->src, src + skip, p->words * 4);
	memcpy(p->dst, dst + skip, p->words * 4);
	p->src_port = (uint16_t)src_port;
	p->dst_port = (uint16_t)dst_port;
	return 0;
}

int inet_stream_pair(const InetSkEntry *e, struct inet_pair *p)
{
	return inet_pair_fill(p, e->src_addr, e->n_src_addr, e->src_port, e->dst_addr,
			      e->n_dst_addr, e->dst_port);
}

static int refuse(struct dump *d, const InetSkEntry *e, const char *why, struct err *err)
{
	union inet_addr src, dst;
	socklen_t len;

	if (inet_addr_src(e, &src, &len, err) < 0 || inet_addr_dst(e, &dst, &len, err) < 0)
		return -err->code;
	err_set(err, EOPNOTSUPP, "cannot dump the TCP connection from %s to %s",
		inet_addr_text(d->arena, &src), inet_addr_text(d->arena, &dst));
	err_why(err, "%s", why);
	return err_hint(err, "dump again when that is over, or close it before the dump");
}

static int check_stream(struct dump *d, int fd, const InetSkEntry *e, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLPRI };
	char ulp[16] = "";
	socklen_t len = sizeof(ulp);

	if (e->state == TCP_SYN_RECV)
		return refuse(d, e, "it is in the middle of being accepted", err);
	if (getsockopt(fd, SOL_TCP, TCP_ULP, ulp, &len) == 0 && len && ulp[0])
		return refuse(d, e, "the kernel does TLS or something like it for it (TCP_ULP)",
			      err);
	if (e->state != TCP_SYN_SENT && poll(&p, 1, 0) > 0 && p.revents & POLLPRI)
		return refuse(d, e, "it has urgent data", err);
	return 0;
}

int inet_stream_collect(struct dump *d, int fd, InetSkEntry *e, struct err *err)
{
	struct inet_state *s = kind_state(d->kinds, &inet_kind);
	struct inet_conn *c;

	if (d->opts->common.tcp_close)
		return 0;
	if (check_stream(d, fd, e, err) < 0)
		return -err->code;
	c = vec_add(d->arena, &s->conns);
	c->e = e;
	c->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return c->fd < 0 ? err_sys(err, "cannot keep a copy of a TCP socket") : 0;
}

/* ---- those that have ended ---- */

/* A look at an error would take it away, so nothing but what is there is looked at. */
int inet_closed_collect(struct dump *d, int fd, InetSkEntry *e, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };
	InetClosedEntry *c;
	int queued = 0;

	/* one that never was one waits to be connected, and is hung up but not shut */
	if (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLRDHUP | POLLERR)))
		return 0;
	c = e->closed = record_new(d, inet_closed_entry);
	c->is_reset = (p.revents & POLLERR) != 0;
	if (ioctl(fd, SIOCINQ, &queued) < 0)
		return err_sys(err, "cannot ask what a TCP socket has to be read");
	if (queued > 0) {
		ssize_t n;

		c->data.data = arena_alloc(d->arena, (size_t)queued);
		n = recv(fd, c->data.data, (size_t)queued, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0)
			return err_sys(err, "cannot look at what a TCP socket has to be read");
		c->data.len = (size_t)n;
	}
	/* it does not hold its port any more, which others may have now */
	e->src_port = 0;
	return 0;
}

/* ---- in repair ---- */

static int set_repair(int fd, int how, struct err *err)
{
	if (setsockopt(fd, SOL_TCP, TCP_REPAIR, &how, sizeof(how)) < 0) {
		err_sys(err, "cannot %s TCP_REPAIR", how == TCP_REPAIR_ON ? "enter" : "leave");
		return err_hint(err, "this kernel must have CONFIG_CHECKPOINT_RESTORE, "
				     "and the user CAP_NET_ADMIN");
	}
	return 0;
}

/* What comes out is what was there: the network is locked, and the tasks are stopped. */
static int read_queue(struct dump *d, int fd, int queue, unsigned long ask, uint32_t *seq_ret,
		      ProtobufCBinaryData *data, struct err *err)
{
	socklen_t len = sizeof(*seq_ret);
	int size = 0;
	ssize_t n;

	if (setsockopt(fd, SOL_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) < 0 ||
	    getsockopt(fd, SOL_TCP, TCP_QUEUE_SEQ, seq_ret, &len) < 0 || ioctl(fd, ask, &size) < 0)
		return err_sys(err, "cannot ask for the queues of a TCP connection");
	if (size <= 0)
		return 0;
	data->data = arena_alloc(d->arena, (size_t)size);
	n = recv(fd, data->data, (size_t)size, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN)
		return err_sys(err, "cannot look at the queues of a TCP connection");
	data->len = n < 0 ? 0 : (size_t)n;
	return 0;
}

static int read_options(int fd, const struct tcp_info *info, TcpStreamEntry *t, struct err *err)
{
	int value;

	t->opt_mask = info->tcpi_options & (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE);
	if (t->opt_mask & TCPI_OPT_WSCALE) {
		t->snd_wscale = info->tcpi_snd_wscale;
		t->rcv_wscale = info->tcpi_rcv_wscale;
		t->has_rcv_wscale = true;
	}
	if (sockopt_get_int(fd, SOL_TCP, TCP_MAXSEG, &value) < 0)
		return err_sys(err, "cannot ask for the segment size of a TCP connection");
	t->mss_clamp = (uint32_t)value;
	if (!(t->opt_mask & TCPI_OPT_TIMESTAMPS))
		return 0;
	if (sockopt_get_int(fd, SOL_TCP, TCP_TIMESTAMP, &value) < 0)
		return err_sys(err, "cannot ask for the clock of a TCP connection");
	t->timestamp = (uint32_t)value;
	t->has_timestamp = true;
	t->rtt = info->tcpi_rtt;
	t->has_rtt = t->rtt != 0;
	return 0;
}

static int read_window(int fd, TcpStreamEntry *t, struct err *err)
{
	struct tcp_repair_window w;
	socklen_t len = sizeof(w);

	if (getsockopt(fd, SOL_TCP, TCP_REPAIR_WINDOW, &w, &len) < 0)
		return err_sys(err, "cannot ask for the window of a TCP connection");
	t->has_snd_wl1 = t->has_snd_wnd = t->has_max_window = t->has_rcv_wnd = t->has_rcv_wup =
		true;
	t->snd_wl1 = w.snd_wl1;
	t->snd_wnd = w.snd_wnd;
	t->max_window = w.max_window;
	t->rcv_wnd = w.rcv_wnd;
	t->rcv_wup = w.rcv_wup;
	return 0;
}

/* Of what is to be sent, what never was; a FIN counts in the kernel's number. */
static int read_unsent(struct inet_conn *c, struct err *err)
{
	int unsent = 0;

	if (ioctl(c->fd, SIOCOUTQNSD, &unsent) < 0)
		return err_sys(err, "cannot ask what a TCP connection has not sent");
	if (unsent > 0 && inet_has_sent_fin(c->e->state))
		unsent--;
	c->t->has_unsq_len = true;
	c->t->unsq_len = (uint32_t)unsent < c->t->outq_len ? (uint32_t)unsent : c->t->outq_len;
	return 0;
}

/* Between collect and now the peer may have said something. */
static int read_state(struct dump *d, struct inet_conn *c, struct tcp_info *info, struct err *err)
{
	socklen_t len = sizeof(*info);

	if (getsockopt(c->fd, SOL_TCP, TCP_INFO, info, &len) < 0)
		return err_sys(err, "cannot ask for the state of a TCP socket");
	c->e->state = info->tcpi_state;
	if (c->e->state == INET_CLOSED)
		return inet_closed_collect(d, c->fd, c->e, err);
	return check_stream(d, c->fd, c->e, err);
}

static int read_once(struct dump *d, struct inet_conn *c, struct err *err)
{
	struct tcp_info info = { 0 };
	TcpStreamEntry *t;

	if (read_state(d, c, &info, err) < 0)
		return -err->code;
	if (c->e->state == INET_CLOSED)
		return 0;
	t = c->t = record_new(d, tcp_stream_entry);
	if (read_queue(d, c->fd, TCP_RECV_QUEUE, SIOCINQ, &t->inq_seq, &c->in, err) < 0 ||
	    read_queue(d, c->fd, TCP_SEND_QUEUE, SIOCOUTQ, &t->outq_seq, &c->out, err) < 0)
		return -err->code;
	t->inq_len = (uint32_t)c->in.len;
	t->outq_len = (uint32_t)c->out.len;
	t->has_cork = c->e->tcp_opts->cork;
	t->cork = c->e->tcp_opts->cork;
	t->has_nodelay = t->nodelay = c->e->tcp_opts->nodelay;
	if (c->e->state == TCP_SYN_SENT)
		return 0;
	return read_options(c->fd, &info, t, err) < 0 || read_window(c->fd, t, err) < 0
		       ? -err->code
		       : read_unsent(c, err);
}

static bool will_end(const struct dump *d)
{
	return !d->opts->leave_running && !d->opts->common.leave_stopped;
}

/* A packet that was behind the lock already when that came may arrive between two questions. */
static int has_changed(const struct inet_conn *c, bool *changed_ret, struct err *err)
{
	uint32_t seq = 0, state = c->e->state;
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int queue = TCP_RECV_QUEUE;

	if (getsockopt(c->fd, SOL_TCP, TCP_INFO, &info, &len) < 0)
		return err_sys(err, "cannot ask for the state of a TCP socket");
	len = sizeof(seq);
	if (c->t && (setsockopt(c->fd, SOL_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) < 0 ||
		     getsockopt(c->fd, SOL_TCP, TCP_QUEUE_SEQ, &seq, &len) < 0))
		return err_sys(err, "cannot ask for the queues of a TCP connection");
	*changed_ret = info.tcpi_state != state || (c->t && seq != c->t->inq_seq);
	return 0;
}

static int read_stream(struct dump *d, struct inet_conn *c, struct err *err)
{
	bool changed = true;

	for (int i = 0; changed && i < 100; i++) {
		c->t = NULL;
		c->in = c->out = (ProtobufCBinaryData){ 0 };
		if (read_once(d, c, err) < 0 || has_changed(c, &changed, err) < 0)
			return -err->code;
	}
	return changed ? refuse(d, c->e, "it does not come to rest", err) : 0;
}

static int lock_there(struct dump *d, struct inet_state *s, struct ns *ns,
		      const struct inet_lock *lock, struct err *err)
{
	struct ns_visit visit;

	if (sock_ns_enter_dump(d, ns, &visit, err) < 0)
		return -err->code;
	s->is_locked = true;
	return sock_ns_leave_dump(d, &visit, inet_lock(d, lock, err), err);
}

/* Those that are in @ns, NULL: ours. */
static int lock_pairs(struct dump *d, struct inet_state *s, struct ns *ns, struct err *err)
{
	struct inet_pair *pairs = arena_array(d->arena, struct inet_pair, s->conns.n);
	uint32_t id = ns ? ns->id : d->our_ids->net_ns_id;
	struct inet_lock lock = { .pairs = pairs };
	struct inet_conn *c;

	vec_for_each(c, &s->conns)
		if (c->e->ns_id == id && inet_stream_pair(c->e, &pairs[lock.n++]) < 0)
			return err_set(err, EPROTO, "cannot use the addresses of a TCP socket");
	return lock.n ? lock_there(d, s, ns, &lock, err) : 0;
}

/* Where nobody will answer any more: before it is known who waits there. */
static int lock_whole(struct dump *d, struct inet_state *s, struct ns **whole_ret, struct err *err)
{
	const struct inet_lock all = { .whole = true };
	struct ns *ns = d->ns->root[NS_NET];

	*whole_ret = NULL;
	if (!ns || !s->has_sockets || !will_end(d))
		return 0;
	if (lock_there(d, s, ns, &all, err) < 0) {
		if (s->conns.n)
			return -err->code;
		log_warn("who connects meanwhile will be refused: %s: %s", err->what, err->why);
		memset(err, 0, sizeof(*err));
	}
	*whole_ret = ns;
	return 0;
}

static int lock_and_take(struct dump *d, struct inet_state *s, struct err *err)
{
	struct ns **ns, *whole;

	if (lock_whole(d, s, &whole, err) < 0 || inet_waiting_take(d, err) < 0 ||
	    lock_pairs(d, s, NULL, err) < 0)
		return -err->code;
	vec_for_each(ns, &d->ns->all)
		if ((*ns)->type == NS_NET && *ns != whole && lock_pairs(d, s, *ns, err) < 0)
			return -err->code;
	return 0;
}

int inet_stream_take(struct dump *d, struct inet_conn *c, struct err *err)
{
	if (!c->is_repaired && set_repair(c->fd, TCP_REPAIR_ON, err) < 0)
		return -err->code;
	c->is_repaired = true;
	return read_stream(d, c, err);
}

int inet_stream_collect_end(struct dump *d, struct err *err)
{
	struct inet_state *s = kind_state(d->kinds, &inet_kind);
	struct inet_conn *c;

	if (d->dry)
		return 0;
	if (lock_and_take(d, s, err) < 0)
		return -err->code;
	vec_for_each(c, &s->conns)
		if (inet_stream_take(d, c, err) < 0)
			return -err->code;
	return 0;
}

/* ---- drain ---- */

int inet_stream_drain_end(struct dump *d, struct err *err)
{
	struct inet_state *s = kind_state(d->kinds, &inet_kind);
	struct inet_conn *c;

	vec_for_each(c, &s->conns) {
		scoped_image *img = NULL;

		if (!c->t)
			continue;
		if (c->listener) {
			inet_waiting_record(d, c);
			continue;
		}
		if (image_create(d->store, IMAGE_TCP_STREAM, c->e->ino, &img, err) < 0 ||
		    image_put(img, &c->t->base, err) < 0 ||
		    image_put_raw(img, c->in.data, c->in.len, err) < 0 ||
		    image_put_raw(img, c->out.data, c->out.len, err) < 0 ||
		    image_close(take_ptr(img), err) < 0)
			return -err->code;
	}
	return 0;
}

/* ---- end ---- */

/* Leaving TCP_REPAIR takes SO_REUSEADDR away. */
static void go_on(const struct inet_conn *c)
{
	struct err err = { 0 };
	int reuse = c->e->opts->reuseaddr;

	if (set_repair(c->fd, TCP_REPAIR_OFF, &err) < 0 ||
	    setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)) < 0)
		log_error("TCP connection %u cannot go on: %s", c->e->ino, strerror(errno));
}

static void unlock_there(struct dump *d, struct ns *ns)
{
	struct err err = { 0 };
	struct ns_visit visit;
	int ret = sock_ns_enter_dump(d, ns, &visit, &err);

	if (ret == 0) {
		ret = inet_unlock(d, &err);
		ret = sock_ns_leave_dump(d, &visit, ret, &err);
	}
	if (ret < 0)
		log_error("%s: %s", err.what, err.why);
}

static void unlock(struct dump *d, const struct inet_state *s)
{
	struct ns **ns;

	if (!s->is_locked)
		return;
	unlock_there(d, NULL);
	vec_for_each(ns, &d->ns->all)
		if ((*ns)->type == NS_NET)
			unlock_there(d, *ns);
}

void inet_stream_dump_end(struct dump *d, bool ok)
{
	struct inet_state *s = kind_state(d->kinds, &inet_kind);
	bool ends = ok && will_end(d);
	struct inet_conn *c;

	vec_for_each(c, &s->conns)
		if (c->listener && !ends)
			inet_waiting_return(d, c);
	if (!ends)
		unlock(d, s);
	inet_waiting_end(s);
	vec_for_each(c, &s->conns) {
		if (c->is_repaired && !c->listener && !ends)
			go_on(c);
		if (c->fd >= 0)
			close(c->fd);
		c->fd = -1;
	}
}
