/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unix_queue - what was sent to a unix socket and not read yet
 *
 * drain   everything is looked at by MSG_PEEK through our copy.  SO_PEEK_OFF,
 *         which belongs to the socket, makes the next look go on behind the last
 *         one; it is put back at once.  Descriptors in flight arrive as
 *         descriptors of ours, and are files like all others
 * link    sent again: a message as a message, and of a stream the bytes that came
 *         with descriptors in a message of their own, because those are received
 *         with the first of these bytes
 *
 * The name of the sender and its credentials (if the receiver has SO_PASSCRED)
 * are fields of ours, which CRIU skips.
 *
 * not kept  an empty datagram is seen by the first dump only: the kernel marks it
 *           as looked at, and a later look behind an offset skips it.  The pid in
 *           credentials, if no such process exists at restore
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/privileged.h"
#include "core/sockopt.h"
#include "core/task.h"
#include "sock/unix.h"

enum {
	MAX_FDS = 253, /* SCM_MAX_FD of the kernel */
	CONTROL_SIZE = CMSG_SPACE(MAX_FDS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred)) +
		       CMSG_SPACE(sizeof(int)) + CMSG_SPACE(256),
};

/* ---- dump: one look ---- */

struct look {
	int sock;
	int type;
	char *buf;
	size_t size;
	int off; /* where the next look begins */

	/* what came */
	ssize_t n;
	int fds[MAX_FDS];
	size_t nr_fds;
	bool has_creds;
	struct ucred creds;
	struct sockaddr_storage from;
	socklen_t from_len;
};

static void close_fds(struct look *l)
{
	while (l->nr_fds)
		close(l->fds[--l->nr_fds]);
}

static void scoped_look_end(struct look *l)
{
	close_fds(l);
	free(l->buf);
}

#define scoped_look __attribute__((cleanup(scoped_look_end))) struct look

static void take_control(struct look *l, struct msghdr *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS && len <= sizeof(l->fds)) {
			memcpy(l->fds, CMSG_DATA(c), len);
			l->nr_fds = len / sizeof(int);
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&l->creds, CMSG_DATA(c), sizeof(l->creds));
			l->has_creds = true;
		} else if (c->cmsg_type == 4 /* SCM_PIDFD */) {
			int pidfd;

			memcpy(&pidfd, CMSG_DATA(c), sizeof(pidfd));
			if (pidfd >= 0)
				close(pidfd);
		}
	}
}

static int set_offset(int sock, int off, struct err *err)
{
	if (setsockopt(sock, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)) < 0)
		return err_sys(err, "cannot set SO_PEEK_OFF");
	return 0;
}

