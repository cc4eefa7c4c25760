/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netlink - sockets of AF_NETLINK
 *
 * collect   addresses and groups through our copy
 * open      created, bound to the same port id, member of the same groups,
 *           connected
 * link      sizes of buffers, filters, timeouts
 *
 * not kept  whether it was SOCK_RAW or SOCK_DGRAM, which the kernel does not tell
 *           apart: the record has no field for it
 *
 * refused   messages that were not read, and requests that are being answered
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/kind.h"
#include "core/sockopt.h"
#include "images/sk-netlink.pb-c.h"

enum { GROUPS_MAX = 64 }; /* words: 2048 groups, more than any protocol has */

static bool match_netlink(const struct fd_probe *p)
{
	int domain;

	return S_ISSOCK(p->st.st_mode) && !(p->flags & O_PATH) &&
	       sockopt_get_int(p->own, SOL_SOCKET, SO_DOMAIN, &domain) == 0 && domain == AF_NETLINK;
}

/* ---- dump ---- */

static int collect_addrs(int fd, NetlinkSkEntry *e, struct err *err)
{
	struct sockaddr_nl src = { 0 }, dst = { 0 };
	socklen_t len = sizeof(src);

	if (getsockname(fd, (struct sockaddr *)&src, &len) < 0)
		return err_sys(err, "cannot ask for the port of a netlink socket");
	len = sizeof(dst);
	if (getpeername(fd, (struct sockaddr *)&dst, &len) < 0)
		return err_sys(err, "cannot ask for the peer of a netlink socket");
	e->portid = src.nl_pid;
	e->dst_portid = dst.nl_pid;
	/* getpeername() gives the group as a bit */
	e->dst_group = dst.nl_groups ? (uint32_t)__builtin_ffs((int)dst.nl_groups) : 0;
	e->state = e->dst_portid || e->dst_group;
	return 0;
}

static int collect_groups(struct dump *d, int fd, NetlinkSkEntry *e, struct err *err)
{
	uint32_t groups[GROUPS_MAX] = { 0 };
	socklen_t len = sizeof(groups);

	if (getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len) < 0)
		return err_sys(err, "cannot ask for the groups of a netlink socket");
	if (len > sizeof(groups))
		return err_set(err, EOVERFLOW, "cannot keep netlink groups of %u bytes", len);
	e->n_groups = len / sizeof(uint32_t);
	e->groups = arena_dup(d->arena, groups, len);
	return 0;
}

static int check_queue(int fd, const NetlinkSkEntry *e, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	/* looking at messages would take an error away */
	if (poll(&p, 1, 0) < 0)
		return err_sys(err, "cannot ask for the events of a socket");
	if (!(p.revents & (POLLIN | POLLERR)))
		return 0;
	/* who has asked reads the answer soon */
	err_set(err, EAGAIN,
		"cannot dump a netlink socket of protocol %u with %s that was not read",
		e->protocol, p.revents & POLLERR ? "an error" : "a message");
	return err_hint(err, "dump again when the program has read it");
}

static int collect_netlink(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	NetlinkSkEntry *e = fe->nlsk = record_new(d, netlink_sk_entry);
	int protocol;

	if (sockopt_get_int(p->own, SOL_SOCKET, SO_PROTOCOL, &protocol) < 0)
		return err_sys(err, "cannot ask what a socket is");
	e->protocol = (uint32_t)protocol;
	e->ino = (uint32_t)p->st.st_ino;
	e->flags = p->flags;
	if (collect_addrs(p->own, e, err) < 0 || collect_groups(d, p->own, e, err) < 0 ||
	    check_queue(p->own, e, err) < 0)
		return -err->code;
	return sockopt_collect(d, p->own, &e->opts, err);
}

/* ---- restore ---- */

static int plan_netlink(struct restore *r, struct file *f, struct err *err)
{
	const NetlinkSkEntry *e = f->image->nlsk;

	if (e->n_groups > GROUPS_MAX || e->dst_group > 32)
		return err_set(err, EBADMSG, "cannot restore a netlink socket with these groups");
	return sockopt_check(e->opts, err);
}

static int join_groups(int fd, const NetlinkSkEntry *e, struct err *err)
{
	uint32_t group;

	for (group = 1; group <= e->n_groups * 32; group++) {
		if (!(e->groups[(group - 1) / 32] & 1u << (group - 1) % 32))
			continue;
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return err_sys(err, "cannot join group %u of netlink protocol %u", group,
				       e->protocol);
	}
	return 0;
}

static int bind_netlink(int fd, const NetlinkSkEntry *e, struct err *err)
{
	struct sockaddr_nl src = { .nl_family = AF_NETLINK, .nl_pid = e->portid };
	struct sockaddr_nl dst = { .nl_family = AF_NETLINK, .nl_pid = e->dst_portid };

	if (e->portid && bind(fd, (struct sockaddr *)&src, sizeof(src)) < 0) {
		err_sys(err, "cannot have port %u of netlink protocol %u", e->portid, e->protocol);
		return err_hint(err, "another socket has it; restore in another network namespace");
	}
	if (e->dst_group)
		dst.nl_groups = 1u << (e->dst_group - 1);
	if ((e->dst_portid || e->dst_group) &&
	    connect(fd, (struct sockaddr *)&dst, sizeof(dst)) < 0)
		return err_sys(err, "cannot connect a netlink socket to port %u", e->dst_portid);
	return 0;
}

static int open_netlink(struct restore *r, struct file *f, struct err *err)
{
	const NetlinkSkEntry *e = f->image->nlsk;
	scoped_fd fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, (int)e->protocol);

	if (fd < 0) {
		err_sys(err, "cannot create a netlink socket of protocol %u", e->protocol);
		return err_hint(err, "this kernel must know that protocol");
	}
	if (sockopt_begin(r, fd, e->opts, err) < 0 || bind_netlink(fd, e, err) < 0 ||
	    join_groups(fd, e, err) < 0)
		return -err->code;
	return take_fd(&fd);
}

static int link_netlink(struct restore *r, struct file *f, int fd, struct err *err)
{
	return sockopt_end(r, fd, f->image->nlsk->opts, err);
}

const struct file_kind netlink_kind = {
	.name = "netlink socket",
	.type = FD_TYPES__NETLINKSK,
	.match = match_netlink,
	.collect = collect_netlink,
	.plan = plan_netlink,
	.open = open_netlink,
	.link = link_netlink,
};
