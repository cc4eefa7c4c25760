/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_port - who has the address that a socket shall have?
 *
 * Another program: asked of sock_diag, which binds nothing.  It does not tell
 * whether a socket there shares its port, so nothing is said of sockets that do:
 * bind() will.
 *
 * Nobody any more: a connection that was closed stays for a minute (TIME_WAIT),
 * and if it had no SO_REUSEADDR, nobody gets its port meanwhile.  The program had
 * it, so the kernel is told to forget the rest of such connections.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "core/netlink.h"
#include "core/sock_ns.h"
#include "core/sockopt.h"
#include "sock/inet.h"

struct search {
	const InetSkEntry *e;
	uint32_t found; /* inode, 0: nobody */
};

static bool is_any(const uint32_t *words, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (words[i])
			return false;
	return true;
}

/* Addresses of two families overlap if one is "any", which the caller knows to take both. */
static bool overlaps(const InetSkEntry *e, const struct inet_diag_msg *msg)
{
	size_t n = msg->idiag_family == AF_INET ? 1 : 4;

	if (is_any(e->src_addr, e->n_src_addr) || is_any(msg->id.idiag_src, n))
		return true;
	return e->family == msg->idiag_family && memcmp(e->src_addr, msg->id.idiag_src, n * 4) == 0;
}

static int look_at(const struct nlmsghdr *h, void *arg, struct err *err)
{
	struct search *s = arg;
	const struct inet_diag_msg *msg = netlink_payload(h, sizeof(*msg));

	if (!msg)
		return err_set(err, EPROTO, "cannot read an answer of sock_diag");
	if (overlaps(s->e, msg) && ntohs(msg->id.idiag_sport) == s->e->src_port)
		s->found = msg->idiag_inode;
	return 0;
}

static bool may_share(const InetSkEntry *e)
{
	return e->opts->so_reuseport || (!inet_is_tcp(e) && e->opts->reuseaddr);
}

static int refuse(struct restore *r, const InetSkEntry *e, uint32_t ino, struct err *err)
{
	union inet_addr addr;
	socklen_t len;

	if (inet_addr_src(e, &addr, &len, err) < 0)
		return -err->code;
	err_set(err, EADDRINUSE, "cannot use the %s address %s", inet_is_tcp(e) ? "TCP" : "UDP",
		inet_addr_text(r->arena, &addr));
	err_why(err, "%s has it", sock_holder(r->arena, r->proc, ino));
	return err_hint(err, "end that process, or restore in another network namespace");
}

int inet_port_plan(struct restore *r, const struct file *f, struct err *err)
{
	const InetSkEntry *e = f->image->isk;
	struct inet_diag_req_v2 req = {
		.sdiag_family = (uint8_t)e->family,
		.sdiag_protocol = (uint8_t)e->proto,
		.idiag_states = inet_is_tcp(e) ? 1u << INET_LISTEN : ~0u,
		.id.idiag_sport = htons((uint16_t)e->src_port),
	};
	struct search s = { .e = e };
	union inet_addr addr;
	socklen_t len;

	if (!e->src_port || may_share(e) || sock_ns_is_elsewhere(r, f))
		return 0;
	if (inet_addr_src(e, &addr, &len, err) < 0)
		return -err->code;
	/* a TCP socket that does not listen hinders nobody */
	if (inet_is_tcp(e) && e->state != INET_LISTEN)
		return 0;

	scoped_fd nl = netlink_open(NETLINK_SOCK_DIAG, err);
	if (nl < 0)
		return -err->code;
	if (sock_diag_each(nl, &req, sizeof(req), look_at, &s, err) < 0) {
		/* a kernel without that module: bind() will tell */
		if (err->code != ENOENT)
			return -err->code;
		memset(err, 0, sizeof(*err));
	}
	return s.found ? refuse(r, e, s.found, err) : 0;
}

/* ---- what is left of connections ---- */

struct left {
	vec(struct inet_diag_req_v2) all;
	struct arena *arena;
	uint8_t proto;
};

static int add_left(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct inet_diag_msg *msg = netlink_payload(h, sizeof(*msg));
	struct left *l = arg;

	if (!msg)
		return err_set(err, EPROTO, "cannot read an answer of sock_diag");
	*vec_add(l->arena, &l->all) = (struct inet_diag_req_v2){
		.sdiag_family = msg->idiag_family,
		.sdiag_protocol = l->proto,
		.idiag_states = 1u << INET_TIME_WAIT,
		.id = msg->id,
	};
	return 0;
}

int inet_port_clear(struct restore *r, const InetSkEntry *e, struct err *err)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct left l = { .arena = r->arena, .proto = (uint8_t)e->proto };
	scoped_fd nl = netlink_open(NETLINK_SOCK_DIAG, err);
	struct inet_diag_req_v2 *req;
	struct err gone;
	size_t i;

	if (nl < 0)
		return -err->code;
	for (i = 0; i < sizeof(families); i++) {
		struct inet_diag_req_v2 all = {
			.sdiag_family = families[i],
			.sdiag_protocol = l.proto,
			.idiag_states = 1u << INET_TIME_WAIT,
			.id.idiag_sport = htons((uint16_t)e->src_port),
		};

		if (sock_diag_each(nl, &all, sizeof(all), add_left, &l, err) < 0)
			return -err->code;
	}
	/* one that ends by itself meanwhile is as good */
	vec_for_each(req, &l.all) {
		memset(&gone, 0, sizeof(gone));
		netlink_ask(nl, SOCK_DESTROY, 0, req, sizeof(*req), NULL, NULL, &gone);
	}
	return 0;
}
