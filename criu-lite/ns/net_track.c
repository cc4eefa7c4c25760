/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * net_track - connections that netfilter has seen, and those it expects
 *
 * The images are the kernel's answers, one after the other. Sent back, they make
 * the same entries, with the time they had left.
 *
 * not kept  counters and time stamps of entries; which entry has brought about
 *           another one is known only for expectations
 */
#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ns/net.h"

enum { CT = NFNL_SUBSYS_CTNETLINK << 8, EXP = NFNL_SUBSYS_CTNETLINK_EXP << 8 };

struct taken {
	struct arena *arena;
	struct net_messages *to;
};

static int take(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct taken *t = arg;

	net_add_message(t->arena, t->to, h);
	return 0;
}

/* A kernel that tracks nothing has nothing to say. */
static int list(struct dump *d, int nl, uint16_t type, struct net_messages *to, struct err *err)
{
	const struct nfgenmsg all = { .nfgen_family = AF_UNSPEC };
	struct taken t = { d->arena, to };

	if (netlink_ask(nl, type, NLM_F_DUMP, &all, sizeof(all), take, &t, err) == 0)
		return 0;
	if (err->code != EINVAL && err->code != EOPNOTSUPP)
		return err_in(err, "connections seen by netfilter");
	*err = (struct err){ 0 };
	return 0;
}

int net_track_collect(struct dump *d, struct net_ns *n, struct err *err)
{
	int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (nl < 0) /* this kernel has no netfilter */
		return 0;

	scoped_fd end __attribute__((unused)) = nl;

	if (list(d, nl, CT | IPCTNL_MSG_CT_GET, &n->track, err) < 0)
		return -err->code;
	return list(d, nl, EXP | IPCTNL_MSG_EXP_GET, &n->expect, err);
}

static int write_one(struct dump *d, enum image_type type, const struct ns *ns,
		     const struct net_messages *m, struct err *err)
{
	scoped_image *img = NULL;

	if (image_create_now(d->store, type, ns->id, &img, err) < 0 ||
	    (m->len && image_put_raw(img, m->data, m->len, err) < 0))
		return -err->code;
	return image_close(take_ptr(img), err);
}

int net_track_write(struct dump *d, const struct ns *ns, struct err *err)
{
	const struct net_ns *n = net_ns_of(ns);

	if (write_one(d, IMAGE_NETNF_CT, ns, &n->track, err) < 0)
		return -err->code;
	return write_one(d, IMAGE_NETNF_EXP, ns, &n->expect, err);
}

static int read_one(struct restore *r, enum image_type type, const struct ns *ns,
		    struct net_messages *m, struct err *err)
{
	scoped_image *img = NULL;
	bool found;

	if (image_open(r->store, type, ns->id, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	if (net_read_image(r, img, 0, m, NULL, err) < 0)
		return -err->code;
	if (net_are_messages(m, 0, sizeof(struct nfgenmsg)))
		return 0;
	err_set(err, EBADMSG, "cannot understand %s", image_name(img));
	return err_hint(err, "it is damaged; take the checkpoint again");
}

int net_track_read(struct restore *r, const struct ns *ns, struct err *err)
{
	struct net_ns *n = net_ns_of(ns);

	if (read_one(r, IMAGE_NETNF_CT, ns, &n->track, err) < 0)
		return -err->code;
	return read_one(r, IMAGE_NETNF_EXP, ns, &n->expect, err);
}

/* What the kernel tells of the flags of a TCP direction it wants to be told with a mask. */
static void unmask(const void *protoinfo, size_t len)
{
	static const uint16_t types[] = { CTA_PROTOINFO_TCP_FLAGS_ORIGINAL,
					  CTA_PROTOINFO_TCP_FLAGS_REPLY };
	size_t tcp_len;
	const void *tcp = netlink_find(protoinfo, len, CTA_PROTOINFO_TCP, 1, &tcp_len);

	for (size_t i = 0; tcp && i < 2; i++) {
		struct nf_ct_tcp_flags *flags = (struct nf_ct_tcp_flags *)netlink_find(
			tcp, tcp_len, types[i], sizeof(*flags), NULL);

		if (flags)
			flags->mask = flags->flags;
	}
}

static int make_entries(int nl, const struct net_messages *m, uint16_t type, struct err *err)
{
	const struct nlmsghdr *h;

	for_each_message(h, m)
	{
		size_t len;
		const void *info = netlink_attr(h, sizeof(struct nfgenmsg), CTA_PROTOINFO, 1, &len);

		if (type == (CT | IPCTNL_MSG_CT_NEW) && info)
			unmask(info, len);
		*err = (struct err){ 0 };
		if (netlink_ask(nl, type, NLM_F_CREATE | NLM_F_EXCL, (const char *)h + NLMSG_HDRLEN,
				h->nlmsg_len - NLMSG_HDRLEN, NULL, NULL, err) < 0 &&
		    err->code != EEXIST)
			return err_in(err, "cannot restore a connection that netfilter had seen");
	}
	*err = (struct err){ 0 };
	return 0;
}

int net_track_make(struct restore *r, const struct net_ns *n, struct err *err)
{
	scoped_fd nl = -1;

	if (!n->track.len && !n->expect.len)
		return 0;
	nl = netlink_open(NETLINK_NETFILTER, err);
	if (nl < 0)
		return err_hint(err, "this kernel must have nf_conntrack_netlink");
	if (make_entries(nl, &n->track, CT | IPCTNL_MSG_CT_NEW, err) < 0)
		return -err->code;
	return make_entries(nl, &n->expect, EXP | IPCTNL_MSG_EXP_NEW, err);
}
