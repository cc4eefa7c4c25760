/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * net_outside - devices of the tree that are tied to something outside of it
 *
 *	--external veth[IN]:OUT[@BRIDGE]	the other end of IN is OUT, in BRIDGE
 *	--external macvlan[IN]:LOWER		IN lies on LOWER
 *	--external netdev[IN]:OUT		OUT, which is there, becomes IN
 *
 * That is done by the one who stayed outside, who may do it: the namespace of
 * the tree is handed over as a descriptor. A veth whose other end was outside
 * and of which the user says nothing gets one with a name of the kernel's.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/ns.h"
#include "core/outside.h"
#include "ns/net.h"

#ifndef IFLA_NEW_IFINDEX
#define IFLA_NEW_IFINDEX 49
#endif

struct outside_link {
	NdType type;
	char inside[IFNAMSIZ], outside[IFNAMSIZ], bridge[IFNAMSIZ];
	uint32_t ifindex, mtu;
	uint8_t address[32];
	uint32_t address_len;
	uint32_t mode, flags; /* of a macvlan */
};

const char *net_external(const struct common_opts *o, const char *type, const char *name)
{
	size_t n = strlen(type), len = strlen(name);
	const char **item;

	vec_for_each(item, &o->external) {
		const char *rest = *item + n + 1 + len;

		if (strncmp(*item, type, n) == 0 && (*item)[n] == '[' &&
		    strncmp(*item + n + 1, name, len) == 0 && strncmp(rest, "]:", 2) == 0)
			return rest + 2;
	}
	return NULL;
}

/* ---- in the one outside ---- */

static int find_device(const char *name, struct err *err)
{
	unsigned int index = if_nametoindex(name);

	if (index)
		return (int)index;
	err_sys(err, "cannot find network device %s, outside of the tree", name);
	return err_hint(err, "make it before the restore, or name another one (--external)");
}

static void put_inside(struct netlink_request *q, const struct outside_link *l, int ns)
{
	netlink_put_text(q, IFLA_IFNAME, l->inside);
	if (l->mtu)
		netlink_put_u32(q, IFLA_MTU, l->mtu);
	if (l->address_len)
		netlink_put(q, IFLA_ADDRESS, l->address, l->address_len);
	netlink_put_u32(q, IFLA_NET_NS_FD, (uint32_t)ns);
}

/*
 * The devices of a namespace that has ended, and their other ends, go only
 * some time after it: a name may still be taken that is about to be free.
 */
static int send_when_free(int nl, const struct netlink_request *q, struct err *err)
{
	const struct timespec a_little = { .tv_nsec = 10 * 1000 * 1000 };

	for (int i = 0; i < 300; i++) {
		*err = (struct err){ 0 };
		if (netlink_do(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, q, err) == 0)
			return 0;
		if (err->code != EEXIST)
			break;
		nanosleep(&a_little, NULL);
	}
	return -err->code;
}

static int send_veth(int nl, const struct outside_link *l, int ns, struct err *err)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct netlink_request q;
	size_t at, at_data, at_peer;

	netlink_begin(&q, &info, sizeof(info));
	if (l->outside[0])
		netlink_put_text(&q, IFLA_IFNAME, l->outside);
	at = netlink_nest(&q, IFLA_LINKINFO);
	netlink_put_text(&q, IFLA_INFO_KIND, "veth");
	at_data = netlink_nest(&q, IFLA_INFO_DATA);
	at_peer = netlink_nest(&q, VETH_INFO_PEER);
	info.ifi_index = (int)l->ifindex;
	netlink_append(&q, &info, sizeof(info));
	put_inside(&q, l, ns);
	netlink_nest_end(&q, at_peer);
	netlink_nest_end(&q, at_data);
	netlink_nest_end(&q, at);
	if (send_when_free(nl, &q, err) < 0)
		return err_in(err, "cannot make veth %s with %s outside", l->inside,
			      l->outside[0] ? l->outside : "its other end");
	return 0;
}

/* Into its bridge, and up, as the bridge expects it of its ports. */
static int send_to_bridge(int nl, const struct outside_link *l, struct err *err)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC,
				  .ifi_flags = IFF_UP,
				  .ifi_change = IFF_UP };
	int bridge = find_device(l->bridge, err), port;
	struct netlink_request q;

	if (bridge < 0)
		return bridge;
	port = find_device(l->outside, err);
	if (port < 0)
		return port;
	info.ifi_index = port;
	netlink_begin(&q, &info, sizeof(info));
	netlink_put_u32(&q, IFLA_MASTER, (uint32_t)bridge);
	if (netlink_do(nl, RTM_NEWLINK, 0, &q, err) < 0)
		return err_in(err, "cannot put %s into bridge %s", l->outside, l->bridge);
	return 0;
}

