/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unix_dgram - datagram sockets get their messages back and are connected
 *
 * Only its peer may send to a socket that is connected, so what others had sent
 * comes first, then the connection, then what the peer had sent.  A message comes
 * from a socket that exists for this moment and has the name of the sender, or
 * from the sender itself if its name cannot be had twice.
 *
 * not kept  the name of a peer that is gone: getpeername() shows another one
 */
#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/sockopt.h"
#include "sock/unix.h"

/* A datagram socket with the name that the sender had. */
struct sender {
	int fd;
	bool is_borrowed; /* fd is the sender itself */
	bool is_lent;	  /* and not to be closed */
	const SkPacketEntry *of;
};

static void scoped_sender_end(struct sender *s)
{
	if (s->fd >= 0 && !s->is_lent)
		close(s->fd);
	s->fd = -1;
	s->is_lent = s->is_borrowed = false;
}

#define scoped_sender __attribute__((cleanup(scoped_sender_end))) struct sender

static struct unix_sk *find_named(struct restore *r, const UnixSkEntry *name)
{
	const struct unix_state *s = kind_state(r->kinds, &unix_kind);
	struct unix_sk **sk;

	vec_for_each(sk, &s->all)
		if ((*sk)->e->type == SOCK_DGRAM && (*sk)->f->owner &&
		    unix_same_name((*sk)->e, name))
			return *sk;
	return NULL;
}

static int borrow_sender(struct restore *r, struct sender *s, const UnixSkEntry *name,
			 struct err *err)
{
	struct unix_sk *sk = find_named(r, name);

	if (!sk)
		return err_set(err, EADDRINUSE, "cannot send as %s: another program has that name",
			       unix_name_text(r->arena, name));
	close(s->fd);
	s->fd = unix_borrow(r, sk, &s->is_lent, err);
	s->is_borrowed = true;
	return s->fd < 0 ? -err->code : 0;
}

static bool same_sender(const SkPacketEntry *a, const SkPacketEntry *b)
{
	return a && a->has_addr == b->has_addr && a->addr.len == b->addr.len &&
	       (!a->addr.len || memcmp(a->addr.data, b->addr.data, a->addr.len) == 0);
}

static int set_sender(struct restore *r, struct sender *s, const SkPacketEntry *p, struct err *err)
{
	UnixSkEntry name = UNIX_SK_ENTRY__INIT;

	if (s->fd >= 0 && same_sender(s->of, p))
		return 0;
	scoped_sender_end(s);
	s->of = p;
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return err_sys(err, "cannot create a unix socket");
	if (!p->has_addr)
		return 0;
	name.name = p->addr;
	if (unix_path_bind(r, s->fd, &name, true, err) == 0)
		return 0;
	if (err->code != EADDRINUSE || !unix_is_abstract(&name))
		return -err->code;
	memset(err, 0, sizeof(*err));
	return borrow_sender(r, s, &name, err);
}

/* Messages [0, @end) of @sk, which is not connected. */
static int fill_from_others(struct restore *r, struct unix_sk *sk, int fd, size_t end,
			    struct err *err)
{
	scoped_sender s = { .fd = -1 };
	struct sockaddr_un addr;
	scoped_fd keep = -1;
	socklen_t len;
	size_t i;

	if (end && unix_path_address(sk->e, fd, &addr, &len, &keep, err) < 0)
		return -err->code;
	for (i = 0; i < end; i++) {
		if (set_sender(r, &s, sk->queue.items[i].entry, err) < 0)
			return -err->code;
		if (!s.is_borrowed && unix_queue_room(r, sk, s.fd, err) < 0)
			return -err->code;
		if (unix_queue_send(r, sk, i, i + 1, s.fd, &addr, len, err) < 0)
			return -err->code;
	}
	return 0;
}

static int fill_from_peer(struct restore *r, struct unix_sk *sk, size_t from, int peer_fd,
			  struct err *err)
{
	if (from == sk->queue.n)
		return 0;
	if (unix_queue_room(r, sk, peer_fd, err) < 0)
		return -err->code;
	return unix_queue_send(r, sk, from, sk->queue.n, peer_fd, NULL, 0, err);
}

/* ---- who is connected to whom ---- */

/* Its peer was closed: the next send() shall say so. */
static int connect_to_dead(int fd, struct err *err)
{
	scoped_fd dead = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(addr);

	/* without a name it gets one that is free */
	if (dead < 0 || bind(dead, (struct sockaddr *)&addr, sizeof(addr.sun_family)) < 0 ||
	    getsockname(dead, (struct sockaddr *)&addr, &len) < 0 ||
	    connect(fd, (struct sockaddr *)&addr, len) < 0)
		return err_sys(err, "cannot connect a datagram socket to one that is closed");
	return 0;
}

