/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * net_link_make - network devices are made again
 *
 * First all exist, with their old numbers and names; then they get their
 * settings, and into their bridges; then those that were up are so again.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/ns.h"
#include "ns/net.h"

/* What a user can change of ifi_flags. */
enum {
	FLAGS_SET = IFF_DEBUG | IFF_NOARP | IFF_MULTICAST | IFF_PROMISC | IFF_ALLMULTI,
	CREATE = NLM_F_CREATE | NLM_F_EXCL,
};

/* ---- create ---- */

static void put_name(struct netlink_request *q, const NetDeviceEntry *e)
{
	netlink_put_text(q, IFLA_IFNAME, e->name);
	if (e->mtu)
		netlink_put_u32(q, IFLA_MTU, e->mtu);
	if (e->has_address)
		netlink_put(q, IFLA_ADDRESS, e->address.data, e->address.len);
}

static void begin_new(struct netlink_request *q, const NetDeviceEntry *e)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = (int)e->ifindex };

	netlink_begin(q, &info, sizeof(info));
	put_name(q, e);
}

static int send_new(int nl, const NetDeviceEntry *e, const struct netlink_request *q,
		    struct err *err)
{
	if (netlink_do(nl, RTM_NEWLINK, CREATE, q, err) == 0)
		return 0;
	err_in(err, "cannot make network device %s (number %u)", e->name, e->ifindex);
	return err_hint(err, "this kernel must know that sort of device (ip link add)");
}

static struct net_link *link_by_index(const struct ns *ns, uint32_t index)
{
	struct net_ns *n = net_ns_of(ns);
	struct net_link *l;

	vec_for_each(l, &n->links)
		if (l->e->ifindex == index)
			return l;
	return NULL;
}

/* The other end, or the device below, if it is in the tree. */
static struct net_link *peer_of(struct restore *r, const NetDeviceEntry *e,
				const struct ns **ns_ret)
{
	const struct ns *ns = e->has_peer_nsid ? ns_by_id(r->ns, NS_NET, e->peer_nsid) : NULL;

	*ns_ret = ns;
	return ns && e->has_peer_ifindex ? link_by_index(ns, e->peer_ifindex) : NULL;
}

/* Both ends at once, each in its namespace. */
static int make_veth(struct restore *r, int nl, struct net_link *l, struct err *err)
{
	const struct ns *there;
	struct net_link *peer = peer_of(r, l->e, &there);
	struct netlink_request q;
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	size_t at, at_data, at_peer;

	if (!peer || peer->made || peer->e->type != ND_TYPE__VETH) {
		err_set(err, EBADMSG, "cannot make veth %s: its other end is in no image",
			l->e->name);
		return err_hint(err, "copy all files of the dump, or take it again");
	}
	begin_new(&q, l->e);
	at = netlink_nest(&q, IFLA_LINKINFO);
	netlink_put_text(&q, IFLA_INFO_KIND, "veth");
	at_data = netlink_nest(&q, IFLA_INFO_DATA);
	at_peer = netlink_nest(&q, VETH_INFO_PEER);
	info.ifi_index = (int)peer->e->ifindex;
	netlink_append(&q, &info, sizeof(info));
	put_name(&q, peer->e);
	netlink_put_u32(&q, IFLA_NET_NS_FD, (uint32_t)there->fd);
	netlink_nest_end(&q, at_peer);
	netlink_nest_end(&q, at_data);
	netlink_nest_end(&q, at);
	if (send_new(nl, l->e, &q, err) < 0)
		return -err->code;
	peer->made = true;
	return 0;
}

/* Below it is a device of this namespace; one that lies outside is net_outside.c's. */
static int make_macvlan(int nl, const NetDeviceEntry *e, struct err *err)
{
	struct netlink_request q;
	size_t at, at_data;
	uint16_t flags = (uint16_t)e->macvlan->flags;

	begin_new(&q, e);
	netlink_put_u32(&q, IFLA_LINK, e->peer_ifindex);
	at = netlink_nest(&q, IFLA_LINKINFO);
	netlink_put_text(&q, IFLA_INFO_KIND, "macvlan");
	at_data = netlink_nest(&q, IFLA_INFO_DATA);
	netlink_put_u32(&q, IFLA_MACVLAN_MODE, e->macvlan->mode);
	if (e->macvlan->has_flags)
		netlink_put(&q, IFLA_MACVLAN_FLAGS, &flags, sizeof(flags));
	netlink_nest_end(&q, at_data);
	netlink_nest_end(&q, at);
	return send_new(nl, e, &q, err);
}

