/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * net_link - network devices: what is known of them
 *
 * collect   RTM_GETLINK lists them. The other end of a veth, or the device below
 *           a macvlan, may be in another namespace of the tree, or outside
 * write     what a tun device says only to who has it open
 *
 * Of what the record has no field for, attributes are kept as the kernel gave
 * them ("settings"): queue length, alias, group, how IPv6 addresses are made,
 * parameters of bridges and their ports. They are given back as they are.
 *
 * not kept  devices that a tunnel module makes in every namespace, and their
 *           settings; learnt and static entries and the VLANs of bridges;
 *           offloads, numbers of queues, other names of a device
 *
 * refused   devices of all other kinds, unless they are external; programs on
 *           devices (XDP)
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/ns.h"
#include "ns/net.h"

struct walk {
	struct dump *d;
	const struct ns *ns;
};

/* The attributes of a link. */
struct seen {
	const struct nlmsghdr *h;
	const struct ifinfomsg *info;
	const char *name, *kind;
	const void *data; /* of its kind */
	size_t data_len;
	const void *linkinfo;
	size_t linkinfo_len;
};

static const void *link_attr(const struct nlmsghdr *h, uint16_t type, size_t min, size_t *len_ret)
{
	return netlink_attr(h, sizeof(struct ifinfomsg), type, min, len_ret);
}

static uint32_t link_u32(const struct nlmsghdr *h, uint16_t type)
{
	const uint32_t *value = link_attr(h, type, sizeof(*value), NULL);

	return value ? *value : 0;
}

/* ---- what belongs to another device ---- */

struct asked {
	int32_t nsid;
};

static int take_nsid(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const int32_t *id =
		netlink_attr(h, sizeof(struct rtgenmsg), NETNSA_NSID, sizeof(*id), NULL);
	struct asked *asked = arg;

	if (h->nlmsg_type == RTM_NEWNSID && id)
		asked->nsid = *id;
	return 0;
}

/* The number of @other in the namespace of @nl, -1: it has none. */
static int ask_nsid(struct dump *d, int nl, const struct ns *other, int32_t *id_ret,
		    struct err *err)
{
	const struct rtgenmsg any = { .rtgen_family = AF_UNSPEC };
	struct asked asked = { .nsid = -1 };
	struct netlink_request q;
	scoped_fd fd = ns_open(d, other, err);

	if (fd < 0)
		return fd;
	netlink_begin(&q, &any, sizeof(any));
	netlink_put_u32(&q, NETNSA_FD, (uint32_t)fd);
	if (netlink_ask(nl, RTM_GETNSID, 0, q.data, q.len, take_nsid, &asked, err) < 0)
		return -err->code;
	*id_ret = asked.nsid;
	return 0;
}

/* The numbers that other namespaces of the tree have in this one. */
static int collect_nsids(struct dump *d, NetnsEntry *e, int nl, struct err *err)
{
	struct ns **other;

	e->nsids = arena_array(d->arena, NetnsId *, d->ns->all.n);
	vec_for_each(other, &d->ns->all) {
		NetnsId *id;
		int32_t value;

		if ((*other)->type != NS_NET)
			continue;
		if (ask_nsid(d, nl, *other, &value, err) < 0)
			return -err->code;
		if (value < 0)
			continue;
		id = e->nsids[e->n_nsids++] = record_new(d, netns_id);
		id->target_ns_id = (*other)->id;
		id->netnsid_value = value;
	}
	return 0;
}

/* The link behind IFLA_LINK: its number, and that of its namespace here; see find_peer(). */
static void take_peer(const struct seen *s, struct net_link *l)
{
	const int32_t *nsid = link_attr(s->h, IFLA_LINK_NETNSID, sizeof(*nsid), NULL);

	l->e->has_peer_ifindex = link_attr(s->h, IFLA_LINK, sizeof(uint32_t), NULL) != NULL;
	l->e->peer_ifindex = link_u32(s->h, IFLA_LINK);
	l->has_nsid = nsid != NULL;
	l->nsid = nsid ? *nsid : 0;
}

