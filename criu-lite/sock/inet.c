/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet - sockets of TCP, UDP, UDP-Lite, raw and ping sockets, over IPv4 and IPv6
 *
 * collect   everything is asked through our copy: addresses, options, the state
 *           of TCP
 * plan      an address that another program has is found by sock_diag
 * open      options, bind(), then listen() or connect().  A port may still be held
 *           by connections of yesterday, so TCP binds with SO_REUSEADDR, and what
 *           the program had is set afterwards
 * link      sizes of buffers, filters, timeouts
 *
 * --tcp-map changes addresses as soon as they have been read.
 *
 * not kept  that the address of a connected UDP socket was chosen by the kernel:
 *           it stays if the program disconnects it
 *
 * refused   corked data (inet_udp.c), TCP connections without --tcp-established
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/sockopt.h"
#include "sock/inet.h"

static bool is_known(int domain, int type, int proto)
{
	if (domain != AF_INET && domain != AF_INET6)
		return false;
	if (type == SOCK_STREAM)
		return proto == IPPROTO_TCP;
	return type == SOCK_RAW ||
	       (type == SOCK_DGRAM && (proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE ||
				       proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6));
}

static bool match_inet(const struct fd_probe *p)
{
	int domain, type, proto;

	if (!S_ISSOCK(p->st.st_mode) || (p->flags & O_PATH) ||
	    sockopt_get_int(p->own, SOL_SOCKET, SO_DOMAIN, &domain) < 0 ||
	    sockopt_get_int(p->own, SOL_SOCKET, SO_TYPE, &type) < 0 ||
	    sockopt_get_int(p->own, SOL_SOCKET, SO_PROTOCOL, &proto) < 0)
		return false;
	return is_known(domain, type, proto);
}

/* ---- addresses ---- */

const char *inet_addr_text(struct arena *a, const union inet_addr *addr)
{
	char text[INET6_ADDRSTRLEN];

	if (addr->any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &addr->v4.sin_addr, text, sizeof(text));
		return arena_printf(a, "%s:%u", text, ntohs(addr->v4.sin_port));
	}
	inet_ntop(AF_INET6, &addr->v6.sin6_addr, text, sizeof(text));
	return arena_printf(a, "[%s]:%u", text, ntohs(addr->v6.sin6_port));
}

static int make_addr(const InetSkEntry *e, const uint32_t *words, size_t n, uint32_t port,
		     union inet_addr *addr, socklen_t *len, struct err *err)
{
	memset(addr, 0, sizeof(*addr));
	if (n != (e->family == AF_INET ? 1 : 4) || port > 65535)
		return err_set(err, EBADMSG, "cannot use an address of %zu words, port %u", n,
			       port);
	addr->any.sa_family = (sa_family_t)e->family;
	if (e->family == AF_INET) {
		addr->v4.sin_port = htons((uint16_t)port);
		memcpy(&addr->v4.sin_addr, words, sizeof(addr->v4.sin_addr));
		*len = sizeof(addr->v4);
		return 0;
	}
	addr->v6.sin6_port = htons((uint16_t)port);
	memcpy(&addr->v6.sin6_addr, words, sizeof(addr->v6.sin6_addr));
	*len = sizeof(addr->v6);
	if (!e->ifname || !IN6_IS_ADDR_LINKLOCAL(&addr->v6.sin6_addr))
		return 0;
	addr->v6.sin6_scope_id = if_nametoindex(e->ifname);
	if (addr->v6.sin6_scope_id)
		return 0;
	err_sys(err, "cannot find the network device %s", e->ifname);
	return err_hint(err, "make a network device of that name");
}

int inet_addr_src(const InetSkEntry *e, union inet_addr *addr, socklen_t *len, struct err *err)
{
	return make_addr(e, e->src_addr, e->n_src_addr, e->src_port, addr, len, err);
}