/* recvmsg() at the offset; l->n is -1 if there is nothing more. */
static int look(struct look *l, struct err *err)
{
	char control[CONTROL_SIZE];
	struct iovec iov = { .iov_base = l->buf, .iov_len = l->size };
	struct msghdr msg = { .msg_name = &l->from,
			      .msg_namelen = sizeof(l->from),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };

	l->has_creds = false;
	l->n = recvmsg(l->sock, &msg, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	if (l->n < 0)
		return errno == EAGAIN ? 0 : err_sys(err, "cannot look at the queue of a socket");
	take_control(l, &msg);
	l->from_len = msg.msg_namelen;
	if (msg.msg_flags & MSG_CTRUNC) {
		err_set(err, EMFILE, "cannot get at all descriptors in flight");
		return err_hint(err, "raise the limit of open files (ulimit -n) for criu-lite");
	}
	return 0;
}

/* The same with a buffer that is large enough. */
static int look_whole(struct look *l, struct err *err)
{
	if (look(l, err) < 0)
		return -err->code;
	if (l->n <= (ssize_t)l->size)
		return 0;
	close_fds(l);
	l->size = (size_t)l->n;
	l->buf = realloc(l->buf, l->size);
	if (!l->buf)
		abort();
	if (set_offset(l->sock, l->off, err) < 0)
		return -err->code;
	return look(l, err);
}

/*
 * How many bytes of a stream precede those that the descriptors came with.  The
 * kernel copies pieces as they were sent and stops at the first that does not
 * fit in memory that can be written, so with one byte too few the last piece,
 * the one with the descriptors, is missing.
 */
static int bytes_before_fds(struct look *l, size_t *before_ret, struct err *err)
{
	struct iovec iov[] = { { l->buf, (size_t)l->n - 1 }, { NULL, 1 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (set_offset(l->sock, l->off, err) < 0)
		return -err->code;
	n = recvmsg(l->sock, &msg, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && errno != EFAULT)
		return err_sys(err, "cannot look at the queue of a socket");
	*before_ret = n < 0 ? 0 : (size_t)n;
	return set_offset(l->sock, l->off + (int)l->n, err);
}

/* ---- dump: into the image ---- */

static int add_rights(struct dump *d, struct look *l, SkPacketEntry *e, struct err *err)
{
	ScmEntry *scm = record_new(d, scm_entry);
	struct file *f;
	size_t i;

	scm->type = SCM_RIGHTS;
	scm->n_rights = l->nr_fds;
	scm->rights = arena_array(d->arena, uint32_t, l->nr_fds);
	for (i = 0; i < l->nr_fds; i++) {
		if (file_of_fd(d, l->fds[i], &f, err) < 0)
			return err_in(err, "descriptor in flight");
		scm->rights[i] = f->id;
	}
	e->n_scm = 1;
	e->scm = arena_array(d->arena, ScmEntry *, 1);
	e->scm[0] = scm;
	return 0;
}

static void add_sender(struct dump *d, const struct look *l, SkPacketEntry *e)
{
	const socklen_t skip = offsetof(struct sockaddr_un, sun_path);

	if (l->type == SOCK_DGRAM && l->from_len > skip) {
		e->has_addr = true;
		e->addr.len = l->from_len - skip;
		e->addr.data = arena_dup(d->arena, (const char *)&l->from + skip, e->addr.len);
	}
	if (!l->has_creds)
		return;
	e->has_pid = e->has_uid = e->has_gid = true;
	e->pid = (uint32_t)ns_pid_inside(d, l->creds.pid);
	e->uid = ns_uid_inside(d->ns, l->creds.uid);
	e->gid = ns_gid_inside(d->ns, l->creds.gid);
}

static int put_packet(struct dump *d, struct unix_state *s, SkPacketEntry *e, const char *data,
		      struct err *err)
{
	if (!s->queues && image_create(d->store, IMAGE_SK_QUEUES, 0, &s->queues, err) < 0)
		return -err->code;
	if (image_put(s->queues, &e->base, err) < 0)
		return -err->code;
	return image_put_raw(s->queues, data, e->length, err);
}

static SkPacketEntry *packet_new(struct dump *d, const struct file *f, const struct look *l,
				 size_t len)
{
	SkPacketEntry *e = record_new(d, sk_packet_entry);

	e->id_for = f->id;
	e->length = (uint32_t)len;
	add_sender(d, l, e);
	return e;
}

static int put_look(struct dump *d, struct unix_state *s, const struct file *f, struct look *l,
		    struct err *err)
{
	size_t before = 0;
	SkPacketEntry *e;

	if (l->nr_fds && l->type == SOCK_STREAM && bytes_before_fds(l, &before, err) < 0)
		return -err->code;
	if (before && put_packet(d, s, packet_new(d, f, l, before), l->buf, err) < 0)
		return -err->code;

	e = packet_new(d, f, l, (size_t)l->n - before);
	if (l->nr_fds && add_rights(d, l, e, err) < 0)
		return -err->code;
	close_fds(l);
	return put_packet(d, s, e, l->buf + before, err);
}

/* Bytes in the queue, of all messages; -1 if nothing tells. */
static int queued_bytes(const struct look *l)
{
	int n;

	return l->type != SOCK_DGRAM && ioctl(l->sock, SIOCINQ, &n) == 0 ? n : -1;
}

/*
 * Nothing came: the end of the queue, or an empty message?  Only datagrams tell
 * them apart; of a SOCK_SEQPACKET that is shut, what was sent is counted.
 */
static bool is_end(const struct look *l, size_t seen)
{
	if (l->n != 0)
		return l->n < 0;
	if (l->type == SOCK_STREAM)
		return true;
	return l->type == SOCK_SEQPACKET && queued_bytes(l) <= (int)seen;
}

static int drain_all(struct dump *d, struct unix_state *s, const struct file *f,
		     const UnixSkEntry *e, struct look *l, struct err *err)
{
	bool is_shut = e->has_shutdown && (e->shutdown & SK_SHUTDOWN__READ);
	size_t seen = 0;

	for (;;) {
		/* a look at what is not there would take the error away */
		if (e->peer_reset && queued_bytes(l) <= (int)seen)
			return 0;
		if (look_whole(l, err) < 0)
			return -err->code;
		if (l->n < 0 || ((is_shut || l->type != SOCK_SEQPACKET) && is_end(l, seen)))
			return 0;
		seen += (size_t)l->n;
		if (put_look(d, s, f, l, err) < 0)
			return -err->code;
		l->off += (int)l->n;
	}
}

/* What is in flight stays open here until the run ends. */
static void raise_fd_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
}

int unix_queue_drain(struct dump *d, struct unix_state *s, struct file *f, const UnixSkEntry *e,
		     struct err *err)
{
	scoped_fd own = file_get(d, f, err);
	struct pollfd p = { .fd = own, .events = POLLIN };
	scoped_look l = { .sock = own, .type = (int)e->type, .size = 65536 };
	struct err e2 = { 0 };
	int was, ret;

	if (own < 0)
		return -err->code;
	if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLIN))
		return 0;
	/* with more room than there is, a look at a stream never ends in the middle of a piece */
	if (l.type == SOCK_STREAM && queued_bytes(&l) >= (int)l.size)
		l.size = (size_t)queued_bytes(&l) + 1;
	l.buf = malloc(l.size);
	if (!l.buf)
		abort();
	raise_fd_limit();

	if (sockopt_get_int(own, SOL_SOCKET, SO_PEEK_OFF, &was) < 0)
		return err_sys(err, "cannot read SO_PEEK_OFF");
	if (set_offset(own, 0, err) < 0)
		return -err->code;
	ret = drain_all(d, s, f, e, &l, err);
	if (set_offset(own, was, ret < 0 ? &e2 : err) < 0 && ret == 0)
		return -err->code;
	return ret;
}