/* When all namespaces of the tree are known. */
static void find_peer(const struct ns *ns, struct net_link *l)
{
	const NetnsEntry *n = net_ns_of(ns)->e;

	if (!l->e->has_peer_ifindex)
		return;
	if (!l->has_nsid) {
		l->e->has_peer_nsid = true;
		l->e->peer_nsid = ns->id;
		return;
	}
	for (size_t i = 0; i < n->n_nsids; i++)
		if (n->nsids[i]->netnsid_value == l->nsid) {
			l->e->has_peer_nsid = true;
			l->e->peer_nsid = n->nsids[i]->target_ns_id;
		}
}

/* ---- kinds ---- */

static int take_macvlan(const struct walk *w, const struct seen *s, NetDeviceEntry *e,
			struct err *err)
{
	MacvlanLinkEntry *m = e->macvlan = record_new(w->d, macvlan_link_entry);
	const uint32_t *mode =
		netlink_find(s->data, s->data_len, IFLA_MACVLAN_MODE, sizeof(*mode), NULL);
	const uint16_t *flags =
		netlink_find(s->data, s->data_len, IFLA_MACVLAN_FLAGS, sizeof(*flags), NULL);

	if (!mode)
		return err_set(err, EPROTO, "cannot ask for the mode of macvlan %s", s->name);
	if (*mode == MACVLAN_MODE_SOURCE) {
		err_set(err, EOPNOTSUPP, "cannot dump macvlan %s: it is of mode \"source\"",
			s->name);
		return err_hint(err, "its list of addresses is not supported yet");
	}
	m->mode = *mode;
	m->has_flags = flags != NULL;
	m->flags = flags ? *flags : 0;
	return 0;
}

static uint32_t data_u8(const struct seen *s, uint16_t type)
{
	const uint8_t *value = netlink_find(s->data, s->data_len, type, 1, NULL);

	return value ? *value : 0;
}

static int32_t data_id(const struct seen *s, uint16_t type)
{
	const uint32_t *value = netlink_find(s->data, s->data_len, type, sizeof(*value), NULL);

	return value ? (int32_t)*value : -1;
}

static int take_tun(const struct walk *w, const struct seen *s, NetDeviceEntry *e, struct err *err)
{
	TunLinkEntry *t = e->tun = record_new(w->d, tun_link_entry);
	int32_t owner = data_id(s, IFLA_TUN_OWNER), group = data_id(s, IFLA_TUN_GROUP);

	t->flags = data_u8(s, IFLA_TUN_TYPE);
	t->flags |= data_u8(s, IFLA_TUN_PI) ? 0 : IFF_NO_PI;
	t->flags |= data_u8(s, IFLA_TUN_VNET_HDR) ? IFF_VNET_HDR : 0;
	t->flags |= data_u8(s, IFLA_TUN_PERSIST) ? IFF_PERSIST : 0;
	t->flags |= data_u8(s, IFLA_TUN_MULTI_QUEUE) ? IFF_MULTI_QUEUE : 0;
	t->owner = owner < 0 ? -1 : (int32_t)ns_uid_inside(w->d->ns, (uid_t)owner);
	t->group = group < 0 ? -1 : (int32_t)ns_gid_inside(w->d->ns, (gid_t)group);
	return 0;
}

static int take_other(const struct walk *w, const struct seen *s, NetDeviceEntry *e,
		      struct err *err)
{
	e->kind = arena_strdup(w->d->arena, s->kind);
	return 0;
}

static const struct kind_of_link {
	const char *kind;
	NdType type;
	int (*take)(const struct walk *w, const struct seen *s, NetDeviceEntry *e, struct err *err);
	bool plain; /* see net_link_is_plain() */
} kinds_of_link[] = {
	{ "veth", ND_TYPE__VETH, NULL, false },
	{ "bridge", ND_TYPE__BRIDGE, NULL, true },
	{ "macvlan", ND_TYPE__MACVLAN, take_macvlan, false },
	{ "tun", ND_TYPE__TUN, take_tun, false },
	{ "dummy", ND_TYPE__OTHER, take_other, true },
	{ "ifb", ND_TYPE__OTHER, take_other, true },
	{ "vlan", ND_TYPE__OTHER, take_other, true },
	{ "vxlan", ND_TYPE__OTHER, take_other, true },
};