int inet_addr_dst(const InetSkEntry *e, union inet_addr *addr, socklen_t *len, struct err *err)
{
	return make_addr(e, e->dst_addr, e->n_dst_addr, e->dst_port, addr, len, err);
}

/* @addr into @words (1 or 4 of them) and @port; the device of a link-local one into @e. */
static uint32_t *take_addr(struct dump *d, const union inet_addr *addr, InetSkEntry *e,
			   uint32_t *port)
{
	uint32_t *words = arena_array(d->arena, uint32_t, 4);
	char name[IF_NAMESIZE];

	if (addr->any.sa_family == AF_INET) {
		memcpy(words, &addr->v4.sin_addr, sizeof(addr->v4.sin_addr));
		*port = ntohs(addr->v4.sin_port);
		return words;
	}
	memcpy(words, &addr->v6.sin6_addr, sizeof(addr->v6.sin6_addr));
	*port = ntohs(addr->v6.sin6_port);
	if (addr->v6.sin6_scope_id && if_indextoname(addr->v6.sin6_scope_id, name))
		e->ifname = arena_strdup(d->arena, name);
	return words;
}

int inet_addrs_collect(struct dump *d, int fd, InetSkEntry *e, struct err *err)
{
	union inet_addr src = { 0 }, dst = { .any.sa_family = (sa_family_t)e->family };
	socklen_t len = sizeof(src);

	if (getsockname(fd, &src.any, &len) < 0)
		return err_sys(err, "cannot ask for the address of a socket");
	len = sizeof(dst);
	e->state = INET_CLOSED;
	if (getpeername(fd, &dst.any, &len) == 0)
		e->state = INET_ESTABLISHED;
	/* also of a connection that is not there yet, or any more; the length must be right */
	else if (errno == ENOTCONN && inet_is_tcp(e)) {
		len = e->family == AF_INET ? sizeof(dst.v4) : sizeof(dst.v6);
		getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &dst, &len);
	} else if (errno != ENOTCONN)
		return err_sys(err, "cannot ask for the peer of a socket");

	e->n_src_addr = e->n_dst_addr = e->family == AF_INET ? 1 : 4;
	e->src_addr = take_addr(d, &src, e, &e->src_port);
	e->dst_addr = take_addr(d, &dst, e, &e->dst_port);
	return 0;
}

/* An address of somebody else needs IP_FREEBIND, which may have been taken away since. */
static int check_foreign(int fresh, InetSkEntry *e, struct err *err)
{
	union inet_addr addr;
	socklen_t len;

	if (!e->src_port)
		return 0;
	if (inet_addr_src(e, &addr, &len, err) < 0)
		return -err->code;
	/* the port is at the same place in both families */
	addr.v4.sin_port = 0;
	e->has_foreign = e->foreign = bind(fresh, &addr.any, len) < 0 && errno == EADDRNOTAVAIL;
	return 0;
}

/* ---- options of IP ---- */

/* What differs from a new socket; false: nothing does. */
static bool differs(int fd, int fresh, int level, int name, int *value)
{
	int usual;

	return sockopt_get_int(fd, level, name, value) == 0 &&
	       sockopt_get_int(fresh, level, name, &usual) == 0 && *value != usual;
}

static void collect_ip(struct dump *d, int fd, int fresh, InetSkEntry *e)
{
	IpOptsEntry *o = e->ip_opts = record_new(d, ip_opts_entry);
	bool is_v6 = e->family == AF_INET6;
	int value;

	/* both are one switch, but raw sockets of IPv6 know only the second */
	o->has_freebind = o->freebind = is_v6 ? differs(fd, fresh, SOL_IPV6, IPV6_FREEBIND, &value)
					      : differs(fd, fresh, SOL_IP, IP_FREEBIND, &value);
	o->has_pktinfo = o->pktinfo = is_v6 ? differs(fd, fresh, SOL_IPV6, IPV6_RECVPKTINFO, &value)
					    : differs(fd, fresh, SOL_IP, IP_PKTINFO, &value);
	o->has_tos = differs(fd, fresh, SOL_IP, IP_TOS, &value);
	o->tos = o->has_tos ? (uint32_t)value : 0;
	o->has_ttl = differs(fd, fresh, SOL_IP, IP_TTL, &value);
	o->ttl = o->has_ttl ? (uint32_t)value : 0;
	if (!is_v6)
		return;
	e->has_v6only = sockopt_get_int(fd, SOL_IPV6, IPV6_V6ONLY, &value) == 0;
	e->v6only = e->has_v6only && value;
}

