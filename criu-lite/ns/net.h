/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NS_NET_H
#define NS_NET_H

#include <linux/netlink.h>

#include "base/vec.h"
#include "core/kind.h"
#include "core/netlink.h"
#include "images/netdev.pb-c.h"

/*
 * What the files of this kind share: net.c (the kind: when what is done),
 * net_sysctl.c, net_link.c and net_link_make.c (devices), net_outside.c (what
 * of them is outside), net_route.c (addresses, routes, rules, neighbours),
 * net_filter.c (iptables, nftables), net_track.c (connections seen by them).
 */

struct net_link {
	NetDeviceEntry *e;
	int32_t nsid; /* dump: where its other end is, as this namespace numbers it */
	bool has_nsid;
	bool made; /* restore: it is there, maybe as the other end of another one */
};

/* Messages of rtnetlink, as they came. */
struct net_messages {
	char *data;
	size_t len, max;
};

/* Of one namespace: ns->data. */
struct net_ns {
	NetnsEntry *e;
	vec(struct net_link) links;
	struct net_messages addr, route, route6, rule;
	struct net_messages track, expect;
	bool is_empty;			  /* restore: whoever asked for that fills it */
	char *iptables, *ip6tables, *nft; /* text, NULL: none */
};

extern const struct ns_kind net_ns_kind;

struct net_state {
	bool is_made; /* all nested ones exist */
	int tun;      /* /dev/net/tun of outside, 0: none needed yet */
};

/* ---- net.c ---- */

static inline struct net_ns *net_ns_of(const struct ns *ns)
{
	return ns->data;
}

void net_add_message(struct arena *a, struct net_messages *m, const struct nlmsghdr *h);

/* The rest of an image behind its first @head bytes, which go to @head_ret. */
int net_read_image(struct restore *r, struct image *img, size_t head, struct net_messages *m,
		   void *head_ret, struct err *err);

/* Is it all of whole messages, each of @type (0: of any) and with @fixed bytes at least? */
bool net_are_messages(const struct net_messages *m, uint16_t type, size_t fixed);

#define for_each_message(h, m)                                                              \
	for ((h) = (void *)(m)->data; (m)->len && (const char *)(h) < (m)->data + (m)->len; \
	     (h) = (void *)((char *)(h) + NLMSG_ALIGN((h)->nlmsg_len)))

/* ---- net_sysctl.c: inside of the namespace ---- */

int net_sysctl_collect(struct dump *d, NetnsEntry *e, struct err *err);
int net_sysctl_collect_link(struct dump *d, NetDeviceEntry *e, struct err *err);

/* No address shall be tried for duplicates while things are made: it takes a second. */
int net_sysctl_begin(struct restore *r, struct err *err);
/* All of it but what comes last; when devices are up and addresses there: that. */
int net_sysctl_apply(struct restore *r, const struct net_ns *n, struct err *err);
int net_sysctl_end(struct restore *r, const struct net_ns *n, struct err *err);

/* ---- net_link.c ---- */

int net_link_collect(struct dump *d, const struct ns *ns, int nl, struct err *err);
int net_link_settle(struct dump *d, const struct ns *ns, int nl, struct err *err);
int net_link_write(struct dump *d, const struct ns *ns, struct err *err);
int net_link_read(struct restore *r, const struct ns *ns, struct err *err);

/* Is it of a kind whose attributes the kernel takes as it gave them? */
bool net_link_is_plain(const char *kind);

/* ---- net_link_make.c: @nl is in the namespace ---- */

int net_link_make(struct restore *r, const struct ns *ns, int nl, struct err *err);
/* Their settings; @up: then all that were up are so. */
int net_link_configure(struct restore *r, const struct ns *ns, int nl, bool up, struct err *err);

/* That devices are up is told to all who want to know. */
int net_link_sync(const struct ns *ns, struct err *err);

/* ---- net_outside.c ---- */

/* What of --external TYPE[NAME]:REST stands behind the colon, NULL: it is not there. */
const char *net_external(const struct common_opts *o, const char *type, const char *name);

/* Make a link whose other end or lower device is outside; false in *made_ret: it has none. */
int net_outside_make(struct restore *r, const struct ns *ns, const NetDeviceEntry *e,
		     bool *made_ret, struct err *err);

/* Into its bridge, and with it to others: when all sockets are there that they talk to. */
int net_outside_connect(struct restore *r, const NetDeviceEntry *e, struct err *err);

/* ---- net_route.c ---- */

int net_route_collect(struct dump *d, struct net_ns *n, int nl, struct err *err);
int net_route_write(struct dump *d, const struct ns *ns, struct err *err);
int net_route_read(struct restore *r, const struct ns *ns, struct err *err);
int net_route_make(struct restore *r, const struct net_ns *n, int nl, struct err *err);

/* ---- net_nexthop.c ---- */

int net_nexthop_collect(struct dump *d, struct net_ns *n, int nl, struct err *err);
int net_nexthop_read(const struct net_ns *n, struct err *err);
int net_nexthop_make(const struct net_ns *n, int nl, struct err *err);
/* A route that uses an object, without what that says. */
const struct nlmsghdr *net_nexthop_route(struct arena *a, const struct nlmsghdr *h);

/* ---- net_qdisc.c ---- */

int net_qdisc_collect(struct dump *d, struct net_ns *n, int nl, struct err *err);
int net_qdisc_read(const struct net_ns *n, struct err *err);
int net_qdisc_make(const struct net_ns *n, int nl, struct err *err);

/* ---- net_filter.c: collect inside of the namespace ---- */

int net_filter_collect(struct dump *d, struct net_ns *n, struct err *err);
int net_filter_write(struct dump *d, const struct ns *ns, struct err *err);
int net_filter_read(struct restore *r, const struct ns *ns, struct err *err);
int net_filter_make(struct restore *r, const struct ns *ns, struct err *err);

/* ---- net_track.c: inside of the namespace ---- */

int net_track_collect(struct dump *d, struct net_ns *n, struct err *err);
int net_track_write(struct dump *d, const struct ns *ns, struct err *err);
int net_track_read(struct restore *r, const struct ns *ns, struct err *err);
int net_track_make(struct restore *r, const struct net_ns *n, struct err *err);

#endif
