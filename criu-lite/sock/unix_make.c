/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unix_make - unix sockets are made as unix_plan.c says
 *
 * open   sockets, names, connections.  Who accepts cannot choose, so every client
 *        first sends the id of the file that its server is to be
 * link   queues, then what is shut, then sizes of buffers.  Of two connected
 *        sockets the one with the lower id does it all for both: what is shut
 *        could no more be filled
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/external.h"
#include "core/sockopt.h"
#include "images/rpc.pb-c.h"
#include "sock/unix.h"

enum {
	MANY = 1 << 16
}; /* may wait for accept() while we restore; the kernel cuts it to somaxconn */

static int new_socket(struct restore *r, const struct unix_sk *sk, struct err *err)
{
	scoped_fd fd = -1;

	if (sock_act_as_owner(r, err) < 0)
		return -err->code;
	/* the core makes it wait again, if it did */
	fd = socket(AF_UNIX, (int)sk->e->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	sock_act_as_root();
	if (fd < 0)
		return err_sys(err, "cannot create a unix socket");
	return sockopt_begin(r, fd, sk->e->opts, err) < 0 ? -err->code : take_fd(&fd);
}

static int new_pair(const struct restore *r, const struct unix_sk *sk, int fds[2], struct err *err)
{
	const UnixSkEntry *e = sk->e;
	int ret;

	if ((e->has_peer_uid && e->has_peer_gid ? sock_act_as(e->peer_uid, e->peer_gid, err)
						: sock_act_as_owner(r, err)) < 0)
		return -err->code;
	ret = socketpair(AF_UNIX, (int)sk->e->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds);
	sock_act_as_root();
	return ret < 0 ? err_sys(err, "cannot create a pair of unix sockets") : 0;
}

static int start_listening(const struct restore *r, int fd, int backlog, struct err *err)
{
	int ret;

	if (sock_act_as_owner(r, err) < 0)
		return -err->code;
	ret = listen(fd, backlog);
	sock_act_as_root();
	return ret < 0 ? err_sys(err, "cannot listen at a unix socket") : 0;
}

static int open_plain(struct restore *r, struct unix_sk *sk, struct err *err)
{
	scoped_fd fd = new_socket(r, sk, err);

	if (fd < 0 || unix_path_bind(r, fd, sk->e, false, err) < 0)
		return -err->code;
	if (sk->e->state == UNIX_LISTEN && start_listening(r, fd, MANY, err) < 0)
		return -err->code;
	return take_fd(&fd);
}

/* ---- clients and servers ---- */

int unix_borrow(struct restore *r, struct unix_sk *sk, bool *lent_ret, struct err *err)
{
	if (!sk->f->owner)
		return err_set(err, EBADMSG, "cannot use unix socket %u: no task has it", sk->id);
	return file_borrow(r, sk->f, lent_ret, err);
}

static int connect_to(struct restore *r, int fd, struct unix_sk *listener, uint32_t tag,
		      struct err *err)
{
	bool lent;
	int l = unix_borrow(r, listener, &lent, err), ret;

	if (l < 0 || sock_act_as_owner(r, err) < 0)
		return -err->code;
	ret = unix_path_connect(fd, listener->e, l, err);
	sock_act_as_root();
	if (!lent)
		close(l);
	if (ret < 0 && err->code == EAGAIN)
		return err_hint(err, "raise net.core.somaxconn: many connections are made at once");
	if (ret < 0)
		return ret;
	if (tag && send(fd, &tag, sizeof(tag), MSG_NOSIGNAL) != sizeof(tag))
		return err_sys(err, "cannot tell a unix socket who it is");
	return 0;
}

static int open_client(struct restore *r, struct unix_sk *sk, struct err *err)
{
	scoped_fd fd = new_socket(r, sk, err);

	if (fd < 0 || unix_path_bind(r, fd, sk->e, false, err) < 0)
		return -err->code;
	if (connect_to(r, fd, sk->listener, sk->role == UNIX_CLIENT ? sk->peer->id : 0, err) < 0)
		return -err->code;
	return take_fd(&fd);
}

/*
 * The next connection, and which server it is: NULL for one of a stranger, who
 * found the listener already at its name.  All clients are connected by now.
 */
static int accept_next(struct restore *r, int listener, struct unix_sk **sk_ret, struct err *err)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	struct file *f = NULL;
	scoped_fd fd = -1;
	uint32_t id;

	if (poll(&p, 1, 0) <= 0)
		return err_set(err, EBADMSG, "cannot accept a unix connection: there is none");
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return err_sys(err, "cannot accept a unix connection");
	if (recv(fd, &id, sizeof(id), MSG_DONTWAIT) == sizeof(id))
		f = file_by_id(r, id);
	*sk_ret = f && f->kind == &unix_kind ? f->data : NULL;
	return take_fd(&fd);
}

