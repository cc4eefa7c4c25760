/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * net - network namespaces
 *
 * collect   a socket of rtnetlink and a look at /proc/sys, from inside
 * write     netns (settings, numbers of other namespaces), netdev (devices),
 *           ifaddr, route, route6, rule, iptables, ip6tables, nftables,
 *           netns-ct, netns-exp
 * enter     what is needed of the outside is opened
 * make      Nested ones are made; then, in each: devices, settings, devices up,
 *           addresses, routes, rules, filters, connections
 *
 * One that stays outside has only a key in its image, and what its filters know
 * of connections: it is given by --inherit-fd. With --empty-ns net there are no
 * images at all, and whoever asked for that fills it (a script).
 *
 * What sockets are in it is the business of sock/; what has it open, file/nsfile.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/external.h"
#include "core/ns.h"
#include "ns/net.h"

/* ---- for the other files ---- */

static void make_room(struct arena *a, struct net_messages *m, size_t len)
{
	char *bigger;

	if (m->len + len <= m->max)
		return;
	m->max = (m->len + len) * 2 + 4096;
	bigger = arena_alloc(a, m->max);
	if (m->len)
		memcpy(bigger, m->data, m->len);
	m->data = bigger;
}

void net_add_message(struct arena *a, struct net_messages *m, const struct nlmsghdr *h)
{
	size_t len = NLMSG_ALIGN(h->nlmsg_len);

	make_room(a, m, len);
	memset(m->data + m->len, 0, len);
	memcpy(m->data + m->len, h, h->nlmsg_len);
	m->len += len;
}

int net_read_image(struct restore *r, struct image *img, size_t head, struct net_messages *m,
		   void *head_ret, struct err *err)
{
	int64_t left;

	if (head && image_get_raw(img, head_ret, head, err) < 0)
		return -err->code;
	left = image_left(img);
	if (left < 0)
		return err_set(err, ESPIPE, "cannot tell the length of %s", image_name(img));
	make_room(r->arena, m, (size_t)left);
	m->len = (size_t)left;
	return left ? image_get_raw(img, m->data, m->len, err) : 0;
}

bool net_are_messages(const struct net_messages *m, uint16_t type, size_t fixed)
{
	size_t at = 0;

	while (at < m->len) {
		struct nlmsghdr h;

		if (m->len - at < sizeof(h))
			return false;
		memcpy(&h, m->data + at, sizeof(h));
		if (h.nlmsg_len < NLMSG_HDRLEN + fixed || h.nlmsg_len > m->len - at ||
		    (type && h.nlmsg_type != type))
			return false;
		at += NLMSG_ALIGN(h.nlmsg_len);
	}
	return at == m->len;
}

/* ---- dump ---- */

static bool is_empty(const struct common_opts *o)
{
	return o->empty_net;
}

static int collect_content(struct dump *d, struct ns *ns, struct err *err)
{
	struct net_ns *n = net_ns_of(ns);
	scoped_fd nl = netlink_open(NETLINK_ROUTE, err);

	if (nl < 0)
		return nl;
	if (net_sysctl_collect(d, n->e, err) < 0 || net_link_collect(d, ns, nl, err) < 0 ||
	    net_route_collect(d, n, nl, err) < 0)
		return -err->code;
	return net_filter_collect(d, n, err);
}

static int collect_inside(struct dump *d, struct ns *ns, struct err *err)
{
	if (!ns->external && !is_empty(&d->opts->common) && collect_content(d, ns, err) < 0)
		return -err->code;
	return net_track_collect(d, net_ns_of(ns), err);
}

static int collect_net(struct dump *d, struct ns *ns, struct err *err)
{
	struct net_ns *n = ns->data = arena_new(d->arena, struct net_ns);
	struct ns_visit visit;
	struct err other = { 0 };
	int ret;

	n->e = record_new(d, netns_entry);
	n->e->ext_key = (char *)ns->external;
	if (ns_enter_dump(d, ns, &visit, err) < 0)
		return -err->code;
	ret = collect_inside(d, ns, err);
	if (ns_leave(&visit, &other) < 0 && ret == 0) {
		*err = other;
		ret = -err->code;
	}
	return ret;
}