static const struct kind_of_link *find_kind(const char *kind)
{
	for (size_t i = 0; i < sizeof(kinds_of_link) / sizeof(kinds_of_link[0]); i++)
		if (kind && strcmp(kinds_of_link[i].kind, kind) == 0)
			return &kinds_of_link[i];
	return NULL;
}

bool net_link_is_plain(const char *kind)
{
	const struct kind_of_link *k = find_kind(kind);

	return k && k->plain;
}

/* Tunnel modules make these in every namespace; nobody can make or remove them. */
static bool is_fallback(const char *name)
{
	static const char *const names[] = { "gre0",	"gretap0", "erspan0", "sit0",	 "tunl0",
					     "ip6tnl0", "ip6gre0", "ip_vti0", "ip6_vti0" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* ---- settings ---- */

static void keep_attr(struct netlink_request *q, const struct nlmsghdr *h, uint16_t type)
{
	size_t len;
	const void *value = link_attr(h, type, 1, &len);

	if (value)
		netlink_put(q, type, value, len);
}

/* How link-local addresses are made, of all that stands below AF_INET6. */
static void keep_inet6(struct netlink_request *q, const struct nlmsghdr *h)
{
	size_t len, at, at6;
	const void *spec = link_attr(h, IFLA_AF_SPEC, 1, &len);
	const uint8_t *mode;

	spec = spec ? netlink_find(spec, len, AF_INET6, 1, &len) : NULL;
	mode = spec ? netlink_find(spec, len, IFLA_INET6_ADDR_GEN_MODE, 1, NULL) : NULL;
	if (!mode)
		return;
	at = netlink_nest(q, IFLA_AF_SPEC);
	at6 = netlink_nest(q, AF_INET6);
	netlink_put(q, IFLA_INET6_ADDR_GEN_MODE, mode, 1);
	netlink_nest_end(q, at6);
	netlink_nest_end(q, at);
}

/* What the kernel tells of a bridge and its ports and refuses to be told, or does by itself. */
enum { BR_FDB_N_LEARNED = 48, BRPORT_STATE = 1, BRPORT_LAST = 37 /* that we know */ };

/* Switches that are off are left alone: some are not even there. */
enum { BR_MULTI_BOOLOPT = 46 };

struct switches {
	uint32_t on, mask;
};

static void keep_switches(struct netlink_request *q, const struct nlattr *a)
{
	struct switches s;

	if (a->nla_len < NLA_HDRLEN + sizeof(s))
		return;
	memcpy(&s, (const char *)a + NLA_HDRLEN, sizeof(s));
	s.mask = s.on;
	netlink_put(q, BR_MULTI_BOOLOPT, &s, sizeof(s));
}

static bool is_off(const struct nlattr *a)
{
	return a->nla_len <= NLA_HDRLEN || !*((const char *)a + NLA_HDRLEN);
}

/* Told as a byte; set by its being there. */
static void keep_flag(struct netlink_request *q, const struct nlattr *a)
{
	if (!is_off(a))
		netlink_put(q, a->nla_type, "", 0);
}

static bool is_told_only(const char *kind, const struct nlattr *a)
{
	uint16_t type = a->nla_type & NLA_TYPE_MASK;

	/* off: it may not even be there */
	if (strcmp(kind, "bridge") == 0 && type == IFLA_BR_VLAN_FILTERING)
		return is_off(a);
	/* off: to say so takes bits of its packets */
	if (strcmp(kind, "vxlan") == 0 && type == IFLA_VXLAN_REMCSUM_RX)
		return is_off(a);
	if (strcmp(kind, "bridge") == 0)
		return type == BR_FDB_N_LEARNED;
	return strcmp(kind, "bridge_port") == 0 && (type == BRPORT_STATE || type > BRPORT_LAST);
}

static void keep_nested(struct netlink_request *q, uint16_t type, const char *kind,
			const void *attrs, size_t size)
{
	size_t at = 0, nest = netlink_nest(q, type);

	while (at + NLA_HDRLEN <= size) {
		const struct nlattr *a = (const void *)((const char *)attrs + at);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > size - at)
			break;
		if (strcmp(kind, "bridge") == 0 && a->nla_type == BR_MULTI_BOOLOPT)
			keep_switches(q, a);
		else if (strcmp(kind, "vxlan") == 0 && a->nla_type == IFLA_VXLAN_TTL_INHERIT)
			keep_flag(q, a);
		else if (!is_told_only(kind, a))
			netlink_append(q, a, a->nla_len);
		at += NLA_ALIGN(a->nla_len);
	}
	netlink_nest_end(q, nest);
}

static void keep_info(struct netlink_request *q, const struct seen *s)
{
	size_t at, len;
	const void *slave =
		netlink_find(s->linkinfo, s->linkinfo_len, IFLA_INFO_SLAVE_KIND, 1, NULL);
	const void *data =
		netlink_find(s->linkinfo, s->linkinfo_len, IFLA_INFO_SLAVE_DATA, 1, &len);

	bool plain = net_link_is_plain(s->kind);

	if (!plain && !slave)
		return;
	at = netlink_nest(q, IFLA_LINKINFO);
	if (plain)
		netlink_put_text(q, IFLA_INFO_KIND, s->kind);
	if (plain && s->data)
		keep_nested(q, IFLA_INFO_DATA, s->kind, s->data, s->data_len);
	if (slave && data) {
		netlink_put_text(q, IFLA_INFO_SLAVE_KIND, "bridge");
		keep_nested(q, IFLA_INFO_SLAVE_DATA, "bridge_port", data, len);
	}
	netlink_nest_end(q, at);
}

static int take_settings(const struct walk *w, const struct seen *s, NetDeviceEntry *e,
			 struct err *err)
{
	struct netlink_request q;

	netlink_begin(&q, "", 0);
	keep_attr(&q, s->h, IFLA_TXQLEN);
	keep_attr(&q, s->h, IFLA_IFALIAS);
	keep_attr(&q, s->h, IFLA_GROUP);
	keep_inet6(&q, s->h);
	keep_info(&q, s);
	if (q.is_full)
		return err_set(err, EMSGSIZE, "cannot keep the settings of device %s", s->name);
	e->has_settings = true;
	e->settings.len = q.len;
	e->settings.data = arena_dup(w->d->arena, q.data, q.len);
	return 0;
}

/* ---- dump ---- */

static int refuse_link(const struct seen *s, const char *why, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump network device %s%s%s", s->name,
		s->kind ? " of kind " : "", s->kind ? s->kind : "");
	err_why(err, "%s", why);
	return err_hint(err,
			"remove it, or keep it outside: --external netdev[%s]:NAME here, and "
			"at restore, with NAME of a device that is to become it",
			s->name);
}

