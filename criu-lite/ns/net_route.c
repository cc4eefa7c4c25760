/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * net_route - addresses, routes, rules and neighbours
 *
 * Their images are what "ip addr save", "ip route save" and "ip rule save" write:
 * a number that says which, then messages of rtnetlink as the kernel sent them.
 * Sent back, they make the same things.
 *
 * collect   What the kernel makes by itself with an address is left out, as are
 *           neighbours that it finds again. Rules of IPv6 follow those of IPv4.
 * make      Devices are up, so some addresses and routes are there already. What
 *           was not there before goes, the rest is added.
 *
 * not kept  how long a route of a router advertisement was still to live; that
 *           a route which an address brings with it had been removed
 *
 * refused   IPsec
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ns/net.h"

enum { MAGIC_ADDR = 0x47361222, MAGIC_ROUTE = 0x45311224, MAGIC_RULE = 0x71706986 };

struct taken {
	struct arena *arena;
	struct net_messages *to;
};

/* ---- collect ---- */

static int take_any(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct taken *t = arg;

	net_add_message(t->arena, t->to, h);
	return 0;
}

static uint32_t table_of(const struct nlmsghdr *h, const struct rtmsg *m)
{
	const uint32_t *table = netlink_attr(h, sizeof(*m), RTA_TABLE, sizeof(*table), NULL);

	return table ? *table : m->rtm_table;
}

/* What comes and goes with addresses and devices. */
static bool is_automatic(const struct nlmsghdr *h, const struct rtmsg *m)
{
	return m->rtm_flags & RTM_F_CLONED ||
	       (m->rtm_protocol == RTPROT_KERNEL && table_of(h, m) == RT_TABLE_LOCAL);
}

static int take_route(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct rtmsg *m = netlink_payload(h, sizeof(*m));
	const struct taken *t = arg;

	if (!m)
		return err_set(err, EPROTO, "cannot read the list of routes");
	if (netlink_attr(h, sizeof(*m), RTA_NH_ID, 1, NULL))
		net_add_message(t->arena, t->to, net_nexthop_route(t->arena, h));
	else if (!is_automatic(h, m))
		net_add_message(t->arena, t->to, h);
	return 0;
}

static int take_neighbour(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct ndmsg *m = netlink_payload(h, sizeof(*m));
	const struct taken *t = arg;

	if (!m)
		return err_set(err, EPROTO, "cannot read the list of neighbours");
	if (m->ndm_state & NUD_PERMANENT || m->ndm_flags & NTF_PROXY)
		net_add_message(t->arena, t->to, h);
	return 0;
}

/* Where a tunnel sends what is for an address, if somebody has said so. */
static int take_forwarding(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct ndmsg *m = netlink_payload(h, sizeof(*m));
	const struct taken *t = arg;

	if (!m)
		return err_set(err, EPROTO, "cannot read the list of forwarding entries");
	if (m->ndm_flags & NTF_SELF && m->ndm_state & (NUD_PERMANENT | NUD_NOARP) &&
	    netlink_attr(h, sizeof(*m), NDA_DST, 1, NULL))
		net_add_message(t->arena, t->to, h);
	return 0;
}

static int refuse_xfrm(const struct nlmsghdr *h, void *arg, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump a network namespace that uses IPsec");
	return err_hint(err, "remove its states and policies (ip xfrm state, ip xfrm policy)");
}

static int list(int nl, uint16_t type, const void *fixed, size_t len, netlink_each *each,
		struct arena *a, struct net_messages *to, struct err *err)
{
	struct taken t = { a, to };

	return netlink_ask(nl, type, NLM_F_DUMP, fixed, len, each, &t, err);
}

static int list_family(int nl, uint16_t type, uint8_t family, netlink_each *each, struct arena *a,
		       struct net_messages *to, struct err *err)
{
	/* the family is the first byte of all of them; this is the largest */
	const struct rtmsg any = { .rtm_family = family };

	return list(nl, type, &any, sizeof(any), each, a, to, err);
}

static int collect_neighbours(struct dump *d, struct net_ns *n, int nl, struct err *err)
{
	const struct ndmsg all = { .ndm_family = AF_UNSPEC },
			   proxies = { .ndm_family = AF_UNSPEC, .ndm_flags = NTF_PROXY },
			   tunnels = { .ndm_family = AF_BRIDGE };
	struct net_messages found = { 0 };

	if (list(nl, RTM_GETNEIGH, &all, sizeof(all), take_neighbour, d->arena, &found, err) < 0 ||
	    list(nl, RTM_GETNEIGH, &proxies, sizeof(proxies), take_neighbour, d->arena, &found,
		 err) < 0 ||
	    list(nl, RTM_GETNEIGH, &tunnels, sizeof(tunnels), take_forwarding, d->arena, &found,
		 err) < 0)
		return -err->code;
	n->e->has_neighbours = found.len > 0;
	n->e->neighbours.len = found.len;
	n->e->neighbours.data = (uint8_t *)found.data;
	return 0;
}