static int disconnect(int fd, struct err *err)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (connect(fd, &none, sizeof(none)) < 0)
		return err_sys(err, "cannot disconnect a datagram socket");
	return 0;
}

static int connect_outside(struct restore *r, int fd, const UnixSkEntry *to, struct err *err)
{
	if (unix_path_connect_outside(fd, to, err) < 0) {
		err_in(err, "socket %s outside of the tree", unix_name_text(r->arena, to));
		return err_hint(err, "start the program that owns that socket");
	}
	return 0;
}

static int connect_peer(struct restore *r, struct unix_sk *sk, int fd, struct err *err)
{
	bool lent;
	int peer_fd, ret;

	if (!sk->peer)
		return sk->e->peer_gone ? connect_to_dead(fd, err) : 0;
	if (sk->peer->e->uflags & UNIX_EXTERN)
		return connect_outside(r, fd, sk->peer->e, err);
	peer_fd = unix_borrow(r, sk->peer, &lent, err);
	if (peer_fd < 0)
		return -err->code;
	ret = unix_path_connect(fd, sk->peer->e, peer_fd, err);
	if (!lent)
		close(peer_fd);
	return ret;
}

/* How many messages there are up to the last that is not from @peer. */
static size_t messages_of_others(const struct unix_sk *sk, const struct unix_sk *peer)
{
	size_t n = sk->queue.n;

	while (n > 0) {
		const SkPacketEntry *p = sk->queue.items[n - 1].entry;
		UnixSkEntry name = UNIX_SK_ENTRY__INIT;

		name.name = p->addr;
		if (!unix_same_name(&name, peer->e))
			break;
		n--;
	}
	return n;
}

/* Both have names and are connected to each other. */
static int link_mutual(struct restore *r, struct unix_sk *a, int a_fd, struct unix_sk *b, int b_fd,
		       struct err *err)
{
	size_t of_a = messages_of_others(a, b), of_b = messages_of_others(b, a);

	if (fill_from_others(r, a, a_fd, of_a, err) < 0 ||
	    fill_from_others(r, b, b_fd, of_b, err) < 0 ||
	    unix_path_connect(a_fd, b->e, b_fd, err) < 0 ||
	    unix_path_connect(b_fd, a->e, a_fd, err) < 0 ||
	    fill_from_peer(r, a, of_a, b_fd, err) < 0 || fill_from_peer(r, b, of_b, a_fd, err) < 0)
		return -err->code;
	return unix_finish(r, a, a_fd, err) < 0 || unix_finish(r, b, b_fd, err) < 0 ? -err->code
										    : 0;
}

/* Made by socketpair(); one of them may have left the other since then. */
static int link_pair(struct restore *r, struct unix_sk *a, int a_fd, struct unix_sk *b, int b_fd,
		     struct err *err)
{
	if (fill_from_peer(r, a, 0, b_fd, err) < 0 || fill_from_peer(r, b, 0, a_fd, err) < 0)
		return -err->code;
	if (a->peer != b && (disconnect(a_fd, err) < 0 || connect_peer(r, a, a_fd, err) < 0))
		return -err->code;
	if (b->peer != a && (disconnect(b_fd, err) < 0 || connect_peer(r, b, b_fd, err) < 0))
		return -err->code;
	return unix_finish(r, a, a_fd, err) < 0 || unix_finish(r, b, b_fd, err) < 0 ? -err->code
										    : 0;
}

static int link_two(struct restore *r, struct unix_sk *sk, int fd, struct unix_sk *other,
		    struct err *err)
{
	bool lent;
	int other_fd = unix_borrow(r, other, &lent, err), ret;

	if (other_fd < 0)
		return -err->code;
	if (sk->role == UNIX_PAIR)
		ret = link_pair(r, sk, fd, other, other_fd, err);
	else
		ret = link_mutual(r, sk, fd, other, other_fd, err);
	if (!lent)
		close(other_fd);
	return ret;
}

int unix_dgram_link(struct restore *r, struct unix_sk *sk, int fd, struct err *err)
{
	struct unix_sk *other = sk->pair;

	if (!other && sk->peer && sk->peer->peer == sk)
		other = sk->peer;
	if (other)
		return other->id < sk->id ? 0 : link_two(r, sk, fd, other, err);

	if (sk->other >= 0) {
		scoped_fd dead = take_fd(&sk->other);

		return fill_from_peer(r, sk, 0, dead, err) < 0 ? -err->code
							       : unix_finish(r, sk, fd, err);
	}
	if (fill_from_others(r, sk, fd, sk->queue.n, err) < 0 || connect_peer(r, sk, fd, err) < 0)
		return -err->code;
	return unix_finish(r, sk, fd, err);
}