static const char *problem_of(const struct seen *s)
{
	size_t len;
	const void *xdp = link_attr(s->h, IFLA_XDP, 1, &len);
	const uint8_t *attached = xdp ? netlink_find(xdp, len, IFLA_XDP_ATTACHED, 1, NULL) : NULL;
	size_t master_len;
	const char *master =
		netlink_find(s->linkinfo, s->linkinfo_len, IFLA_INFO_SLAVE_KIND, 1, &master_len);

	if (attached && *attached)
		return "a program is attached to it (XDP)";
	if (link_u32(s->h, IFLA_MASTER) &&
	    (!master || master_len < 6 || memcmp(master, "bridge", 6) != 0))
		return "it is part of another device that is no bridge";
	return NULL;
}

/* What sort of device, and what only its sort has. */
static int take_kind(const struct walk *w, const struct seen *s, struct net_link *l,
		     struct err *err)
{
	NetDeviceEntry *e = l->e;
	const struct kind_of_link *k = find_kind(s->kind);
	const char *problem = problem_of(s);

	if (s->info->ifi_type == ARPHRD_LOOPBACK) {
		e->type = ND_TYPE__LOOPBACK;
		return 0;
	}
	if (net_external(&w->d->opts->common, "netdev", s->name)) {
		e->type = ND_TYPE__EXTLINK;
		return 0;
	}
	if (!k || problem)
		return refuse_link(s, problem ? problem : "this sort is not supported", err);
	e->type = k->type;
	take_peer(s, l);
	return k->take ? k->take(w, s, e, err) : 0;
}

