/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * net_nexthop - nexthop objects, which routes name by a number
 *
 * collect   messages of rtnetlink, as the kernel sends them.  A route that uses one
 *           is told without what the object says
 * make      when addresses are there, before routes: first single ones, then groups
 *
 * refused   resilient groups: which of their buckets is whose cannot be set
 */
#include <errno.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "ns/net.h"

/* ---- collect ---- */

struct taken {
	struct arena *arena;
	struct net_messages *to;
};

static int take_nexthop(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct nhmsg *m = netlink_payload(h, sizeof(*m));
	const uint16_t *type = m ? netlink_attr(h, sizeof(*m), NHA_GROUP_TYPE, sizeof(*type), NULL)
				 : NULL;
	const struct taken *t = arg;

	if (!m)
		return err_set(err, EPROTO, "cannot read the list of nexthop objects");
	if (type && *type != NEXTHOP_GRP_TYPE_MPATH) {
		err_set(err, EOPNOTSUPP, "cannot dump a resilient group of nexthop objects");
		return err_hint(err, "remove it before the dump (ip nexthop del)");
	}
	net_add_message(t->arena, t->to, h);
	return 0;
}

int net_nexthop_collect(struct dump *d, struct net_ns *n, int nl, struct err *err)
{
	const struct nhmsg all = { .nh_family = AF_UNSPEC };
	struct net_messages found = { 0 };
	struct taken t = { d->arena, &found };

	if (netlink_ask(nl, RTM_GETNEXTHOP, NLM_F_DUMP, &all, sizeof(all), take_nexthop, &t, err) <
	    0)
		return -err->code;
	n->e->has_nexthops = found.len > 0;
	n->e->nexthops.len = found.len;
	n->e->nexthops.data = (uint8_t *)found.data;
	return 0;
}

/* Said by the object; the kernel tells it all the same, and does not want to hear it. */
static bool is_of_object(unsigned short type)
{
	return type == RTA_OIF || type == RTA_GATEWAY || type == RTA_VIA || type == RTA_MULTIPATH ||
	       type == RTA_ENCAP || type == RTA_ENCAP_TYPE;
}

const struct nlmsghdr *net_nexthop_route(struct arena *a, const struct nlmsghdr *h)
{
	struct nlmsghdr *to = arena_dup(a, h, h->nlmsg_len);
	const struct rtattr *attr = RTM_RTA(NLMSG_DATA(h));
	size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(struct rtmsg));

	to->nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg));
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (is_of_object(attr->rta_type & NLA_TYPE_MASK))
			continue;
		memcpy((char *)to + to->nlmsg_len, attr, attr->rta_len);
		to->nlmsg_len += RTA_ALIGN(attr->rta_len);
	}
	return to;
}

/* ---- make ---- */

/* What the kernel takes, of what it tells. */
static void put_nexthop(struct netlink_request *q, const struct nlmsghdr *h)
{
	static const uint16_t kept[] = { NHA_ID,  NHA_GROUP,	  NHA_GROUP_TYPE,
					 NHA_OIF, NHA_GATEWAY,	  NHA_BLACKHOLE,
					 NHA_FDB, NHA_ENCAP_TYPE, NHA_ENCAP };
	struct nhmsg m = *(const struct nhmsg *)NLMSG_DATA(h);

	m.nh_scope = 0;
	m.nh_flags &= RTNH_F_ONLINK;
	netlink_begin(q, &m, sizeof(m));
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		size_t len;
		const void *value = netlink_attr(h, sizeof(m), kept[i], 0, &len);

		if (value)
			netlink_put(q, kept[i] == NHA_ENCAP ? kept[i] | NLA_F_NESTED : kept[i],
				    value, len);
	}
}

static bool is_group(const struct nlmsghdr *h)
{
	return netlink_attr(h, sizeof(struct nhmsg), NHA_GROUP, 1, NULL) != NULL;
}

static struct net_messages known_to(const struct net_ns *n)
{
	return (struct net_messages){ .data = (char *)n->e->nexthops.data,
				      .len = n->e->has_nexthops ? n->e->nexthops.len : 0 };
}

int net_nexthop_read(const struct net_ns *n, struct err *err)
{
	const struct net_messages known = known_to(n);

	if (net_are_messages(&known, RTM_NEWNEXTHOP, sizeof(struct nhmsg)))
		return 0;
	err_set(err, EBADMSG, "cannot understand the nexthop objects of a namespace");
	return err_hint(err, "the checkpoint is damaged; take it again");
}

int net_nexthop_make(const struct net_ns *n, int nl, struct err *err)
{
	const struct net_messages known = known_to(n);
	const struct nlmsghdr *h;
	struct netlink_request q;

	for (int groups = 0; groups < 2; groups++)
		for_each_message(h, &known)
		{
			if (is_group(h) != (groups == 1))
				continue;
			put_nexthop(&q, h);
			if (netlink_do(nl, RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_EXCL, &q, err) < 0)
				return err_in(err, "cannot make a nexthop object");
		}
	return 0;
}