/* ---- restore: read ---- */

int unix_queue_read(struct restore *r, struct unix_state *s, struct err *err)
{
	scoped_image *img = NULL;
	bool found;
	void *msg;
	int ret;

	if (image_open(r->store, IMAGE_SK_QUEUES, 0, r->arena, &img, &found, err) < 0)
		return -err->code;
	while (found && (ret = image_get(img, &sk_packet_entry__descriptor, &msg, err)) != 0) {
		struct unix_packet *p;
		char *data;

		if (ret < 0)
			return ret;
		p = vec_add(r->arena, &s->packets);
		p->entry = msg;
		if (image_left(img) >= 0 && image_left(img) < (int64_t)p->entry->length)
			return err_set(err, EBADMSG, "cannot read %s: it ends too early",
				       image_name(img));
		data = arena_alloc(r->arena, p->entry->length);
		if (image_get_raw(img, data, p->entry->length, err) < 0)
			return -err->code;
		p->data = data;
	}
	return 0;
}

/* ---- restore: plan ---- */

static int plan_rights(struct restore *r, struct unix_sk *sk, const SkPacketEntry *e,
		       struct err *err)
{
	size_t i, j;

	for (i = 0; i < e->n_scm; i++) {
		const ScmEntry *scm = e->scm[i];

		if (scm->type != SCM_RIGHTS || e->n_scm > 1 || scm->n_rights > MAX_FDS)
			return err_set(err, EBADMSG,
				       "cannot restore a message to socket %u: unknown content",
				       sk->id);
		for (j = 0; j < scm->n_rights; j++) {
			struct file *f = file_by_id(r, scm->rights[j]);

			if (!f)
				return err_set(err, EBADMSG,
					       "cannot send file %u to socket %u: there is none",
					       scm->rights[j], sk->id);
			/* it may be in nobody's table: who opens the socket opens it */
			file_join(sk->f, f);
		}
	}
	return 0;
}

