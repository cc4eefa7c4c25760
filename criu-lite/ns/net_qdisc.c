/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * net_qdisc - queueing disciplines and their classes
 *
 * collect   messages of rtnetlink, as the kernel sends them; what a device has by
 *           itself has no number and is left out
 * make      sent back, those first whose parent is there
 *
 * not kept  counters, tokens that have been saved up
 *
 * refused   disciplines that are not in the table, filters, size tables
 */
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "ns/net.h"

struct taken {
	struct arena *arena;
	struct net_messages *to;
};

/* ---- collect ---- */

static bool is_known(const char *kind, size_t len)
{
	static const char *const known[] = { "pfifo", "bfifo",	 "pfifo_fast", "tbf",
					     "htb",   "ingress", "clsact" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i]) < len && strncmp(kind, known[i], len) == 0)
			return true;
	return false;
}

static int refuse(const struct tcmsg *m, const char *what, const char *kind, size_t len,
		  struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump %s (%.*s) of network device %d", what,
		kind ? (int)len : 0, kind ? kind : "", m->tcm_ifindex);
	return err_hint(err, "remove it before the dump (tc qdisc del)");
}

static int take_qdisc(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct tcmsg *m = netlink_payload(h, sizeof(*m));
	const struct taken *t = arg;
	size_t len = 0;
	const char *kind;

	if (!m)
		return err_set(err, EPROTO, "cannot read the list of queueing disciplines");
	if (!m->tcm_handle)
		return 0;
	kind = netlink_attr(h, sizeof(*m), TCA_KIND, 1, &len);
	if (!kind || !is_known(kind, len))
		return refuse(m, "a queueing discipline", kind, len, err);
	if (netlink_attr(h, sizeof(*m), TCA_STAB, 0, NULL))
		return refuse(m, "the size table of a queueing discipline", kind, len, err);
	net_add_message(t->arena, t->to, h);
	return 0;
}

static int take_class(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct tcmsg *m = netlink_payload(h, sizeof(*m));
	const struct taken *t = arg;
	size_t len = 0;
	const char *kind = m ? netlink_attr(h, sizeof(*m), TCA_KIND, 1, &len) : NULL;

	/* others have one class, which comes with them */
	if (kind && strncmp(kind, "htb", len) == 0)
		net_add_message(t->arena, t->to, h);
	return 0;
}

static int refuse_filter(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct tcmsg *m = netlink_payload(h, sizeof(*m));
	size_t len = 0;
	const char *kind = m ? netlink_attr(h, sizeof(*m), TCA_KIND, 1, &len) : NULL;

	return m ? refuse(m, "a filter", kind, len, err) : 0;
}

static int check_filters(int nl, int32_t device, uint32_t parent, struct err *err)
{
	const struct tcmsg of = { .tcm_family = AF_UNSPEC,
				  .tcm_ifindex = device,
				  .tcm_parent = parent };

	if (netlink_ask(nl, RTM_GETTFILTER, NLM_F_DUMP, &of, sizeof(of), refuse_filter, NULL,
			err) == 0)
		return 0;
	/* nobody can be filtered there */
	if (err->code == EINVAL || err->code == ENOENT) {
		*err = (struct err){ 0 };
		return 0;
	}
	return -err->code;
}

/* Of a discipline or class; clsact has them at two places of its own. */
static int check_all_filters(int nl, const struct net_messages *all, struct err *err)
{
	const struct nlmsghdr *h;

	for_each_message(h, all)
	{
		const struct tcmsg *m = NLMSG_DATA(h);

		if (check_filters(nl, m->tcm_ifindex, m->tcm_handle, err) < 0)
			return -err->code;
		if (m->tcm_parent == TC_H_INGRESS &&
		    (check_filters(nl, m->tcm_ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
				   err) < 0 ||
		     check_filters(nl, m->tcm_ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS),
				   err) < 0))
			return -err->code;
	}
	return 0;
}

static int collect_classes(struct dump *d, int nl, const struct net_messages *qdiscs,
			   struct net_messages *ret, struct err *err)
{
	struct taken t = { d->arena, ret };
	const struct nlmsghdr *h;
	int32_t last = 0;

	for_each_message(h, qdiscs)
	{
		const struct tcmsg *m = NLMSG_DATA(h);
		const struct tcmsg of = { .tcm_family = AF_UNSPEC, .tcm_ifindex = m->tcm_ifindex };

		/* those of a device follow each other */
		if (m->tcm_ifindex != last && netlink_ask(nl, RTM_GETTCLASS, NLM_F_DUMP, &of,
							  sizeof(of), take_class, &t, err) < 0)
			return -err->code;
		last = m->tcm_ifindex;
	}
	return 0;
}

