/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unix - sockets of AF_UNIX: stream, datagram and seqpacket
 *
 * collect   through our copy: options, name, what sock_diag says
 * drain     what is in the queue, with descriptors in flight; when all sockets
 *           are known, also those in flight: who is connected to whom
 * restore   unix_plan.c decides how each is made, unix_make.c and unix_dgram.c
 *           make it
 *
 * A connection that nobody has accepted yet is known by its client only; in the
 * image the client's peer is then the listener.
 *
 * SO_PEERCRED tells who has made a connection.  So a pair is made again by that
 * task, whoever has it now, and with the user and group that it had then.
 *
 * not kept  SO_PEERCRED of a task that is gone: then it is that of the first who has
 *           the pair, or of the listener.  The order of connections that wait
 *
 * refused   peers outside of the tree, if they are not named by --ext-unix-sk or
 *           --external unix[INODE]: a datagram socket is connected by name again,
 *           a stream named by its inode is cut and reads end of file; connections
 *           that carry data before they are accepted, which nobody can look at;
 *           out-of-band bytes; errors of sockets with messages
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "core/external.h"
#include "core/ns.h"
#include "core/refuse.h"
#include "core/sock_ns.h"
#include "core/sockopt.h"
#include "sock/unix.h"

static bool match_unix(const struct fd_probe *p)
{
	int domain;

	return S_ISSOCK(p->st.st_mode) && !(p->flags & O_PATH) &&
	       sockopt_get_int(p->own, SOL_SOCKET, SO_DOMAIN, &domain) == 0 && domain == AF_UNIX;
}

/* ---- collect ---- */

/*
 * What only poll() tells.  An error can be asked for, but then it is gone; of
 * messages it is even told, and gone, before those that came earlier.
 */
static int collect_events(const struct fd_probe *p, UnixSkEntry *e, struct err *err)
{
	struct pollfd pfd = { .fd = p->own, .events = POLLPRI };

	if (poll(&pfd, 1, 0) < 0)
		return err_sys(err, "cannot ask for the events of a socket");
	e->has_peer_reset = e->peer_reset = pfd.revents & POLLERR && e->type == SOCK_STREAM;
	if (pfd.revents & POLLERR && e->type != SOCK_STREAM)
		err_set(err, EOPNOTSUPP,
			"cannot dump a socket with an error that was not told yet");
	else if (pfd.revents & POLLPRI)
		err_set(err, EOPNOTSUPP,
			"cannot dump a socket with an out-of-band byte (MSG_OOB) in its queue");
	else
		return 0;
	return err_hint(err, "dump again when the program has read it");
}

/* Who has made the other end, if he is there to make it once more. */
static void collect_peercred(struct dump *d, int fd, UnixSkEntry *e)
{
	struct ucred c = { 0 };
	socklen_t len = sizeof(c);
	const struct task *t;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) < 0 || c.pid <= 0)
		return;
	t = task_by_host_pid(d->tree, c.pid);
	if (!t)
		return;
	e->has_peer_pid = e->has_peer_uid = e->has_peer_gid = true;
	e->peer_pid = (uint32_t)t->pid;
	e->peer_uid = ns_uid_inside(d->ns, c.uid);
	e->peer_gid = ns_gid_inside(d->ns, c.gid);
}

static int collect_unix(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	struct unix_state *s = kind_state(d->kinds, &unix_kind);
	struct unix_sk *sk = arena_new(d->arena, struct unix_sk);
	UnixSkEntry *e = record_new(d, unix_sk_entry);

	sk->e = fe->usk = e;
	sk->task = p->task;
	sk->fd = p->fd;
	e->ino = (uint32_t)p->st.st_ino;
	e->flags = p->flags;
	if (unix_diag_collect(d, s, sk, err) < 0 || collect_events(p, e, err) < 0 ||
	    unix_path_collect(d, p, e, err) < 0 || sockopt_collect(d, p->own, &e->opts, err) < 0)
		return -err->code;

	collect_peercred(d, p->own, e);
	*vec_add(d->arena, &s->all) = sk;
	s->is_sorted = false;
	return 0;
}

/*
 * A message of no bytes can be looked at only once: the kernel skips it the next
 * time, when a dump wants it.  If sockets may be in flight in these messages,
 * nobody can say whose peer is outside of the tree.
 */
static int leave_messages(struct dump *d, const struct file *f, struct err *err)
{
	struct proc_fdinfo info;
	struct text value;
	uint64_t n;

	if (proc_read_fdinfo(d->proc, f->task->host_alive, f->fd, d->arena, &info, err) < 0)
		return -err->code;
	if (text_find(info.text, "scm_fds:", &value) && text_u64(&value, &n) && n > 0)
		refuse_spoil(d, &unix_kind);
	return 0;
}

static int drain_unix(struct dump *d, struct file *f, struct err *err)
{
	struct unix_state *s = kind_state(d->kinds, &unix_kind);

	if (f->image->usk->state == UNIX_LISTEN)
		return 0;
	if (d->dry && f->image->usk->type != SOCK_STREAM)
		return leave_messages(d, f, err);
	return unix_queue_drain(d, s, f, f->image->usk, err);
}