int unix_queue_plan(struct restore *r, struct unix_state *s, struct err *err)
{
	struct unix_packet *p;

	vec_for_each(p, &s->packets) {
		struct file *f = file_by_id(r, p->entry->id_for);
		struct unix_sk *sk = f && f->kind == &unix_kind ? f->data : NULL;

		if (!sk)
			return err_set(err, EBADMSG,
				       "cannot restore a message to socket %u: there is none",
				       p->entry->id_for);
		*vec_add(r->arena, &sk->queue) = *p;
		if (plan_rights(r, sk, p->entry, err) < 0)
			return -err->code;
	}
	return 0;
}

/* ---- restore: send ---- */

struct message {
	char control[CONTROL_SIZE];
	size_t control_len;
	int borrowed[MAX_FDS]; /* to be closed */
	size_t nr_borrowed;
};

static void scoped_message_end(struct message *m)
{
	while (m->nr_borrowed)
		close(m->borrowed[--m->nr_borrowed]);
}

#define scoped_message __attribute__((cleanup(scoped_message_end))) struct message

static void *add_control(struct message *m, int type, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(m->control + m->control_len);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	m->control_len += CMSG_SPACE(len);
	return CMSG_DATA(c);
}

static int pack_rights(struct restore *r, struct message *m, const ScmEntry *scm, struct err *err)
{
	int *fds = add_control(m, SCM_RIGHTS, scm->n_rights * sizeof(int));
	size_t i;

	for (i = 0; i < scm->n_rights; i++) {
		bool lent;

		fds[i] = file_borrow(r, file_by_id(r, scm->rights[i]), &lent, err);
		if (fds[i] < 0)
			return err_in(err, "descriptor in flight");
		if (!lent)
			m->borrowed[m->nr_borrowed++] = fds[i];
	}
	return 0;
}

static int pack(struct restore *r, struct message *m, const SkPacketEntry *e, struct err *err)
{
	/* the kernel refuses credentials of a process that does not exist */
	if (e->has_pid && e->has_uid && e->has_gid && e->pid && kill((pid_t)e->pid, 0) == 0) {
		struct ucred *c = add_control(m, SCM_CREDENTIALS, sizeof(*c));

		*c = (struct ucred){ .pid = (pid_t)e->pid, .uid = e->uid, .gid = e->gid };
	}
	if (e->n_scm && e->scm[0]->n_rights)
		return pack_rights(r, m, e->scm[0], err);
	return 0;
}

static int send_packet(struct restore *r, const struct unix_sk *sk, const struct unix_packet *p,
		       int fd, const struct sockaddr_un *addr, socklen_t addr_len, struct err *err)
{
	scoped_message m = { .nr_borrowed = 0 };
	struct iovec iov = { .iov_base = (void *)p->data, .iov_len = p->entry->length };
	struct msghdr msg = { .msg_name = (void *)addr,
			      .msg_namelen = addr_len,
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = m.control };

	if (pack(r, &m, p->entry, err) < 0)
		return -err->code;
	msg.msg_controllen = m.control_len;
	do {
		ssize_t n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN && sk->e->type == SOCK_DGRAM) {
			err_sys(err, "cannot send again what socket %u had in its queue", sk->id);
			return err_hint(err,
					"raise net.unix.max_dgram_qlen to what it was at the dump");
		}
		if (n < 0)
			return err_sys(err, "cannot send again what socket %u had in its queue",
				       sk->id);
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		msg.msg_controllen = 0;
	} while (iov.iov_len);
	return 0;
}

int unix_queue_room(struct restore *r, const struct unix_sk *sk, int fd, struct err *err)
{
	uint64_t size = 65536;
	size_t i;
	int room;

	/* twice, because the kernel counts what it allocates, not what it was given */
	for (i = 0; i < sk->queue.n; i++)
		size += 2 * (uint64_t)sk->queue.items[i].entry->length + 4096;
	if (size > 1u << 30)
		size = 1u << 30;
	room = (int)size;
	if (privileged_setsockopt(r, fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
		return err_sys(err, "cannot make room for the queue of a socket");
	return 0;
}

int unix_queue_send(struct restore *r, const struct unix_sk *sk, size_t from, size_t to, int fd,
		    const struct sockaddr_un *addr, socklen_t len, struct err *err)
{
	size_t i;

	for (i = from; i < to; i++)
		if (send_packet(r, sk, &sk->queue.items[i], fd, addr, len, err) < 0)
			return -err->code;
	return 0;
}