static int write_links(struct dump *d, struct ns *ns, struct err *err)
{
	scoped_fd nl = netlink_open(NETLINK_ROUTE, err);

	if (nl < 0 || net_link_settle(d, ns, nl, err) < 0)
		return -err->code;
	/* tun devices that nobody has open are asked from inside */
	return net_link_write(d, ns, err);
}

static int write_content(struct dump *d, struct ns *ns, struct err *err)
{
	const struct net_ns *n = net_ns_of(ns);
	struct ns_visit visit;
	struct err other = { 0 };
	int ret;

	if (ns_enter_dump(d, ns, &visit, err) < 0)
		return -err->code;
	ret = write_links(d, ns, err);
	if (ns_leave(&visit, &other) < 0 && ret == 0) {
		*err = other;
		ret = -err->code;
	}
	if (ret < 0 || image_put_one(d->store, IMAGE_NETNS, ns->id, &n->e->base, err) < 0 ||
	    net_route_write(d, ns, err) < 0)
		return -err->code;
	return net_filter_write(d, ns, err);
}

static int write_net(struct dump *d, struct ns *ns, struct err *err)
{
	const struct net_ns *n = net_ns_of(ns);

	if (ns->external && image_put_one(d->store, IMAGE_NETNS, ns->id, &n->e->base, err) < 0)
		return -err->code;
	if (!ns->external && !is_empty(&d->opts->common) && write_content(d, ns, err) < 0)
		return -err->code;
	return net_track_write(d, ns, err);
}

/* ---- read ---- */

static int read_content(struct restore *r, struct ns *ns, struct err *err)
{
	if (net_link_read(r, ns, err) < 0 || net_route_read(r, ns, err) < 0)
		return -err->code;
	return net_filter_read(r, ns, err);
}

static int read_net(struct restore *r, struct ns *ns, struct err *err)
{
	struct net_ns *n = ns->data = arena_new(r->arena, struct net_ns);
	bool found;

	if (image_get_one(r->store, IMAGE_NETNS, ns->id, r->arena, (void **)&n->e, &found, err) < 0)
		return -err->code;
	if (!found) {
		n->e = record_new(r, netns_entry);
		n->is_empty = true;
	}
	if (!ns->external)
		ns->external = n->e->ext_key;
	n->is_empty |= is_empty(&r->opts->common);
	if (!ns->external && !n->is_empty && read_content(r, ns, err) < 0)
		return -err->code;
	return net_track_read(r, ns, err);
}

static int plan_net(struct restore *r, struct ns *ns, struct err *err)
{
	if (ns->is_root || !ns->external)
		return 0;
	if (external_inherited(r, ns->external) >= 0)
		return 0;
	err_set(err, ENOENT, "cannot restore into the network namespace \"%s\"", ns->external);
	err_why(err, "it was left outside of the dump");
	return err_hint(err, "give a descriptor for it: --inherit-fd fd[N]:%s", ns->external);
}

/* ---- make ---- */

static bool has_tun(const struct net_ns *n)
{
	const struct net_link *l;

	vec_for_each(l, &n->links)
		if (l->e->type == ND_TYPE__TUN)
			return true;
	return false;
}

/* Inside there may be no device node, or nobody who may open it. */
static int enter_net(struct restore *r, struct ns *ns, struct err *err)
{
	struct net_state *s = kind_state(r->kinds, &net_ns_kind);

	if (s->tun || !has_tun(net_ns_of(ns)))
		return 0;
	s->tun = open("/dev/net/tun", O_PATH | O_CLOEXEC);
	if (s->tun >= 0)
		return 0;
	err_sys(err, "cannot find /dev/net/tun");
	return err_hint(err,
			"this kernel must have tun (modprobe tun), and there must be that device");
}