static int set_or_say(int fd, int level, int name, int value, const char *what, struct err *err)
{
	if (sockopt_set_int(fd, level, name, value) < 0)
		return err_sys(err, "cannot set %s of a socket to %d", what, value);
	return 0;
}

static int set_freebind(int fd, const InetSkEntry *e, bool on, struct err *err)
{
	bool is_v6 = e->family == AF_INET6;

	return set_or_say(fd, is_v6 ? SOL_IPV6 : SOL_IP, is_v6 ? IPV6_FREEBIND : IP_FREEBIND, on,
			  "IP_FREEBIND", err);
}

static int apply_ip(int fd, const InetSkEntry *e, struct err *err)
{
	const IpOptsEntry *o = e->ip_opts;
	bool is_v6 = e->family == AF_INET6;

	if (e->has_v6only && is_v6 &&
	    set_or_say(fd, SOL_IPV6, IPV6_V6ONLY, e->v6only, "IPV6_V6ONLY", err) < 0)
		return -err->code;
	if (!o)
		return 0;
	if (o->has_freebind && set_freebind(fd, e, o->freebind, err) < 0)
		return -err->code;
	if (o->has_pktinfo &&
	    set_or_say(fd, is_v6 ? SOL_IPV6 : SOL_IP, is_v6 ? IPV6_RECVPKTINFO : IP_PKTINFO,
		       o->pktinfo, "IP_PKTINFO", err) < 0)
		return -err->code;
	if (o->has_tos && set_or_say(fd, SOL_IP, IP_TOS, (int)o->tos, "IP_TOS", err) < 0)
		return -err->code;
	/* IP_TOS has just chosen a priority that goes with it */
	if (o->has_tos && e->opts->has_so_priority &&
	    set_or_say(fd, SOL_SOCKET, SO_PRIORITY, (int)e->opts->so_priority, "SO_PRIORITY", err) <
		    0)
		return -err->code;
	return o->has_ttl ? set_or_say(fd, SOL_IP, IP_TTL, (int)o->ttl, "IP_TTL", err) : 0;
}

/* ---- dump ---- */

static int collect_what(const struct fd_probe *p, InetSkEntry *e, struct err *err)
{
	int family, type, proto;

	if (sockopt_get_int(p->own, SOL_SOCKET, SO_DOMAIN, &family) < 0 ||
	    sockopt_get_int(p->own, SOL_SOCKET, SO_TYPE, &type) < 0 ||
	    sockopt_get_int(p->own, SOL_SOCKET, SO_PROTOCOL, &proto) < 0)
		return err_sys(err, "cannot ask what a socket is");
	e->family = (uint32_t)family;
	e->type = (uint32_t)type;
	e->proto = (uint32_t)proto;
	e->ino = (uint32_t)p->st.st_ino;
	e->flags = p->flags;
	return 0;
}

