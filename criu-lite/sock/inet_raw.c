/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_raw - what only raw sockets and ping sockets have
 *
 * Raw: the protocol is part of the socket, so all that is left are switches and
 * the filter of ICMP messages.  Ping (SOCK_DGRAM of IPPROTO_ICMP): the identifier
 * of its echoes is its port.
 *
 * not kept  packets that were not read (the log warns); that it is a multicast
 *           router (MRT_INIT) or wants router alerts
 */
#include <errno.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/in6.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/proc.h"
#include "core/sockopt.h"
#include "sock/inet.h"

/* glibc's headers have neither, and the kernel's do not get along with glibc's */
#ifndef IPV6_HDRINCL
enum { IPV6_HDRINCL = 36 };
#endif

/* The filter is 1 word for IPv4, 8 for IPv6; bits are messages that are not wanted. */
struct filter_place {
	int level, name;
	socklen_t len;
};

static struct filter_place filter_place(const InetSkEntry *e)
{
	if (e->family == AF_INET)
		return (struct filter_place){ SOL_RAW, ICMP_FILTER, sizeof(uint32_t) };
	return (struct filter_place){ IPPROTO_ICMPV6, ICMPV6_FILTER, 8 * sizeof(uint32_t) };
}

static int collect_filter(struct dump *d, int fd, const InetSkEntry *e, IpOptsRawEntry *raw,
			  struct err *err)
{
	struct filter_place at = filter_place(e);
	uint32_t words[8] = { 0 };

	if (e->proto != (e->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return 0;
	if (getsockopt(fd, at.level, at.name, words, &at.len) < 0)
		return err_sys(err, "cannot read the ICMP filter of a raw socket");
	raw->n_icmpv_filter = at.len / sizeof(uint32_t);
	raw->icmpv_filter = arena_dup(d->arena, words, at.len);
	return 0;
}

/*
 * getpeername() says nothing of a peer without a port, as raw sockets have it.
 * "  12: 0100007F:00FD 0300007F:0000 01 00000000:00000000 00:00000000 00000000  0  0 INODE ..."
 */
static bool take_line(const char *line, InetSkEntry *e)
{
	unsigned int state, ino, port;
	char dst[33];
	size_t i;

	if (sscanf(line, "%*u: %*[^ ] %32[0-9A-F]:%x %x %*s %*s %*s %*u %*u %u", dst, &port, &state,
		   &ino) != 4 ||
	    ino != e->ino || state != INET_ESTABLISHED || strlen(dst) != 8 * e->n_dst_addr)
		return false;
	for (i = 0; i < e->n_dst_addr; i++)
		sscanf(dst + 8 * i, "%8x", &e->dst_addr[i]);
	e->dst_port = port;
	e->state = state;
	return true;
}

static int find_peer(struct dump *d, InetSkEntry *e, struct err *err)
{
	const char *path = arena_printf(d->arena, "self/net/%s%s",
					e->type == SOCK_RAW ? "raw" : "icmp",
					e->family == AF_INET ? "" : "6");
	char *text, *line, *save;

	if (e->state == INET_ESTABLISHED)
		return 0;
	if (proc_slurp(d->proc, path, d->arena, &text, NULL, err) < 0)
		return -err->code;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (take_line(line, e))
			break;
	return 0;
}

static void warn_of_queue(int fd, const InetSkEntry *e)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLRDHUP };

	if (poll(&p, 1, 0) > 0 && p.revents & POLLIN && !(p.revents & POLLRDHUP))
		log_warn("%s socket %u of protocol %u: packets that were not read are lost",
			 e->type == SOCK_RAW ? "raw" : "ping", e->ino, e->proto);
}

static bool is_on(int fd, int level, int name)
{
	int value;

	return sockopt_get_int(fd, level, name, &value) == 0 && value;
}

int inet_raw_collect(struct dump *d, int fd, InetSkEntry *e, struct err *err)
{
	bool is_v6 = e->family == AF_INET6;
	IpOptsRawEntry *raw;

	warn_of_queue(fd, e);
	if (find_peer(d, e, err) < 0)
		return -err->code;
	if (e->type != SOCK_RAW)
		return 0;
	raw = e->ip_opts->raw = record_new(d, ip_opts_raw_entry);
	raw->has_hdrincl = raw->hdrincl =
		is_on(fd, is_v6 ? SOL_IPV6 : SOL_IP, is_v6 ? IPV6_HDRINCL : IP_HDRINCL);
	raw->has_nodefrag = raw->nodefrag = is_on(fd, SOL_IP, IP_NODEFRAG);
	raw->has_checksum = raw->checksum = is_on(fd, SOL_IP, IP_CHECKSUM);
	return collect_filter(d, fd, e, raw, err);
}

static int apply_filter(int fd, const InetSkEntry *e, const IpOptsRawEntry *raw, struct err *err)
{
	struct filter_place at = filter_place(e);

	if (!raw->n_icmpv_filter)
		return 0;
	if (raw->n_icmpv_filter * sizeof(uint32_t) != at.len)
		return err_set(err, EBADMSG, "cannot set an ICMP filter of %zu words",
			       raw->n_icmpv_filter);
	if (setsockopt(fd, at.level, at.name, raw->icmpv_filter, at.len) < 0)
		return err_sys(err, "cannot set the ICMP filter of a raw socket");
	return 0;
}

int inet_raw_open(int fd, const InetSkEntry *e, struct err *err)
{
	const IpOptsRawEntry *raw = e->ip_opts ? e->ip_opts->raw : NULL;
	bool is_v6 = e->family == AF_INET6;

	if (e->type != SOCK_RAW || !raw)
		return 0;
	/* a socket of IPPROTO_RAW has it from the beginning, so it may be taken away too */
	if (sockopt_set_int(fd, is_v6 ? SOL_IPV6 : SOL_IP, is_v6 ? IPV6_HDRINCL : IP_HDRINCL,
			    raw->hdrincl) < 0 ||
	    (raw->nodefrag && sockopt_set_int(fd, SOL_IP, IP_NODEFRAG, 1) < 0) ||
	    (raw->checksum && sockopt_set_int(fd, SOL_IP, IP_CHECKSUM, 1) < 0))
		return err_sys(err, "cannot set the options of a raw socket");
	return apply_filter(fd, e, raw, err);
}