static int refuse_others(struct dump *d, struct err *err)
{
	int xfrm = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);

	if (xfrm < 0) /* this kernel has none */
		return 0;

	scoped_fd end __attribute__((unused)) = xfrm;
	const struct xfrm_usersa_id states = { 0 };
	const struct xfrm_userpolicy_id policies = { 0 };

	if (list(xfrm, XFRM_MSG_GETSA, &states, sizeof(states), refuse_xfrm, d->arena, NULL, err) <
		    0 ||
	    list(xfrm, XFRM_MSG_GETPOLICY, &policies, sizeof(policies), refuse_xfrm, d->arena, NULL,
		 err) < 0)
		return -err->code;
	return 0;
}

int net_route_collect(struct dump *d, struct net_ns *n, int nl, struct err *err)
{
	struct arena *a = d->arena;

	if (list_family(nl, RTM_GETADDR, AF_UNSPEC, take_any, a, &n->addr, err) < 0 ||
	    list_family(nl, RTM_GETROUTE, AF_INET, take_route, a, &n->route, err) < 0 ||
	    list_family(nl, RTM_GETROUTE, AF_INET6, take_route, a, &n->route6, err) < 0 ||
	    list_family(nl, RTM_GETRULE, AF_INET, take_any, a, &n->rule, err) < 0 ||
	    list_family(nl, RTM_GETRULE, AF_INET6, take_any, a, &n->rule, err) < 0 ||
	    collect_neighbours(d, n, nl, err) < 0 || net_nexthop_collect(d, n, nl, err) < 0 ||
	    net_qdisc_collect(d, n, nl, err) < 0)
		return -err->code;
	return refuse_others(d, err);
}

/* ---- images ---- */

static int write_messages(struct dump *d, enum image_type type, const struct ns *ns, uint32_t magic,
			  const struct net_messages *m, struct err *err)
{
	scoped_image *img = NULL;

	if (image_create_now(d->store, type, ns->id, &img, err) < 0 ||
	    image_put_raw(img, &magic, sizeof(magic), err) < 0 ||
	    (m->len && image_put_raw(img, m->data, m->len, err) < 0))
		return -err->code;
	return image_close(take_ptr(img), err);
}

int net_route_write(struct dump *d, const struct ns *ns, struct err *err)
{
	const struct net_ns *n = net_ns_of(ns);

	if (write_messages(d, IMAGE_IFADDR, ns, MAGIC_ADDR, &n->addr, err) < 0 ||
	    write_messages(d, IMAGE_ROUTE, ns, MAGIC_ROUTE, &n->route, err) < 0 ||
	    write_messages(d, IMAGE_ROUTE6, ns, MAGIC_ROUTE, &n->route6, err) < 0)
		return -err->code;
	return write_messages(d, IMAGE_RULE, ns, MAGIC_RULE, &n->rule, err);
}