static int collect_inet(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	struct inet_state *s = kind_state(d->kinds, &inet_kind);
	InetSkEntry *e = fe->isk = record_new(d, inet_sk_entry);
	scoped_fd fresh = -1;

	s->has_sockets |= d->netns && d->netns->is_root;
	if (collect_what(p, e, err) < 0 || inet_addrs_collect(d, p->own, e, err) < 0)
		return -err->code;
	fresh = sock_new((int)e->family, (int)e->type | SOCK_CLOEXEC, (int)e->proto);
	if (fresh < 0)
		return err_sys(err, "cannot make a socket like it to compare them");
	collect_ip(d, p->own, fresh, e);
	if (sockopt_collect(d, p->own, &e->opts, err) < 0)
		return -err->code;

	e->tcp_opts = record_new(d, tcp_opts_entry);
	if (check_foreign(fresh, e, err) < 0)
		return -err->code;
	if (inet_is_tcp(e))
		return inet_tcp_collect(d, p->own, fresh, e, err);
	if (inet_udp_collect(d, p->own, e, err) < 0)
		return -err->code;
	return inet_is_udp(e) ? 0 : inet_raw_collect(d, p->own, e, err);
}

/* ---- restore ---- */

/* --tcp-map: where it was is not where it is. */
static void map_addrs(const addr_maps *maps, InetSkEntry *e)
{
	addr_map_apply(maps, e->src_addr, e->n_src_addr, &e->src_port);
	addr_map_apply(maps, e->dst_addr, e->n_dst_addr, &e->dst_port);
	for (size_t i = 0; i < e->n_waiting; i++) {
		InetWaitingEntry *w = e->waiting[i];

		addr_map_apply(maps, w->src_addr, w->n_src_addr, &w->src_port);
		addr_map_apply(maps, w->dst_addr, w->n_dst_addr, &w->dst_port);
	}
	for (size_t i = 0; i < e->n_queue; i++) {
		InetDatagramEntry *g = e->queue[i];
		uint32_t port = e->src_port;

		addr_map_apply(maps, g->src_addr, g->n_src_addr, &g->src_port);
		if (g->n_dst_addr)
			addr_map_apply(maps, g->dst_addr, g->n_dst_addr, &port);
	}
}

static int read_inet(struct restore *r, struct file *f, struct err *err)
{
	struct inet_state *s = kind_state(r->kinds, &inet_kind);
	const struct ns *ns = r->ns->root[NS_NET];
	InetSkEntry *e = f->image->isk;

	map_addrs(&r->opts->tcp_maps, e);

	s->has_sockets |= ns && e->has_ns_id && e->ns_id == ns->id;
	inet_waiting_read(r, e);
	if (is_known((int)e->family, (int)e->type, (int)e->proto))
		return inet_is_stream(e) ? inet_stream_read(r, f, err) : 0;
	err_set(err, EOPNOTSUPP, "cannot restore a socket of family %u, type %u, protocol %u",
		e->family, e->type, e->proto);
	return err_hint(err, "this version cannot restore them yet");
}

static int plan_inet(struct restore *r, struct file *f, struct err *err)
{
	const InetSkEntry *e = f->image->isk;

	if (sockopt_check(e->opts, err) < 0)
		return -err->code;
	if (inet_is_stream(e) && inet_stream_plan(r, e, err) < 0)
		return -err->code;
	if (e->n_waiting && inet_waiting_plan(r, e, err) < 0)
		return -err->code;
	return inet_is_tcp(e) || inet_is_udp(e) ? inet_port_plan(r, f, err) : 0;
}

static bool has_src_addr(const InetSkEntry *e)
{
	size_t i;

	for (i = 0; i < e->n_src_addr; i++)
		if (e->src_addr[i])
			return true;
	return false;
}