static void see(struct arena *a, const struct nlmsghdr *h, const struct ifinfomsg *info,
		struct seen *s)
{
	const void *text;
	size_t len = 0;

	*s = (struct seen){ .h = h, .info = info };
	text = link_attr(h, IFLA_IFNAME, 1, &len);
	s->name = netlink_text(a, text, len);
	s->linkinfo = link_attr(h, IFLA_LINKINFO, 1, &s->linkinfo_len);
	if (!s->linkinfo)
		return;
	text = netlink_find(s->linkinfo, s->linkinfo_len, IFLA_INFO_KIND, 1, &len);
	s->kind = netlink_text(a, text, len);
	s->data = netlink_find(s->linkinfo, s->linkinfo_len, IFLA_INFO_DATA, 1, &s->data_len);
}

static int take_link(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct ifinfomsg *info = netlink_payload(h, sizeof(*info));
	const struct walk *w = arg;
	struct net_link *l;
	NetDeviceEntry *e;
	const void *address;
	struct seen s;
	size_t len;

	if (!info || h->nlmsg_type != RTM_NEWLINK)
		return err_set(err, EPROTO, "cannot read the list of network devices");
	see(w->d->arena, h, info, &s);
	if (!s.name)
		return err_set(err, EPROTO, "cannot read the name of network device %d",
			       info->ifi_index);
	if (is_fallback(s.name))
		return 0;

	l = vec_add(w->d->arena, &net_ns_of(w->ns)->links);
	l->e = e = record_new(w->d, net_device_entry);
	e->name = (char *)s.name;
	e->ifindex = (uint32_t)info->ifi_index;
	e->flags = info->ifi_flags;
	e->mtu = link_u32(h, IFLA_MTU);
	e->master = link_u32(h, IFLA_MASTER);
	e->has_master = e->master != 0;
	if (take_kind(w, &s, l, err) < 0 || take_settings(w, &s, e, err) < 0)
		return -err->code;
	address = e->type == ND_TYPE__LOOPBACK ? NULL : link_attr(h, IFLA_ADDRESS, 1, &len);
	e->has_address = address != NULL;
	if (address) {
		e->address.len = len;
		e->address.data = arena_dup(w->d->arena, address, len);
	}
	return 0;
}

int net_link_collect(struct dump *d, const struct ns *ns, int nl, struct err *err)
{
	struct walk w = { .d = d, .ns = ns };
	const struct ifinfomsg all = { .ifi_family = AF_UNSPEC };
	struct net_link *l;

	if (netlink_ask(nl, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all), take_link, &w, err) < 0)
		return -err->code;
	vec_for_each(l, &net_ns_of(ns)->links)
		if (net_sysctl_collect_link(d, l->e, err) < 0)
			return -err->code;
	return 0;
}

/* ---- write ---- */

/* A file of the tree that is attached to it. */
static const struct file *tun_file(struct dump *d, const struct ns *ns, const char *name)
{
	struct file *f;

	for_each_file(f, d->files) {
		const TunfileEntry *t = f->image ? f->image->tunf : NULL;

		if (t && t->netdev && strcmp(t->netdev, name) == 0 &&
		    (!t->has_ns_id || t->ns_id == ns->id))
			return f;
	}
	return NULL;
}

/* One that nobody has open: be it for a moment ourselves. */
static int attach(const NetDeviceEntry *e, struct err *err)
{
	struct ifreq ifr = { .ifr_flags = (short)(e->tun->flags & ~(uint32_t)IFF_PERSIST) };
	scoped_fd fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	memcpy(ifr.ifr_name, e->name, strnlen(e->name, IFNAMSIZ - 1));
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0) {
		err_sys(err, "cannot ask device %s for its settings", e->name);
		return err_hint(err, "a process outside of the tree has it open, or there is no "
				     "/dev/net/tun here");
	}
	return take_fd(&fd);
}

static int write_tun(struct dump *d, const struct ns *ns, NetDeviceEntry *e, struct err *err)
{
	const struct file *f = tun_file(d, ns, e->name);
	scoped_fd fd = f ? file_get(d, f, err) : attach(e, err);
	int header, sndbuf;

	if (fd < 0)
		return -err->code;
	if (ioctl(fd, TUNGETVNETHDRSZ, &header) < 0 || ioctl(fd, TUNGETSNDBUF, &sndbuf) < 0)
		return err_sys(err, "cannot ask device %s for its settings", e->name);
	e->tun->vnethdr = (uint32_t)header;
	e->tun->sndbuf = (uint32_t)sndbuf;
	return 0;
}