static int read_messages(struct restore *r, enum image_type type, const struct ns *ns,
			 uint32_t magic, uint16_t message, struct net_messages *m, struct err *err)
{
	scoped_image *img = NULL;
	uint32_t first;
	bool found;

	if (image_open(r->store, type, ns->id, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	if (net_read_image(r, img, sizeof(first), m, &first, err) < 0)
		return -err->code;
	if (first != magic || !net_are_messages(m, message, sizeof(struct ifaddrmsg))) {
		err_set(err, EBADMSG, "cannot understand %s", image_name(img));
		return err_hint(err, "it is damaged; take the checkpoint again");
	}
	return 0;
}

int net_route_read(struct restore *r, const struct ns *ns, struct err *err)
{
	struct net_ns *n = net_ns_of(ns);
	const struct net_messages known = { .data = (char *)n->e->neighbours.data,
					    .len = n->e->has_neighbours ? n->e->neighbours.len
									: 0 };

	if (read_messages(r, IMAGE_IFADDR, ns, MAGIC_ADDR, RTM_NEWADDR, &n->addr, err) < 0 ||
	    read_messages(r, IMAGE_ROUTE, ns, MAGIC_ROUTE, RTM_NEWROUTE, &n->route, err) < 0 ||
	    read_messages(r, IMAGE_ROUTE6, ns, MAGIC_ROUTE, RTM_NEWROUTE, &n->route6, err) < 0 ||
	    read_messages(r, IMAGE_RULE, ns, MAGIC_RULE, RTM_NEWRULE, &n->rule, err) < 0)
		return -err->code;
	if (!net_are_messages(&known, RTM_NEWNEIGH, sizeof(struct ndmsg)))
		return err_set(err, EBADMSG, "cannot understand the neighbours of a namespace");
	return net_nexthop_read(n, err) < 0 ? -err->code : net_qdisc_read(n, err);
}

/* ---- make ---- */

static int send_as_is(int nl, const struct nlmsghdr *h, uint16_t type, uint16_t flags,
		      struct err *err)
{
	return netlink_ask(nl, type, flags, (const char *)h + NLMSG_HDRLEN,
			   h->nlmsg_len - NLMSG_HDRLEN, NULL, NULL, err);
}

/* "10.0.0.1", for messages. */
static const char *address_text(const struct nlmsghdr *h, size_t fixed, int family, uint16_t type,
				char text[INET6_ADDRSTRLEN])
{
	size_t len = family == AF_INET ? 4 : 16;
	const void *address = netlink_attr(h, fixed, type, len, NULL);

	if (!address || !inet_ntop(family, address, text, INET6_ADDRSTRLEN))
		return "default";
	return text;
}

static bool is_same_address(const struct nlmsghdr *a, const struct nlmsghdr *b)
{
	const struct ifaddrmsg *x = netlink_payload(a, sizeof(*x)),
			       *y = netlink_payload(b, sizeof(*y));
	size_t xlen = 0, ylen = 0;
	const void *xa = netlink_attr(a, sizeof(*x), IFA_ADDRESS, 1, &xlen);
	const void *ya = netlink_attr(b, sizeof(*y), IFA_ADDRESS, 1, &ylen);

	return x->ifa_family == y->ifa_family && x->ifa_index == y->ifa_index &&
	       x->ifa_prefixlen == y->ifa_prefixlen && xlen == ylen &&
	       (!xlen || memcmp(xa, ya, xlen) == 0);
}

static const struct nlmsghdr *find_address(const struct net_messages *m,
					   const struct nlmsghdr *address)
{
	const struct nlmsghdr *h;

	for_each_message(h, m) if (is_same_address(h, address)) return h;
	return NULL;
}

static bool lives_forever(const struct nlmsghdr *h)
{
	const struct ifa_cacheinfo *c =
		netlink_attr(h, sizeof(struct ifaddrmsg), IFA_CACHEINFO, sizeof(*c), NULL);

	return !c || (c->ifa_prefered == UINT32_MAX && c->ifa_valid == UINT32_MAX);
}

/* What a user can set of it: the rest is how the address came to be. */
static uint32_t flags_of(const struct nlmsghdr *h)
{
	const uint32_t *flags =
		netlink_attr(h, sizeof(struct ifaddrmsg), IFA_FLAGS, sizeof(*flags), NULL);

	return flags ? *flags & (IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE |
				 IFA_F_MCAUTOJOIN)
		     : 0;
}

/* The kernel has made it by itself, just so; to touch it would bring a route that was not there. */
static bool is_there(const struct nlmsghdr *now, const struct nlmsghdr *h)
{
	size_t a = 0, b = 0;
	const void *label = netlink_attr(h, sizeof(struct ifaddrmsg), IFA_LABEL, 1, &a);
	const void *label_now = now ? netlink_attr(now, sizeof(struct ifaddrmsg), IFA_LABEL, 1, &b)
				    : NULL;

	return now && lives_forever(now) && lives_forever(h) && flags_of(now) == flags_of(h) &&
	       a == b && (!a || memcmp(label, label_now, a) == 0);
}

static int make_addresses(struct restore *r, const struct net_ns *n, int nl, struct err *err)
{
	struct net_messages now = { 0 };
	const struct nlmsghdr *h;
	char text[INET6_ADDRSTRLEN];

	if (list_family(nl, RTM_GETADDR, AF_UNSPEC, take_any, r->arena, &now, err) < 0)
		return -err->code;
	for_each_message(
		h,
		&now) if (!find_address(&n->addr, h) &&
			  send_as_is(nl, h, RTM_DELADDR, 0, err) <
				  0) return err_in(err,
						   "cannot remove an address that was not there");
	for_each_message(h, &n->addr)
	{
		const struct ifaddrmsg *m = netlink_payload(h, sizeof(*m));

		if (is_there(find_address(&now, h), h))
			continue;
		if (send_as_is(nl, h, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, err) < 0)
			return err_in(
				err, "cannot give network device %u the address %s", m->ifa_index,
				address_text(h, sizeof(*m), m->ifa_family, IFA_ADDRESS, text));
	}
	return 0;
}

/* What the kernel tells of a route and does not want to be told. */
static void clean_route(struct nlmsghdr *h)
{
	struct rtmsg *m = NLMSG_DATA(h);
	size_t len;
	char *hops = (char *)netlink_attr(h, sizeof(*m), RTA_MULTIPATH, 1, &len);
	size_t at = 0;

	m->rtm_flags &= RTNH_F_ONLINK;
	while (hops && at + sizeof(struct rtnexthop) <= len) {
		struct rtnexthop *hop = (struct rtnexthop *)(hops + at);

		hop->rtnh_flags &= RTNH_F_ONLINK;
		if (hop->rtnh_len < sizeof(*hop))
			return;
		at += NLMSG_ALIGN(hop->rtnh_len);
	}
}

static bool has_gateway(const struct nlmsghdr *h)
{
	return netlink_attr(h, sizeof(struct rtmsg), RTA_GATEWAY, 1, NULL) ||
	       netlink_attr(h, sizeof(struct rtmsg), RTA_VIA, 1, NULL) ||
	       netlink_attr(h, sizeof(struct rtmsg), RTA_MULTIPATH, 1, NULL);
}

/* A gateway must be reachable when its route is added, so its own route comes before. */
static int make_routes(const struct net_messages *routes, int nl, struct err *err)
{
	struct nlmsghdr *h;
	char text[INET6_ADDRSTRLEN];

	for (int gateways = 0; gateways < 2; gateways++)
		for_each_message(h, routes)
		{
			const struct rtmsg *m = netlink_payload(h, sizeof(*m));

			if (!m || has_gateway(h) != (gateways == 1))
				continue;
			clean_route(h);
			*err = (struct err){ 0 };
			if (send_as_is(nl, h, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, err) ==
				    0 ||
			    err->code == EEXIST)
				continue;
			return err_in(err, "cannot add the route to %s/%u",
				      address_text(h, sizeof(*m), m->rtm_family, RTA_DST, text),
				      m->rtm_dst_len);
		}
	*err = (struct err){ 0 };
	return 0;
}

static bool has_family(const struct net_messages *m, uint8_t family)
{
	const struct nlmsghdr *h;

	for_each_message(h, m) if (((const struct rtmsg *)NLMSG_DATA(h))->rtm_family ==
				   family) return true;
	return false;
}

/* All rules go before the old ones come. Images of criu have none of IPv6: those stay. */
static int make_rules(struct restore *r, const struct net_messages *rules, int nl, struct err *err)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	const struct nlmsghdr *h;

	for (size_t i = 0; i < 2; i++) {
		struct net_messages now = { 0 };

		if (!has_family(rules, families[i]))
			continue;
		if (list_family(nl, RTM_GETRULE, families[i], take_any, r->arena, &now, err) < 0)
			return -err->code;
		for_each_message(h, &now) if (send_as_is(nl, h, RTM_DELRULE, 0, err) <
					      0) return err_in(err, "cannot remove a routing rule");
	}
	for_each_message(h,
			 rules) if (send_as_is(nl, h, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, err) <
				    0) return err_in(err, "cannot add a routing rule");
	return 0;
}

/* One address may be behind several ends of a tunnel. */
static uint16_t flags_of_neighbour(const struct ndmsg *m)
{
	return NLM_F_CREATE | (m->ndm_family == AF_BRIDGE ? NLM_F_APPEND : NLM_F_REPLACE);
}

static int make_neighbours(const struct net_ns *n, int nl, struct err *err)
{
	const struct net_messages known = { .data = (char *)n->e->neighbours.data,
					    .len = n->e->has_neighbours ? n->e->neighbours.len
									: 0 };
	const struct nlmsghdr *h;

	for_each_message(h, &known)
	{
		const struct ndmsg *m = NLMSG_DATA(h);

		if (send_as_is(nl, h, RTM_NEWNEIGH, flags_of_neighbour(m), err) < 0)
			return err_in(err, "cannot add a neighbour of network device %d",
				      m->ndm_ifindex);
	}
	return 0;
}

int net_route_make(struct restore *r, const struct net_ns *n, int nl, struct err *err)
{
	if (make_addresses(r, n, nl, err) < 0 || net_nexthop_make(n, nl, err) < 0 ||
	    make_routes(&n->route, nl, err) < 0 || make_routes(&n->route6, nl, err) < 0 ||
	    make_rules(r, &n->rule, nl, err) < 0)
		return -err->code;
	return make_neighbours(n, nl, err) < 0 ? -err->code : net_qdisc_make(n, nl, err);
}