int inet_bind(struct restore *r, int fd, const InetSkEntry *e, struct err *err)
{
	union inet_addr addr;
	socklen_t len;
	int ret;

	/* the port of a raw socket is its protocol */
	if (!e->src_port || (e->type == SOCK_RAW && !has_src_addr(e)))
		return 0;
	if (inet_addr_src(e, &addr, &len, err) < 0)
		return -err->code;
	if (e->foreign && set_freebind(fd, e, true, err) < 0)
		return -err->code;
	ret = bind(fd, &addr.any, len);
	if (ret < 0 && errno == EADDRINUSE && inet_is_tcp(e)) {
		if (inet_port_clear(r, e, err) < 0)
			return -err->code;
		ret = bind(fd, &addr.any, len);
	}
	if (ret == 0 && e->foreign)
		return set_freebind(fd, e, e->ip_opts && e->ip_opts->freebind, err);
	if (ret == 0)
		return 0;
	err_sys(err, "cannot bind a socket to %s", inet_addr_text(r->arena, &addr));
	if (err->code == EADDRNOTAVAIL)
		return err_hint(err, "give this host that address (ip address add)");
	return err_hint(err, "ss -tunap shows who has it");
}

static int new_inet(struct restore *r, const InetSkEntry *e, struct err *err)
{
	int fd;

	/* ports that are shared by SO_REUSEPORT are so among sockets of one user */
	if (sock_act_as_owner(r, err) < 0)
		return -err->code;
	fd = sock_new((int)e->family, (int)e->type | SOCK_CLOEXEC, (int)e->proto);
	sock_act_as_root();
	if (fd >= 0)
		return fd;
	err_sys(err, "cannot create a socket of family %u, protocol %u", e->family, e->proto);
	if (err->code == EACCES)
		return err_hint(err, "allow a group to have ping sockets: "
				     "sysctl -w net.ipv4.ping_group_range='0 0'");
	return -err->code;
}

static int open_inet(struct restore *r, struct file *f, struct err *err)
{
	const InetSkEntry *e = f->image->isk;
	scoped_fd fd = new_inet(r, e, err);

	if (fd < 0 || sockopt_begin(r, fd, e->opts, err) < 0 || apply_ip(fd, e, err) < 0)
		return -err->code;
	if (f->data)
		return inet_stream_open(r, fd, f->data, err) < 0 ? -err->code : take_fd(&fd);
	if (e->closed)
		return inet_closed_open(r, fd, e, err) < 0 ? -err->code : take_fd(&fd);
	if (inet_is_tcp(e) && set_or_say(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR", err) < 0)
		return -err->code;
	if (inet_bind(r, fd, e, err) < 0)
		return -err->code;
	if ((inet_is_tcp(e) ? inet_tcp_open(fd, e, err) : inet_udp_open(fd, e, err)) < 0)
		return -err->code;
	if (!inet_is_tcp(e) && !inet_is_udp(e) && inet_raw_open(fd, e, err) < 0)
		return -err->code;
	return take_fd(&fd);
}

static int link_inet(struct restore *r, struct file *f, int fd, struct err *err)
{
	const InetSkEntry *e = f->image->isk;

	if (e->opts->has_reuseaddr &&
	    set_or_say(fd, SOL_SOCKET, SO_REUSEADDR, e->opts->reuseaddr, "SO_REUSEADDR", err) < 0)
		return -err->code;
	if (f->data ? inet_stream_link(r, fd, f->data, err) < 0
		    : inet_queue_link(r, fd, e, err) < 0)
		return -err->code;
	if (sockopt_end(r, fd, e->opts, err) < 0)
		return -err->code;
	return e->n_waiting && !r->opts->common.tcp_close ? inet_waiting_link(fd, e, err) : 0;
}

static const enum kernel_feature inet_needs[] = { KERNEL_SOCK_DIAG_INET, KERNEL_NONE };

const struct file_kind inet_kind = {
	.name = "socket",
	.type = FD_TYPES__INETSK,
	.match = match_inet,
	.state_size = sizeof(struct inet_state),
	.needs = inet_needs,
	.collect = collect_inet,
	.collect_end = inet_stream_collect_end,
	.drain_end = inet_stream_drain_end,
	.dump_end = inet_stream_dump_end,
	.read = read_inet,
	.plan = plan_inet,
	.open = open_inet,
	.link = link_inet,
	.before = inet_stream_before,
	.after = inet_stream_after,
	.resume = inet_stream_resume,
};