/* The numbers of namespaces are there when links have been asked for: the kernel gives them then. */
int net_link_settle(struct dump *d, const struct ns *ns, int nl, struct err *err)
{
	struct net_link *l;

	if (collect_nsids(d, net_ns_of(ns)->e, nl, err) < 0)
		return -err->code;
	vec_for_each(l, &net_ns_of(ns)->links)
		find_peer(ns, l);
	return 0;
}

int net_link_write(struct dump *d, const struct ns *ns, struct err *err)
{
	scoped_image *img = NULL;
	const struct net_link *l;

	if (image_create(d->store, IMAGE_NETDEV, ns->id, &img, err) < 0)
		return -err->code;
	vec_for_each(l, &net_ns_of(ns)->links)
		if ((l->e->type == ND_TYPE__TUN && write_tun(d, ns, l->e, err) < 0) ||
		    image_put(img, &l->e->base, err) < 0)
			return -err->code;
	return image_close(take_ptr(img), err);
}

/* ---- read ---- */

static bool is_name(const char *s)
{
	return *s && strlen(s) < IFNAMSIZ && strcmp(s, ".") != 0 && strcmp(s, "..") != 0 &&
	       !strpbrk(s, "/: \t\n\v\f\r");
}

/* Attributes one behind the other, to the last byte, and only those that we keep. */
static bool are_settings(const ProtobufCBinaryData *b)
{
	size_t at = 0;

	while (at < b->len) {
		struct nlattr a;

		if (b->len - at < sizeof(a))
			return false;
		memcpy(&a, b->data + at, sizeof(a));
		a.nla_type &= NLA_TYPE_MASK;
		if (a.nla_len < NLA_HDRLEN || a.nla_len > b->len - at ||
		    (a.nla_type != IFLA_TXQLEN && a.nla_type != IFLA_IFALIAS &&
		     a.nla_type != IFLA_GROUP && a.nla_type != IFLA_AF_SPEC &&
		     a.nla_type != IFLA_LINKINFO))
			return false;
		at += NLA_ALIGN(a.nla_len);
	}
	return at == b->len;
}

static const char *problem_in(const NetDeviceEntry *e)
{
	if (!is_name(e->name))
		return "its name is impossible";
	if (!e->ifindex || e->ifindex > INT32_MAX)
		return "its number is impossible";
	if (e->has_address && e->address.len > 32)
		return "its address is too long";
	if (e->has_settings && !are_settings(&e->settings))
		return "its settings cannot be understood";
	if ((e->type == ND_TYPE__TUN && !e->tun) || (e->type == ND_TYPE__MACVLAN && !e->macvlan) ||
	    (e->type == ND_TYPE__OTHER && !net_link_is_plain(e->kind)))
		return "it is not described";
	return NULL;
}

static int check_link(const NetDeviceEntry *e, struct err *err)
{
	const char *problem = problem_in(e);

	if (problem) {
		err_set(err, EBADMSG, "cannot restore network device %s", e->name);
		return err_why(err, "%s", problem);
	}
	if (e->type != ND_TYPE__VENET && e->type != ND_TYPE__SIT)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot restore network device %s of kind %s", e->name,
		e->type == ND_TYPE__SIT ? "sit" : "venet");
	return err_hint(err, "remove it before the dump; this sort is not supported yet");
}

int net_link_read(struct restore *r, const struct ns *ns, struct err *err)
{
	struct net_ns *n = net_ns_of(ns);
	scoped_image *img = NULL;
	NetDeviceEntry *e;
	bool found;
	int got;

	if (image_open(r->store, IMAGE_NETDEV, ns->id, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	while ((got = image_get(img, &net_device_entry__descriptor, (void **)&e, err)) > 0) {
		if (check_link(e, err) < 0)
			return -err->code;
		vec_add(r->arena, &n->links)->e = e;
	}
	return got;
}