/* ---- dump: who is connected to whom ---- */

static int refuse_waiting(struct dump *d, const struct unix_sk *listener, const char *why,
			  struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump a connection that waits to be accepted at socket %s",
		unix_name_text(d->arena, listener->e));
	err_why(err, "%s", why);
	return err_hint(err,
			"dump again when the program has accepted it, or give --skip-in-flight");
}

static int take_icon(struct dump *d, struct unix_state *s, struct unix_sk *listener, uint32_t ino,
		     struct err *err)
{
	struct unix_sk *client = ino ? unix_find(s, ino) : NULL;
	const char *why = NULL;

	if (!client)
		why = ino ? "its client is outside of the tree" : "its client has gone already";
	else if (client->e->backlog)
		why = "it carries data that only accept() can get at";
	if (why && !d->opts->skip_in_flight)
		return refuse_waiting(d, listener, why, err);
	if (why)
		log_warn("a connection that waits at socket %u is left out: %s", listener->e->ino,
			 why);
	if (!client)
		return 0;

	client->is_waiting = true;
	if (!why)
		client->e->peer = listener->e->ino;
	return 0;
}

static int take_icons(struct dump *d, struct unix_state *s, struct err *err)
{
	size_t i, k;

	for (i = 0; i < s->all.n; i++) {
		struct unix_sk *sk = s->all.items[i];

		for (k = 0; k < sk->nr_icons; k++)
			if (take_icon(d, s, sk, sk->icons[k], err) < 0 &&
			    !refuse_note(d, sk->task, sk->fd, err))
				return -err->code;
	}
	return 0;
}

static int refuse_outside(struct dump *d, const struct unix_sk *sk, const UnixSkEntry *peer,
			  struct err *err)
{
	err_set(err, EOPNOTSUPP,
		"cannot dump the unix socket %s, inode %u: its peer is outside of the tree",
		unix_name_text(d->arena, sk->e), sk->e->ino);
	err_why(err, "inode %u (%s) belongs to %s", peer->ino, unix_name_text(d->arena, peer),
		sock_holder(d->arena, d->proc, peer->ino));
	if (sk->e->type == SOCK_DGRAM && peer->name.len)
		return err_hint(err, "--ext-unix-sk connects it to that name again at restore");
	return err_hint(
		err, "dump both processes together, or cut the connection by --external unix[%u]",
		peer->ino);
}

/* Its name stands in a record of its own, which is no file of anybody. */
static void add_outside(struct dump *d, struct unix_state *s, UnixSkEntry *peer,
			const SkOptsEntry *opts)
{
	struct unix_sk *sk = arena_new(d->arena, struct unix_sk);
	FileEntry *fe = record_new(d, file_entry);

	peer->state = UNIX_LISTEN;
	peer->uflags = UNIX_EXTERN;
	peer->opts = (SkOptsEntry *)opts;
	fe->type = FD_TYPES__UNIXSK;
	fe->usk = peer;
	file_add_record(d, fe);

	sk->e = peer;
	*vec_add(d->arena, &s->all) = sk;
	s->is_sorted = false;
}

/* Named by its own inode, not just allowed by -x. */
static bool is_listed(const struct dump *d, uint32_t ino)
{
	const struct common_opts *o = &d->opts->common;
	const char *inode = arena_printf(d->arena, "%u", ino);
	const char *key = arena_printf(d->arena, "unix[%u]", ino);
	const char **item;

	vec_for_each(item, &o->ext_unix_peers)
		if (strcmp(*item, inode) == 0)
			return true;
	vec_for_each(item, &o->external)
		if (strcmp(*item, key) == 0)
			return true;
	return false;
}

/* The connection over which this dump was asked for. */
static bool take_service(struct dump *d, struct unix_sk *sk)
{
	uint32_t ours = d->opts->common.client_ino;

	if (!ours || sk->e->peer != ours)
		return false;
	sk->e->uflags = UNIX_SERVICE;
	sk->e->state = UNIX_CLOSED;
	sk->e->peer = 0;
	return true;
}

/* The peer is where the socket is, as far as sock_diag knows of it. */
static int look_outside(struct dump *d, struct unix_state *s, const struct unix_sk *sk,
			UnixSkEntry **peer_ret, struct err *err)
{
	struct ns_visit visit;
	int ret;

	if (sock_ns_enter_dump(d, ns_by_id(d->ns, NS_NET, sk->e->ns_id), &visit, err) < 0)
		return -err->code;
	ret = unix_diag_outside(d, s, sk->e->peer, peer_ret, err);
	return sock_ns_leave_dump(d, &visit, ret, err);
}

static int take_outside(struct dump *d, struct unix_state *s, struct unix_sk *sk, struct err *err)
{
	UnixSkEntry *peer;

	if (take_service(d, sk))
		return 0;
	if (look_outside(d, s, sk, &peer, err) < 0)
		return -err->code;
	if (sk->e->type == SOCK_DGRAM && peer->name.len && external_unix(d, peer->ino)) {
		add_outside(d, s, peer, sk->e->opts);
		return 0;
	}
	if (!is_listed(d, peer->ino) && !is_listed(d, sk->e->ino))
		return refuse_outside(d, sk, peer, err);
	log_warn("unix socket %u is cut off from its peer %u outside of the tree", sk->e->ino,
		 peer->ino);
	sk->e->peer = 0;
	return 0;
}