static int open_server(struct restore *r, struct unix_sk *sk, struct err *err)
{
	struct file *listener = sk->listener->f;

	/* its client is gone: somebody else, whom link_alone() ends, takes his place */
	if (!sk->peer) {
		sk->other = new_socket(r, sk, err);
		if (sk->other < 0 || connect_to(r, sk->other, sk->listener, sk->id, err) < 0)
			return -err->code;
	}
	for (;;) {
		struct unix_sk *found = NULL;
		scoped_fd fd = accept_next(r, listener->temp, &found, err);

		if (fd < 0)
			return -err->code;
		if (!found || found->listener != sk->listener || found->role != UNIX_SERVER) {
			log_warn("a connection to socket %u came too early, it is closed",
				 sk->listener->id);
			continue;
		}
		if (sockopt_begin(r, fd, found->e->opts, err) < 0)
			return -err->code;
		if (found == sk)
			return take_fd(&fd);
		file_give(r, found->f, take_fd(&fd));
	}
}

/* ---- pairs ---- */

/* An abstract name can be had by one socket only; those accepted from it share it. */
static int bind_in_turn(struct restore *r, int fd, const UnixSkEntry *e, struct err *err)
{
	const struct timespec wait = { .tv_nsec = 1000000 };
	int i;

	for (i = 0; unix_path_bind(r, fd, e, false, err) < 0; i++) {
		if (err->code != EADDRINUSE || i == 5000)
			return -err->code;
		memset(err, 0, sizeof(*err));
		nanosleep(&wait, NULL);
	}
	return 0;
}

static int accept_abstract(struct restore *r, struct unix_sk *server, struct unix_sk *client,
			   int fds[2], struct err *err)
{
	scoped_fd listener = new_socket(r, server, err);
	scoped_fd c = -1;

	if (listener < 0 || bind_in_turn(r, listener, server->e, err) < 0 ||
	    start_listening(r, listener, 1, err) < 0)
		return -err->code;
	c = new_socket(r, client, err);
	if (c < 0 || unix_path_bind(r, c, client->e, false, err) < 0 ||
	    unix_path_connect(c, server->e, listener, err) < 0)
		return -err->code;
	fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fds[0] < 0)
		return err_sys(err, "cannot accept a unix connection");
	fds[1] = take_fd(&c);
	return sockopt_begin(r, fds[0], server->e->opts, err);
}

static int name_and_begin(struct restore *r, const struct unix_sk *sk, int fd, bool apart,
			  struct err *err)
{
	if (sockopt_begin(r, fd, sk->e->opts, err) < 0)
		return -err->code;
	return unix_path_bind(r, fd, sk->e, apart, err);
}

/* fds[0] is @a, fds[1] is @b. */
static int make_pair(struct restore *r, struct unix_sk *a, struct unix_sk *b, int fds[2],
		     struct err *err)
{
	bool is_stream = a->e->type != SOCK_DGRAM;

	if (is_stream && unix_is_abstract(a->e))
		return accept_abstract(r, a, b, fds, err);
	if (new_pair(r, a, fds, err) < 0 || name_and_begin(r, a, fds[0], is_stream, err) < 0)
		return -err->code;
	return name_and_begin(r, b, fds[1], false, err);
}

static int open_pair(struct restore *r, struct unix_sk *sk, struct err *err)
{
	struct unix_sk *a = sk, *b = sk->pair;
	int fds[2];

	/* the name of a server belongs to a listener that is gone; the server is the younger one */
	if (a->e->ino < b->e->ino && b->e->name.len) {
		a = sk->pair;
		b = sk;
	}
	if (!a->e->name.len && b->e->name.len) {
		struct unix_sk *tmp = a;

		a = b;
		b = tmp;
	}
	if (make_pair(r, a, b, fds, err) < 0)
		return -err->code;
	file_give(r, sk->pair->f, a == sk ? fds[1] : fds[0]);
	return a == sk ? fds[0] : fds[1];
}

static int open_alone(struct restore *r, struct unix_sk *sk, struct err *err)
{
	UnixSkEntry none = *sk->e;
	struct unix_sk nobody = { .e = &none };
	int fds[2];

	none.name.len = 0;
	if (make_pair(r, sk, &nobody, fds, err) < 0)
		return -err->code;
	sk->other = fds[1];
	return fds[0];
}

