/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unix_diag - what only sock_diag tells of a unix socket: who its peer is, who
 * waits to be accepted, which directions are shut
 *
 * Sockets are asked one by one: a dump of all of them may miss some when others,
 * which are not frozen, come and go meanwhile.
 */
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/netlink.h"
#include "sock/unix.h"

struct answer {
	struct dump *d;
	struct unix_sk *sk;
	const struct unix_diag_msg *msg;
};

static void take_icons(struct answer *a, const struct nlmsghdr *h)
{
	size_t len;
	const void *icons =
		netlink_attr(h, sizeof(*a->msg), UNIX_DIAG_ICONS, sizeof(uint32_t), &len);

	if (!icons)
		return;
	a->sk->nr_icons = len / sizeof(uint32_t);
	a->sk->icons = arena_dup(a->d->arena, icons, len);
}

static int take_answer(const struct nlmsghdr *h, void *arg, struct err *err)
{
	struct answer *a = arg;
	const struct unix_diag_msg *msg = netlink_payload(h, sizeof(*msg));
	UnixSkEntry *e = a->sk->e;
	const struct unix_diag_rqlen *len;
	const uint32_t *peer;
	const uint8_t *shut;

	if (!msg)
		return err_set(err, EPROTO, "cannot read an answer of sock_diag");
	peer = netlink_attr(h, sizeof(*msg), UNIX_DIAG_PEER, sizeof(*peer), NULL);
	shut = netlink_attr(h, sizeof(*msg), UNIX_DIAG_SHUTDOWN, sizeof(*shut), NULL);
	len = netlink_attr(h, sizeof(*msg), UNIX_DIAG_RQLEN, sizeof(*len), NULL);

	e->state = msg->udiag_state;
	e->type = msg->udiag_type;
	a->sk->has_peer = peer != NULL;
	e->peer = peer ? *peer : 0;
	e->has_peer_gone = e->peer_gone = e->type == SOCK_DGRAM && peer && !*peer;
	/* of a listener how many may wait, of others what was sent and not read */
	e->backlog = len ? len->udiag_wqueue : 0;
	e->has_shutdown = shut && *shut;
	e->shutdown = shut ? *shut & 3 : 0;
	take_icons(a, h);
	return 0;
}

/* It asks in the network namespace in which it was opened. */
static int open_diag(struct unix_state *s, const struct ns *netns, struct err *err)
{
	int fd;

	if (s->diag && s->diag_of == netns)
		return 0;
	fd = netlink_open(NETLINK_SOCK_DIAG, err);
	if (fd < 0)
		return -err->code;
	if (s->diag)
		close(s->diag);
	s->diag = fd;
	s->diag_of = netns;
	return 0;
}

static int ask(struct dump *d, struct unix_state *s, uint32_t ino, uint32_t show,
	       netlink_each *each, void *arg, struct err *err)
{
	struct unix_diag_req req = {
		.sdiag_family = AF_UNIX,
		.udiag_states = ~0u,
		.udiag_ino = ino,
		.udiag_show = show,
		.udiag_cookie = { ~0u, ~0u },
	};

	if (open_diag(s, d->netns, err) < 0)
		return -err->code;
	if (netlink_ask(s->diag, SOCK_DIAG_BY_FAMILY, 0, &req, sizeof(req), each, arg, err) < 0) {
		err_in(err, "unix socket %u", ino);
		return err_hint(err, "this kernel must have unix_diag (modprobe unix_diag)");
	}
	return 0;
}

int unix_diag_collect(struct dump *d, struct unix_state *s, struct unix_sk *sk, struct err *err)
{
	struct answer a = { .d = d, .sk = sk };

	return ask(d, s, sk->e->ino, UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN,
		   take_answer, &a, err);
}

struct outside {
	struct dump *d;
	UnixSkEntry *e;
};

static int take_outside(const struct nlmsghdr *h, void *arg, struct err *err)
{
	struct outside *o = arg;
	const struct unix_diag_msg *msg = netlink_payload(h, sizeof(*msg));
	const void *name;
	size_t len;

	if (!msg)
		return err_set(err, EPROTO, "cannot read an answer of sock_diag");
	o->e->type = msg->udiag_type;
	name = netlink_attr(h, sizeof(*msg), UNIX_DIAG_NAME, 1, &len);
	if (name) {
		o->e->name.len = len;
		o->e->name.data = arena_dup(o->d->arena, name, len);
	}
	return 0;
}

int unix_diag_outside(struct dump *d, struct unix_state *s, uint32_t ino, UnixSkEntry **e_ret,
		      struct err *err)
{
	struct outside o = { .d = d, .e = record_new(d, unix_sk_entry) };

	if (ask(d, s, ino, UDIAG_SHOW_NAME, take_outside, &o, err) < 0)
		return -err->code;
	o.e->ino = ino;
	*e_ret = o.e;
	return 0;
}

/* ---- abstract names ---- */

struct names {
	struct restore *r;
	struct unix_state *s;
};

static int add_name(const struct nlmsghdr *h, void *arg, struct err *err)
{
	struct names *n = arg;
	const struct unix_diag_msg *msg = netlink_payload(h, sizeof(*msg));
	UnixSkEntry *e;
	const char *name;
	size_t len;

	if (!msg)
		return err_set(err, EPROTO, "cannot read an answer of sock_diag");
	name = netlink_attr(h, sizeof(*msg), UNIX_DIAG_NAME, 1, &len);
	if (!name || name[0] != '\0')
		return 0;
	e = vec_add(n->r->arena, &n->s->taken);
	unix_sk_entry__init(e);
	e->type = msg->udiag_type;
	e->name.len = len;
	e->name.data = arena_dup(n->r->arena, name, len);
	return 0;
}

static int compare_taken(const void *a, const void *b)
{
	const UnixSkEntry *x = a, *y = b;

	return x->type != y->type ? (x->type < y->type ? -1 : 1) : unix_compare_names(x, y);
}

int unix_diag_is_taken(struct restore *r, struct unix_state *s, const UnixSkEntry *e,
		       bool *taken_ret, struct err *err)
{
	const struct unix_diag_req req = { .sdiag_family = AF_UNIX,
					   .udiag_states = ~0u,
					   .udiag_show = UDIAG_SHOW_NAME };
	struct names n = { r, s };

	if (!s->has_taken) {
		if (open_diag(s, NULL, err) < 0 ||
		    sock_diag_each(s->diag, &req, sizeof(req), add_name, &n, err) < 0)
			return err_hint(err,
					"this kernel must have unix_diag (modprobe unix_diag)");
		if (s->taken.n)
			qsort(s->taken.items, s->taken.n, sizeof(*s->taken.items), compare_taken);
		s->has_taken = true;
		close(s->diag);
		s->diag = 0;
	}
	*taken_ret = s->taken.n &&
		     bsearch(e, s->taken.items, s->taken.n, sizeof(*e), compare_taken);
	return 0;
}