/* What the kernel said of it is what makes it. */
static int make_plain(int nl, const NetDeviceEntry *e, const char *kind, struct err *err)
{
	struct netlink_request q;
	size_t at, len = 0;
	const void *info = netlink_find(e->settings.data, e->settings.len, IFLA_LINKINFO, 1, &len);
	const void *data = info ? netlink_find(info, len, IFLA_INFO_DATA, 1, &len) : NULL;

	begin_new(&q, e);
	if (e->has_peer_ifindex)
		netlink_put_u32(&q, IFLA_LINK, e->peer_ifindex);
	at = netlink_nest(&q, IFLA_LINKINFO);
	netlink_put_text(&q, IFLA_INFO_KIND, kind);
	if (data)
		netlink_put(&q, IFLA_INFO_DATA | NLA_F_NESTED, data, len);
	netlink_nest_end(&q, at);
	return send_new(nl, e, &q, err);
}

/* Of who opens it the kernel remembers the network namespace. */
static int open_tun(struct restore *r, struct err *err)
{
	const struct net_state *s = kind_state(r->kinds, &net_ns_kind);
	char link[32];
	int fd;

	snprintf(link, sizeof(link), "self/fd/%d", s->tun);
	fd = openat(r->proc, link, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	err_sys(err, "cannot open /dev/net/tun");
	return err_hint(err, "this kernel must have tun, and there must be that device here");
}

/* It stays when nobody has it open; who opens it in the tree (file/tun.c) may end that. */
static int make_tun(struct restore *r, const NetDeviceEntry *e, struct err *err)
{
	const TunLinkEntry *t = e->tun;
	struct ifreq ifr = { .ifr_flags = (short)(t->flags & ~(uint32_t)IFF_PERSIST) };
	int index = (int)e->ifindex, header = (int)t->vnethdr, sndbuf = (int)t->sndbuf;
	scoped_fd fd = open_tun(r, err);

	if (fd < 0)
		return -err->code;
	memcpy(ifr.ifr_name, e->name, strnlen(e->name, IFNAMSIZ - 1));
	if (ioctl(fd, TUNSETIFINDEX, &index) < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 ||
	    ioctl(fd, TUNSETPERSIST, 1) < 0)
		return err_sys(err, "cannot make network device %s (number %d)", e->name, index);
	if ((t->owner >= 0 && ioctl(fd, TUNSETOWNER, (unsigned long)t->owner) < 0) ||
	    (t->group >= 0 && ioctl(fd, TUNSETGROUP, (unsigned long)t->group) < 0))
		return err_sys(err, "cannot give network device %s to its owner", e->name);
	if ((header > 0 && ioctl(fd, TUNSETVNETHDRSZ, &header) < 0) ||
	    (sndbuf > 0 && ioctl(fd, TUNSETSNDBUF, &sndbuf) < 0))
		return err_sys(err, "cannot restore the settings of network device %s", e->name);
	return 0;
}

static int make_link(struct restore *r, const struct ns *ns, int nl, struct net_link *l,
		     struct err *err)
{
	const NetDeviceEntry *e = l->e;
	const struct ns *there;
	bool is_outside;

	if (net_outside_make(r, ns, e, &is_outside, err) < 0)
		return -err->code;
	if (is_outside)
		return 0;
	switch (e->type) {
	case ND_TYPE__VETH:
		return make_veth(r, nl, l, err);
	case ND_TYPE__BRIDGE:
		return make_plain(nl, e, "bridge", err);
	case ND_TYPE__OTHER:
		return make_plain(nl, e, e->kind, err);
	case ND_TYPE__MACVLAN:
		if (!peer_of(r, e, &there) || there != ns)
			break;
		return make_macvlan(nl, e, err);
	case ND_TYPE__TUN:
		return make_tun(r, e, err);
	default:
		break;
	}
	err_set(err, EINVAL, "cannot make network device %s", e->name);
	err_why(err, "it lies on a device outside of the tree");
	return err_hint(err, "name that: --external %s[%s]:NAME",
			e->type == ND_TYPE__MACVLAN ? "macvlan" : "netdev", e->name);
}

static bool lies_on_another(const struct net_link *l)
{
	return l->e->type == ND_TYPE__MACVLAN ||
	       (l->e->type == ND_TYPE__OTHER && l->e->has_peer_ifindex);
}

int net_link_make(struct restore *r, const struct ns *ns, int nl, struct err *err)
{
	struct net_ns *n = net_ns_of(ns);
	struct net_link *l;

	for (int above = 0; above < 2; above++)
		vec_for_each(l, &n->links) {
			if (l->made || l->e->type == ND_TYPE__LOOPBACK ||
			    lies_on_another(l) != (above == 1))
				continue;
			if (make_link(r, ns, nl, l, err) < 0)
				return -err->code;
			l->made = true;
		}
	return 0;
}

/* ---- settings ---- */

/* One that has not been made with its address and MTU. */
static bool lacks_address(const struct restore *r, const NetDeviceEntry *e)
{
	return e->type == ND_TYPE__LOOPBACK || e->type == ND_TYPE__TUN ||
	       net_external(&r->opts->common, "netdev", e->name) != NULL;
}

/* A namespace that a dump has just ended is taken down in the background, with the devices that have our addresses. */
static int do_when_free(int nl, struct netlink_request *q, struct err *err)
{
	const struct timespec a_little = { .tv_nsec = 5000000 };
	const struct netlink_request saved = *q;

	for (int i = 0; netlink_do(nl, RTM_NEWLINK, 0, q, err) < 0; i++) {
		if (err->code != EADDRINUSE || i == 1000)
			return -err->code;
		nanosleep(&a_little, NULL);
		*q = saved;
		memset(err, 0, sizeof(*err));
	}
	return 0;
}

/* What it is as a port of its bridge, without what it is by itself. */
static void put_port(struct netlink_request *q, const char *info, size_t size)
{
	static const uint16_t of_port[] = { IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA };
	size_t at = netlink_nest(q, IFLA_LINKINFO), len;

	for (size_t i = 0; i < 2; i++) {
		const void *value = netlink_find(info, size, of_port[i], 1, &len);

		if (value)
			netlink_put(q, of_port[i] | (i ? NLA_F_NESTED : 0), value, len);
	}
	netlink_nest_end(q, at);
}

/* A vxlan was made with all it is, and some of that cannot even be told again. */
static void put_settings(struct netlink_request *q, const NetDeviceEntry *e)
{
	const char *settings = (const char *)e->settings.data;
	size_t at = 0;

	while (at < e->settings.len) {
		const struct nlattr *a = (const void *)(settings + at);

		if ((a->nla_type & NLA_TYPE_MASK) == IFLA_LINKINFO && e->kind &&
		    strcmp(e->kind, "vxlan") == 0)
			put_port(q, (const char *)a + NLA_HDRLEN, a->nla_len - NLA_HDRLEN);
		else
			netlink_append(q, a, a->nla_len);
		at += NLA_ALIGN(a->nla_len);
	}
}

static int configure(struct restore *r, int nl, const NetDeviceEntry *e, bool up, struct err *err)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC,
					.ifi_index = (int)e->ifindex,
					.ifi_flags = e->flags & (FLAGS_SET | (up ? IFF_UP : 0)),
					.ifi_change = FLAGS_SET | (up ? IFF_UP : 0) };
	struct netlink_request q;

	netlink_begin(&q, &info, sizeof(info));
	if (!up && e->mtu && lacks_address(r, e))
		netlink_put_u32(&q, IFLA_MTU, e->mtu);
	if (!up && e->has_address && lacks_address(r, e))
		netlink_put(&q, IFLA_ADDRESS, e->address.data, e->address.len);
	if (!up && e->has_master)
		netlink_put_u32(&q, IFLA_MASTER, e->master);
	if (up && e->has_settings)
		put_settings(&q, e);
	if (do_when_free(nl, &q, err) == 0)
		return 0;
	return err_in(err, "cannot restore the settings of network device %s", e->name);
}

int net_link_configure(struct restore *r, const struct ns *ns, int nl, bool up, struct err *err)
{
	struct net_ns *n = net_ns_of(ns);
	const struct net_link *l;

	vec_for_each(l, &n->links)
		if (configure(r, nl, l->e, up, err) < 0)
			return -err->code;
	return 0;
}

/*
 * The kernel tells of a carrier when it has time, up to a second later, and then
 * changes more.  To be asked for it, as ethtool does, makes it hurry.
 */
int net_link_sync(const struct ns *ns, struct err *err)
{
	scoped_fd fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct net_ns *n = net_ns_of(ns);
	const struct net_link *l;

	if (fd < 0)
		return err_sys(err, "cannot make a socket");
	vec_for_each(l, &n->links) {
		struct ethtool_value link = { .cmd = ETHTOOL_GLINK };
		struct ifreq ifr = { .ifr_data = (void *)&link };

		memcpy(ifr.ifr_name, l->e->name, strnlen(l->e->name, IFNAMSIZ - 1));
		/* not all sorts of devices answer */
		ioctl(fd, SIOCETHTOOL, &ifr);
	}
	return 0;
}