static int open_own(struct restore *r, struct err *err)
{
	int fd = openat(r->proc, "thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "cannot open our network namespace") : fd;
}

/* A new one, to which we do not stay. */
static int make_nested(struct restore *r, struct ns *ns, struct err *err)
{
	scoped_fd back = -1;

	if (ns->external) {
		ns->fd = external_inherited(r, ns->external);
		return 0;
	}
	back = open_own(r, err);
	if (back < 0)
		return back;
	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(err, "cannot make a network namespace");
	ns->fd = open_own(r, err);
	if (setns(back, CLONE_NEWNET) < 0)
		return err_sys(err, "cannot come back from a network namespace");
	return ns->fd < 0 ? ns->fd : 0;
}

/* Devices may be put into it before it is its turn. */
static int begin_net(struct restore *r, struct ns *ns, struct err *err)
{
	struct ns_visit visit;

	if (ns->external || net_ns_of(ns)->is_empty)
		return 0;
	if (ns_enter_restore(r, ns, &visit, err) < 0 || net_sysctl_begin(r, err) < 0)
		return -err->code;
	return ns_leave(&visit, err);
}

/* Links lead from one to another: all exist before there is anything in them. */
static int make_all(struct restore *r, struct err *err)
{
	struct net_state *s = kind_state(r->kinds, &net_ns_kind);
	struct ns **ns;

	if (s->is_made)
		return 0;
	s->is_made = true;
	vec_for_each(ns, &r->ns->all)
		if ((*ns)->type == NS_NET &&
		    (((*ns)->fd < 0 && make_nested(r, *ns, err) < 0) || begin_net(r, *ns, err) < 0))
			return -err->code;
	return 0;
}

static int make_nsids(struct restore *r, const struct net_ns *n, int nl, struct err *err)
{
	const struct rtgenmsg any = { .rtgen_family = AF_UNSPEC };

	for (size_t i = 0; i < n->e->n_nsids; i++) {
		const NetnsId *id = n->e->nsids[i];
		const struct ns *other = ns_by_id(r->ns, NS_NET, id->target_ns_id);
		struct netlink_request q;

		if (!other)
			continue;
		netlink_begin(&q, &any, sizeof(any));
		netlink_put_u32(&q, NETNSA_NSID, (uint32_t)id->netnsid_value);
		netlink_put_u32(&q, NETNSA_FD, (uint32_t)other->fd);
		if (netlink_do(nl, RTM_NEWNSID, 0, &q, err) < 0)
			return err_in(err, "cannot give a network namespace the number %d",
				      id->netnsid_value);
	}
	return 0;
}

static int make_content(struct restore *r, struct ns *ns, struct err *err)
{
	struct net_ns *n = net_ns_of(ns);
	scoped_fd nl = netlink_open(NETLINK_ROUTE, err);

	if (nl < 0)
		return nl;
	if (make_nsids(r, n, nl, err) < 0 || net_link_make(r, ns, nl, err) < 0 ||
	    net_link_configure(r, ns, nl, false, err) < 0 || net_sysctl_apply(r, n, err) < 0 ||
	    net_link_configure(r, ns, nl, true, err) < 0 || net_route_make(r, n, nl, err) < 0)
		return -err->code;
	return net_filter_make(r, ns, err);
}

static int make_inside(struct restore *r, struct ns *ns, struct err *err)
{
	struct net_ns *n = net_ns_of(ns);

	if (!ns->external && !n->is_empty && make_content(r, ns, err) < 0)
		return -err->code;
	return net_track_make(r, n, err);
}

static int make_net(struct restore *r, struct ns *ns, struct err *err)
{
	struct ns_visit visit;

	if (make_all(r, err) < 0 || ns_enter_restore(r, ns, &visit, err) < 0 ||
	    make_inside(r, ns, err) < 0)
		return -err->code;
	return ns_leave(&visit, err);
}

/* All namespaces are there, so no device changes any more but by being connected. */
static int finish_net(struct restore *r, struct ns *ns, struct err *err)
{
	struct net_ns *n = net_ns_of(ns);
	const struct net_link *l;
	struct ns_visit visit;

	if (ns->external || n->is_empty)
		return 0;
	vec_for_each(l, &n->links)
		if (net_outside_connect(r, l->e, err) < 0)
			return -err->code;
	if (ns_enter_restore(r, ns, &visit, err) < 0 || net_link_sync(ns, err) < 0 ||
	    net_sysctl_end(r, n, err) < 0)
		return -err->code;
	return ns_leave(&visit, err);
}

const struct ns_kind net_ns_kind = {
	.name = "net",
	.type = NS_NET,
	.state_size = sizeof(struct net_state),
	.collect = collect_net,
	.write = write_net,
	.read = read_net,
	.plan = plan_net,
	.enter = enter_net,
	.make = make_net,
	.finish = finish_net,
};