static int send_macvlan(int nl, const struct outside_link *l, int ns, struct err *err)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = (int)l->ifindex };
	int lower = find_device(l->outside, err);
	uint16_t flags = (uint16_t)l->flags;
	struct netlink_request q;
	size_t at, at_data;

	if (lower < 0)
		return lower;
	netlink_begin(&q, &info, sizeof(info));
	put_inside(&q, l, ns);
	netlink_put_u32(&q, IFLA_LINK, (uint32_t)lower);
	at = netlink_nest(&q, IFLA_LINKINFO);
	netlink_put_text(&q, IFLA_INFO_KIND, "macvlan");
	at_data = netlink_nest(&q, IFLA_INFO_DATA);
	netlink_put_u32(&q, IFLA_MACVLAN_MODE, l->mode);
	if (flags)
		netlink_put(&q, IFLA_MACVLAN_FLAGS, &flags, sizeof(flags));
	netlink_nest_end(&q, at_data);
	netlink_nest_end(&q, at);
	if (netlink_do(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &q, err) < 0)
		return err_in(err, "cannot make macvlan %s on %s", l->inside, l->outside);
	return 0;
}

static int send_device(int nl, const struct outside_link *l, int ns, struct err *err)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct netlink_request q;

	info.ifi_index = find_device(l->outside, err);
	if (info.ifi_index < 0)
		return -err->code;
	netlink_begin(&q, &info, sizeof(info));
	netlink_put_text(&q, IFLA_IFNAME, l->inside);
	netlink_put_u32(&q, IFLA_NET_NS_FD, (uint32_t)ns);
	netlink_put_u32(&q, IFLA_NEW_IFINDEX, l->ifindex);
	if (netlink_do(nl, RTM_NEWLINK, 0, &q, err) < 0) {
		err_in(err, "cannot move network device %s in as %s", l->outside, l->inside);
		return err_hint(err, "it must be a device that can change its network namespace");
	}
	return 0;
}

static int make_outside(struct restore *r, void *args, int *fd, struct err *err)
{
	const struct outside_link *l = args;
	scoped_fd nl = netlink_open(NETLINK_ROUTE, err);

	if (nl < 0)
		return nl;
	if (l->type == ND_TYPE__EXTLINK)
		return send_device(nl, l, *fd, err);
	if (l->type == ND_TYPE__MACVLAN)
		return send_macvlan(nl, l, *fd, err);
	return send_veth(nl, l, *fd, err);
}

static int connect_outside(struct restore *r, void *args, int *fd, struct err *err)
{
	scoped_fd nl = netlink_open(NETLINK_ROUTE, err);

	return nl < 0 ? nl : send_to_bridge(nl, args, err);
}

/* ---- in the coordinator ---- */

static int set_name(char to[IFNAMSIZ], const char *name, size_t len, struct err *err)
{
	if (len >= IFNAMSIZ)
		return err_set(err, ENAMETOOLONG,
			       "cannot use \"%s\" as the name of a network device", name);
	memcpy(to, name, len);
	to[len] = '\0';
	return 0;
}

/* Which of the three is asked for? *out_ret stays NULL if nothing is said. */
static bool is_tied(const struct restore *r, const NetDeviceEntry *e, NdType *type_ret,
		    const char **out_ret)
{
	const struct common_opts *o = &r->opts->common;

	*out_ret = net_external(o, "netdev", e->name);
	*type_ret = *out_ret ? ND_TYPE__EXTLINK : e->type;
	if (*out_ret)
		return true;
	if (e->type == ND_TYPE__MACVLAN)
		return (*out_ret = net_external(o, "macvlan", e->name)) != NULL;
	if (e->type != ND_TYPE__VETH)
		return false;
	*out_ret = net_external(o, "veth", e->name);
	return *out_ret || !e->has_peer_nsid;
}

/* @type, @out: what is_tied() has said. */
static int describe(const NetDeviceEntry *e, NdType type, const char *out, struct outside_link *l,
		    struct err *err)
{
	const char *bridge = out && type == ND_TYPE__VETH ? strchr(out, '@') : NULL;

	*l = (struct outside_link){ .type = type, .ifindex = e->ifindex, .mtu = e->mtu };
	if (set_name(l->inside, e->name, strlen(e->name), err) < 0 ||
	    (out &&
	     set_name(l->outside, out, bridge ? (size_t)(bridge - out) : strlen(out), err) < 0) ||
	    (bridge && set_name(l->bridge, bridge + 1, strlen(bridge + 1), err) < 0))
		return -err->code;
	if (e->has_address) {
		l->address_len = (uint32_t)e->address.len;
		memcpy(l->address, e->address.data, e->address.len);
	}
	l->mode = e->macvlan ? e->macvlan->mode : 0;
	l->flags = e->macvlan ? e->macvlan->flags : 0;
	return 0;
}

int net_outside_make(struct restore *r, const struct ns *ns, const NetDeviceEntry *e,
		     bool *made_ret, struct err *err)
{
	struct outside_link l;
	int fd = ns->fd;
	const char *out;
	NdType type;

	*made_ret = is_tied(r, e, &type, &out);
	if (!*made_ret)
		return 0;
	if (describe(e, type, out, &l, err) < 0 ||
	    outside_run(r, make_outside, &l, sizeof(l), &fd, err) < 0)
		return -err->code;
	if (fd >= 0 && fd != ns->fd)
		close(fd);
	return 0;
}

int net_outside_connect(struct restore *r, const NetDeviceEntry *e, struct err *err)
{
	struct outside_link l;
	const char *out;
	NdType type;

	if (!is_tied(r, e, &type, &out))
		return 0;
	if (describe(e, type, out, &l, err) < 0)
		return -err->code;
	return l.bridge[0] ? outside_run(r, connect_outside, &l, sizeof(l), NULL, err) : 0;
}