/* A peer without an inode is closed, or has not been accepted. */
static int check_gone(struct dump *d, const struct unix_sk *sk, struct err *err)
{
	if (!sk->has_peer || sk->is_waiting || sk->e->type == SOCK_DGRAM ||
	    is_listed(d, sk->e->ino) ||
	    (sk->e->has_shutdown && sk->e->shutdown == SK_SHUTDOWN__BOTH))
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump the unix socket %s, inode %u",
		unix_name_text(d->arena, sk->e), sk->e->ino);
	err_why(err, "its connection waits to be accepted by a process outside of the tree");
	return err_hint(err, "dump both processes together");
}

static int take_peer(struct dump *d, struct unix_state *s, struct unix_sk *sk, struct err *err)
{
	if (sk->e->uflags & UNIX_EXTERN)
		return 0;
	if (!sk->e->peer)
		return check_gone(d, sk, err);
	return unix_find(s, sk->e->peer) ? 0 : take_outside(d, s, sk, err);
}

static int drain_end_unix(struct dump *d, struct err *err)
{
	struct unix_state *s = kind_state(d->kinds, &unix_kind);
	sk_list all = { 0 };
	struct unix_sk **sk;

	unix_sort(s);
	if (take_icons(d, s, err) < 0)
		return -err->code;
	/* a copy: outside peers are added on the way, and looking for one sorts */
	vec_for_each(sk, &s->all)
		*vec_add(d->arena, &all) = *sk;
	vec_for_each(sk, &all)
		if (take_peer(d, s, *sk, err) < 0 && !refuse_note(d, (*sk)->task, (*sk)->fd, err))
			return -err->code;
	return s->queues ? image_close(take_ptr(s->queues), err) : 0;
}

static void dump_end_unix(struct dump *d, bool ok)
{
	struct unix_state *s = kind_state(d->kinds, &unix_kind);

	if (s->queues)
		image_abandon(take_ptr(s->queues));
	if (s->diag)
		close(s->diag);
	s->diag = 0;
}

/* ---- restore ---- */

static int read_begin_unix(struct restore *r, struct err *err)
{
	return unix_queue_read(r, kind_state(r->kinds, &unix_kind), err);
}

static int read_unix(struct restore *r, struct file *f, struct err *err)
{
	struct unix_state *s = kind_state(r->kinds, &unix_kind);
	struct unix_sk *sk = arena_new(r->arena, struct unix_sk);
	const UnixSkEntry *e = f->image->usk;

	if ((e->type != SOCK_STREAM && e->type != SOCK_DGRAM && e->type != SOCK_SEQPACKET) ||
	    e->name.len > sizeof(((struct sockaddr_un *)0)->sun_path) + 1)
		return err_set(err, EBADMSG,
			       "cannot restore a unix socket of type %u, name of %zu bytes",
			       e->type, e->name.len);
	if (e->uflags & ~(uint32_t)(UNIX_EXTERN | UNIX_SERVICE)) {
		err_set(err, EOPNOTSUPP, "cannot restore a unix socket with flags %#x", e->uflags);
		return err_hint(err, "it was made by a plugin of CRIU, restore it with CRIU");
	}
	sk->e = f->image->usk;
	sk->f = f;
	sk->id = f->id;
	sk->other = -1;
	f->data = sk;
	*vec_add(r->arena, &s->all) = sk;
	return 0;
}

/* Servers have their name from the listener; who is outside has it already. */
static bool makes_name(const struct unix_sk *sk)
{
	if (sk->e->uflags & UNIX_EXTERN || sk->role == UNIX_SERVER || sk->role == UNIX_ALONE)
		return false;
	return sk->role != UNIX_PAIR || sk->e->type == SOCK_DGRAM;
}

static int plan_unix(struct restore *r, struct file *f, struct err *err)
{
	struct unix_state *s = kind_state(r->kinds, &unix_kind);
	struct unix_sk *sk = f->data;

	if (!s->is_planned) {
		s->is_planned = true;
		if (unix_plan_all(r, s, err) < 0)
			return -err->code;
	}
	if (sockopt_check(sk->e->opts, err) < 0)
		return -err->code;
	return makes_name(sk) ? unix_path_plan(r, f, err) : 0;
}

static const enum kernel_feature unix_needs[] = { KERNEL_SOCK_DIAG_UNIX, KERNEL_UNIX_FILE,
						  KERNEL_NONE };

const struct file_kind unix_kind = {
	.name = "unix socket",
	.type = FD_TYPES__UNIXSK,
	.match = match_unix,
	.state_size = sizeof(struct unix_state),
	.needs = unix_needs,
	.collect = collect_unix,
	.drain = drain_unix,
	.drain_end = drain_end_unix,
	.dump_end = dump_end_unix,
	.read_begin = read_begin_unix,
	.read = read_unix,
	.plan = plan_unix,
	.open = unix_open,
	.link = unix_link,
};