int net_qdisc_collect(struct dump *d, struct net_ns *n, int nl, struct err *err)
{
	const struct tcmsg all = { .tcm_family = AF_UNSPEC };
	struct net_messages qdiscs = { 0 }, classes = { 0 };
	struct taken t = { d->arena, &qdiscs };
	const struct nlmsghdr *h;

	if (netlink_ask(nl, RTM_GETQDISC, NLM_F_DUMP, &all, sizeof(all), take_qdisc, &t, err) < 0 ||
	    collect_classes(d, nl, &qdiscs, &classes, err) < 0)
		return -err->code;
	for_each_message(h, &classes) net_add_message(d->arena, &qdiscs, h);
	if (check_all_filters(nl, &qdiscs, err) < 0)
		return -err->code;
	n->e->has_qdiscs = qdiscs.len > 0;
	n->e->qdiscs.len = qdiscs.len;
	n->e->qdiscs.data = (uint8_t *)qdiscs.data;
	return 0;
}

/* ---- make ---- */

static struct net_messages known_to(const struct net_ns *n)
{
	return (struct net_messages){ .data = (char *)n->e->qdiscs.data,
				      .len = n->e->has_qdiscs ? n->e->qdiscs.len : 0 };
}

int net_qdisc_read(const struct net_ns *n, struct err *err)
{
	const struct net_messages known = known_to(n);
	const struct nlmsghdr *h;
	bool good = net_are_messages(&known, 0, sizeof(struct tcmsg));

	if (good)
		for_each_message(h, &known) good =
			good && (h->nlmsg_type == RTM_NEWQDISC || h->nlmsg_type == RTM_NEWTCLASS);
	if (good)
		return 0;
	err_set(err, EBADMSG, "cannot understand the queueing disciplines of a namespace");
	return err_hint(err, "the checkpoint is damaged; take it again");
}

/* The kernel tells its whole version, and wants to be told the first half of it. */
static void clean_htb(const void *options, size_t len)
{
	struct tc_htb_glob *g =
		(struct tc_htb_glob *)netlink_find(options, len, TCA_HTB_INIT, sizeof(*g), NULL);

	if (g && g->version >> 16)
		g->version >>= 16;
}

static int make_one(int nl, const struct nlmsghdr *h, struct err *err)
{
	struct tcmsg m = *(const struct tcmsg *)NLMSG_DATA(h);
	size_t kind_len = 0, len = 0;
	const char *kind = netlink_attr(h, sizeof(m), TCA_KIND, 1, &kind_len);
	const void *options = netlink_attr(h, sizeof(m), TCA_OPTIONS, 0, &len);
	struct netlink_request q;

	m.tcm_info = 0;
	netlink_begin(&q, &m, sizeof(m));
	if (kind)
		netlink_put(&q, TCA_KIND, kind, kind_len);
	if (kind && options && strncmp(kind, "htb", kind_len) == 0)
		clean_htb(options, len);
	if (options)
		netlink_put(&q, TCA_OPTIONS, options, len);
	return netlink_do(nl, h->nlmsg_type, NLM_F_CREATE | NLM_F_EXCL, &q, err);
}

/* Made already, by us or by whoever gave us the device. */
static bool is_made(const struct nlmsghdr *h)
{
	return h->nlmsg_flags == 0;
}

/* One round over all that are not there yet: how many have come; @err: the last failure. */
static unsigned int make_some(int nl, const struct net_messages *all, struct err *err)
{
	struct nlmsghdr *h;
	unsigned int made = 0;

	*err = (struct err){ 0 };
	for_each_message(h, all)
	{
		struct err why = { 0 };

		if (is_made(h))
			continue;
		if (make_one(nl, h, &why) < 0 && why.code != EEXIST) {
			*err = why;
			continue;
		}
		h->nlmsg_flags = 0;
		made++;
	}
	return made;
}

int net_qdisc_make(const struct net_ns *n, int nl, struct err *err)
{
	const struct net_messages known = known_to(n);
	struct nlmsghdr *h;

	for_each_message(h, &known) h->nlmsg_flags = NLM_F_CREATE;
	while (make_some(nl, &known, err) > 0)
		;
	return err->code ? err_in(err, "cannot make a queueing discipline") : 0;
}
