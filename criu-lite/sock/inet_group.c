/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_group - multicast groups that a UDP socket has joined
 *
 * The kernel does not list them, but it answers when asked for the filter of one
 * group on one device.  So each socket is asked for every group that its host is
 * in, of which there are few.  They are kept as extras: the filter as it is, which
 * says device, group, and sources.
 *
 * not kept  names of devices: the group is joined on the device with the same number
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/proc.h"
#include "core/sockopt.h"
#include "sock/inet.h"

enum { MAX_SOURCES = 64 };

/* "1 lo : 1 V3" is a device, "010000E0 1 0:00000000 0" a group on it: in network order, as a number. */
static void add_v4(struct dump *d, const char *line, uint32_t *device, inet_groups *groups)
{
	struct group_req *g;
	struct sockaddr_in *in;
	uint32_t addr;

	if (line[0] != '\t') {
		if (sscanf(line, "%u", device) != 1)
			*device = 0;
		return;
	}
	if (sscanf(line, "%x", &addr) != 1 || !*device)
		return;
	g = vec_add(d->arena, groups);
	g->gr_interface = *device;
	in = (struct sockaddr_in *)&g->gr_group;
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = addr;
}

/* "1 lo ff020000000000000000000000000001 1 0000000C 0" */
static void add_v6(struct dump *d, const char *line, inet_groups *groups)
{
	struct group_req *g;
	struct sockaddr_in6 *in;
	unsigned int device, i, byte;
	char hex[33];

	if (sscanf(line, "%u %*s %32s", &device, hex) != 2 || strlen(hex) != 32)
		return;
	g = vec_add(d->arena, groups);
	g->gr_interface = device;
	in = (struct sockaddr_in6 *)&g->gr_group;
	in->sin6_family = AF_INET6;
	for (i = 0; i < 16; i++) {
		sscanf(hex + 2 * i, "%2x", &byte);
		in->sin6_addr.s6_addr[i] = (uint8_t)byte;
	}
}

static int read_groups(struct dump *d, const char *path, int family, inet_groups *groups,
		       struct err *err)
{
	uint32_t device = 0;
	char *text, *line, *save;

	if (proc_slurp(d->proc, path, d->arena, &text, NULL, err) < 0) {
		/* a kernel without multicast or without IPv6 */
		if (err->code != ENOENT)
			return -err->code;
		memset(err, 0, sizeof(*err));
		return 0;
	}
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (family == AF_INET)
			add_v4(d, line, &device, groups);
		else
			add_v6(d, line, groups);
	}
	return 0;
}

static int collect_group(struct dump *d, int fd, int level, const struct group_req *g,
			 SkOptsEntry *opts, struct err *err)
{
	union {
		struct group_filter f;
		char room[GROUP_FILTER_SIZE(MAX_SOURCES)];
	} u;
	socklen_t len = sizeof(u);

	memset(&u, 0, sizeof(u));
	u.f.gf_interface = g->gr_interface;
	u.f.gf_group = g->gr_group;
	u.f.gf_numsrc = MAX_SOURCES;
	if (getsockopt(fd, level, MCAST_MSFILTER, &u, &len) < 0) {
		/* the second: a raw socket of IPv6 knows nothing of IPv4 */
		if (errno == EADDRNOTAVAIL || errno == ENOPROTOOPT)
			return 0;
		return err_sys(err, "cannot ask a socket for its multicast groups");
	}
	if (u.f.gf_numsrc > MAX_SOURCES) {
		err_set(err, EOVERFLOW, "cannot keep %u sources of a multicast group",
			u.f.gf_numsrc);
		return err_hint(err, "at most %d can be kept", MAX_SOURCES);
	}
	sockopt_extra_add(d, opts, level, MCAST_MSFILTER, &u, GROUP_FILTER_SIZE(u.f.gf_numsrc));
	return 0;
}

int inet_group_collect(struct dump *d, struct inet_state *s, int fd, const InetSkEntry *e,
		       struct err *err)
{
	struct group_req *g;

	if (!s->has_groups && (read_groups(d, "self/net/igmp", AF_INET, &s->groups, err) < 0 ||
			       read_groups(d, "self/net/igmp6", AF_INET6, &s->groups, err) < 0))
		return -err->code;
	s->has_groups = true;

	vec_for_each(g, &s->groups) {
		int level = g->gr_group.ss_family == AF_INET ? SOL_IP : SOL_IPV6;

		/* a socket of IPv6 can be in groups of both */
		if (level == SOL_IPV6 && e->family == AF_INET)
			continue;
		if (collect_group(d, fd, level, g, e->opts, err) < 0)
			return -err->code;
	}
	return 0;
}