static int open_inherited(struct restore *r, const struct unix_sk *sk, int *fd_ret, struct err *err)
{
	const char *key = arena_printf(r->arena, "socket:[%u]", sk->e->ino);
	int n = external_inherited(r, key);

	*fd_ret = -1;
	if (n < 0)
		return 0;
	*fd_ret = restore_borrow_fd(r, n, err);
	return *fd_ret < 0 ? -err->code : 0;
}

int unix_open(struct restore *r, struct file *f, struct err *err)
{
	struct unix_sk *sk = f->data;
	int fd;

	if (open_inherited(r, sk, &fd, err) < 0)
		return -err->code;
	if (fd >= 0) {
		sk->is_inherited = true;
		return fd;
	}
	switch (sk->role) {
	case UNIX_PAIR:
		return open_pair(r, sk, err);
	case UNIX_ALONE:
		return open_alone(r, sk, err);
	case UNIX_CLIENT:
	case UNIX_PENDING:
		return open_client(r, sk, err);
	case UNIX_SERVER:
		return open_server(r, sk, err);
	default:
		return open_plain(r, sk, err);
	}
}

/* ---- link ---- */

int unix_finish(struct restore *r, const struct unix_sk *sk, int fd, struct err *err)
{
	if (sk->e->has_shutdown && sk->e->shutdown && shutdown(fd, (int)sk->e->shutdown - 1) < 0)
		return err_sys(err, "cannot shut a unix socket");
	return sockopt_end(r, fd, sk->e->opts, err);
}

static int fill(struct restore *r, const struct unix_sk *sk, size_t from, int sender,
		struct err *err)
{
	if (from == sk->queue.n)
		return 0;
	if (unix_queue_room(r, sk, sender, err) < 0)
		return -err->code;
	return unix_queue_send(r, sk, from, sk->queue.n, sender, NULL, 0, err);
}

static int link_connection(struct restore *r, struct unix_sk *a, int a_fd, struct unix_sk *b,
			   int b_fd, struct err *err)
{
	if (fill(r, a, 0, b_fd, err) < 0 || fill(r, b, 0, a_fd, err) < 0)
		return -err->code;
	return unix_finish(r, a, a_fd, err) < 0 || unix_finish(r, b, b_fd, err) < 0 ? -err->code
										    : 0;
}

/* The answer that a program waits for which has asked for its own dump. */
static int answer_service(int other, struct err *err)
{
	CriuResp resp = CRIU_RESP__INIT;
	CriuDumpResp dump = CRIU_DUMP_RESP__INIT;
	uint8_t buf[32];
	size_t len;

	dump.has_restored = dump.restored = true;
	resp.type = CRIU_REQ_TYPE__DUMP;
	resp.success = true;
	resp.dump = &dump;
	len = criu_resp__pack(&resp, buf);
	if (send(other, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		return err_sys(err, "cannot tell the program that it has been restored");
	return 0;
}

static int link_alone(struct restore *r, struct unix_sk *sk, int fd, struct err *err)
{
	scoped_fd other = take_fd(&sk->other);

	if (fill(r, sk, 0, other, err) < 0)
		return -err->code;
	if (sk->e->peer_reset && send(fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		return err_sys(err, "cannot leave a byte unread");
	if (sk->e->uflags & UNIX_SERVICE && answer_service(other, err) < 0)
		return -err->code;
	close(take_fd(&other));
	return unix_finish(r, sk, fd, err);
}

static int link_listener(struct restore *r, struct unix_sk *sk, int fd, struct err *err)
{
	if (start_listening(r, fd, (int)sk->e->backlog, err) < 0)
		return -err->code;
	return unix_finish(r, sk, fd, err);
}

static int link_stream(struct restore *r, struct unix_sk *sk, int fd, struct err *err)
{
	struct unix_sk *peer = sk->peer;
	bool lent;
	int peer_fd, ret;

	if (sk->e->state == UNIX_LISTEN)
		return link_listener(r, sk, fd, err);
	if (sk->other >= 0)
		return link_alone(r, sk, fd, err);
	if (!peer || sk->role == UNIX_PENDING)
		return unix_finish(r, sk, fd, err);
	if (peer->id < sk->id)
		return 0;

	peer_fd = unix_borrow(r, peer, &lent, err);
	if (peer_fd < 0)
		return -err->code;
	ret = link_connection(r, sk, fd, peer, peer_fd, err);
	if (!lent)
		close(peer_fd);
	return ret;
}

int unix_link(struct restore *r, struct file *f, int fd, struct err *err)
{
	struct unix_sk *sk = f->data;

	if (sk->is_inherited)
		return 0;
	return sk->e->type == SOCK_DGRAM ? unix_dgram_link(r, sk, fd, err)
					 : link_stream(r, sk, fd, err);
}
