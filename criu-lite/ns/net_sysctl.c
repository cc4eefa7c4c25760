/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * net_sysctl - the settings below /proc/sys/net of a namespace and its devices
 *
 * /proc/sys shows the network namespace of who looks. The record has them by
 * place in a list, not by name, so these lists are part of the format.
 *
 * restore   what is as it should be is not written: some settings do more than
 *           being set ("all" sets every device, disable_ipv6 drops addresses)
 *
 * not kept  settings that are in none of the lists
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/ns.h"
#include "ns/net.h"

static const char *const conf4[] = {
	"accept_local",
	"accept_redirects",
	"accept_source_route",
	"arp_accept",
	"arp_announce",
	"arp_filter",
	"arp_ignore",
	"arp_notify",
	"bootp_relay",
	"disable_policy",
	"disable_xfrm",
	"force_igmp_version",
	"forwarding",
	"igmpv2_unsolicited_report_interval",
	"igmpv3_unsolicited_report_interval",
	"log_martians",
	"medium_id",
	"promote_secondaries",
	"proxy_arp",
	"proxy_arp_pvlan",
	"route_localnet",
	"rp_filter",
	"secure_redirects",
	"send_redirects",
	"shared_media",
	"src_valid_mark",
	"tag",
	"ignore_routes_with_linkdown",
	"drop_gratuitous_arp",
	"drop_unicast_in_l2_multicast",
};

static const char *const conf6[] = {
	"accept_dad",
	"accept_ra",
	"accept_ra_defrtr",
	"accept_ra_from_local",
	"accept_ra_min_hop_limit",
	"accept_ra_mtu",
	"accept_ra_pinfo",
	"accept_ra_rt_info_max_plen",
	"accept_ra_rtr_pref",
	"accept_redirects",
	"accept_source_route",
	"autoconf",
	"dad_transmits",
	"disable_ipv6",
	"drop_unicast_in_l2_multicast",
	"drop_unsolicited_na",
	"force_mld_version",
	"force_tllao",
	"forwarding",
	"hop_limit",
	"ignore_routes_with_linkdown",
	"keep_addr_on_down",
	"max_addresses",
	"max_desync_factor",
	"mldv1_unsolicited_report_interval",
	"mldv2_unsolicited_report_interval",
	"mtu",
	"ndisc_notify",
	"optimistic_dad",
	"proxy_ndp",
	"regen_max_retry",
	"router_probe_interval",
	"router_solicitation_delay",
	"router_solicitation_interval",
	"router_solicitations",
	"stable_secret",
	"suppress_frag_ndisc",
	"temp_prefered_lft",
	"temp_valid_lft",
	"use_oif_addrs_only",
	"use_optimistic",
	"use_tempaddr",
};

struct list_of {
	const char *dir;
	const char *const *names;
	size_t n;
};

static const struct list_of lists[] = {
	{ "ipv4", conf4, sizeof(conf4) / sizeof(conf4[0]) },
	{ "ipv6", conf6, sizeof(conf6) / sizeof(conf6[0]) },
};

enum { CONF4, CONF6 };

/*
 * Those in conf6 that come last: whether addresses are tried, which takes a
 * second, and the MTU, which a device that comes up overwrites.
 */
enum { ACCEPT_DAD = 0, MTU = 26 };

static bool is_late(int which, size_t i)
{
	return which == CONF6 && (i == ACCEPT_DAD || i == MTU);
}

static bool is_text(const char *name)
{
	return strcmp(name, "stable_secret") == 0;
}

/* ---- one ---- */

/* Its text without the newline, NULL: it is not there, or not set. */
static char *get(int proc, struct arena *a, const char *path)
{
	char *text;
	size_t len;

	if (io_slurp_at(proc, path, a, &text, &len) < 0 || len == 0)
		return NULL;
	if (text[len - 1] == '\n')
		text[len - 1] = '\0';
	return text;
}

static int set(struct restore *r, const char *path, const char *value, struct err *err)
{
	const char *now = get(r->proc, r->arena, path);
	scoped_fd fd = -1;

	if (now && strcmp(now, value) == 0)
		return 0;
	fd = openat(r->proc, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		err_sys(err, "cannot set /proc/%s to %s", path, value);
		return err_hint(err, "this kernel must have that setting, and allow that value");
	}
	return 0;
}

static SysctlEntry *collect_one(struct dump *d, const char *path, bool text)
{
	SysctlEntry *e = record_new(d, sysctl_entry);
	char *value = get(d->proc, d->arena, path);

	e->type = text ? SYSCTL_TYPE__CTL_STR : SYSCTL_TYPE__CTL_32;
	if (text)
		e->sarg = value;
	e->has_iarg = !text && value;
	e->iarg = e->has_iarg ? (int32_t)strtol(value, NULL, 10) : 0;
	return e;
}

static int apply_one(struct restore *r, const char *path, const SysctlEntry *e, struct err *err)
{
	if (e->type == SYSCTL_TYPE__CTL_STR)
		return e->sarg ? set(r, path, e->sarg, err) : 0;
	return e->has_iarg ? set(r, path, arena_printf(r->arena, "%d", e->iarg), err) : 0;
}

/* ---- lists ---- */

static const char *conf_path(struct arena *a, const struct list_of *l, const char *of, size_t i)
{
	return arena_printf(a, "sys/net/%s/conf/%s/%s", l->dir, of, l->names[i]);
}

static void collect_list(struct dump *d, int which, const char *of, size_t *n_ret,
			 SysctlEntry ***list_ret)
{
	const struct list_of *l = &lists[which];

	*n_ret = l->n;
	*list_ret = arena_array(d->arena, SysctlEntry *, l->n);
	for (size_t i = 0; i < l->n; i++)
		(*list_ret)[i] =
			collect_one(d, conf_path(d->arena, l, of, i), is_text(l->names[i]));
}

/* Images of older criu have fewer. */
static int apply_list(struct restore *r, int which, const char *of, SysctlEntry *const *list,
		      size_t n, struct err *err)
{
	const struct list_of *l = &lists[which];

	for (size_t i = 0; i < n && i < l->n; i++) {
		if (is_late(which, i))
			continue;
		if (apply_one(r, conf_path(r->arena, l, of, i), list[i], err) < 0)
			return -err->code;
	}
	return 0;
}

static int apply_late(struct restore *r, const char *of, SysctlEntry *const *list, size_t n,
		      struct err *err)
{
	const struct list_of *l = &lists[CONF6];

	for (size_t i = 0; i < n && i < l->n; i++)
		if (is_late(CONF6, i) &&
		    apply_one(r, conf_path(r->arena, l, of, i), list[i], err) < 0)
			return -err->code;
	return 0;
}

/* ---- those of the namespace ---- */

static const char ping_groups[] = "sys/net/ipv4/ping_group_range";
static const char max_dgram_qlen[] = "sys/net/unix/max_dgram_qlen";

/* The kernel shows groups as the reader numbers them, and "1 0" for none. */
static char *ping_range(struct dump *d)
{
	char *text = get(d->proc, d->arena, ping_groups);
	unsigned int from, to;

	if (!text || sscanf(text, "%u %u", &from, &to) != 2 || from > to)
		return NULL;
	return arena_printf(d->arena, "%u %u", ns_gid_inside(d->ns, from),
			    ns_gid_inside(d->ns, to));
}

int net_sysctl_collect(struct dump *d, NetnsEntry *e, struct err *err)
{
	collect_list(d, CONF4, "default", &e->n_def_conf4, &e->def_conf4);
	collect_list(d, CONF4, "all", &e->n_all_conf4, &e->all_conf4);
	collect_list(d, CONF6, "default", &e->n_def_conf6, &e->def_conf6);
	collect_list(d, CONF6, "all", &e->n_all_conf6, &e->all_conf6);

	e->unix_conf = arena_array(d->arena, SysctlEntry *, 1);
	e->unix_conf[0] = collect_one(d, max_dgram_qlen, false);
	e->n_unix_conf = e->unix_conf[0]->has_iarg;

	e->ipv4_sysctl = arena_array(d->arena, SysctlEntry *, 1);
	e->ipv4_sysctl[0] = record_new(d, sysctl_entry);
	e->ipv4_sysctl[0]->type = SYSCTL_TYPE__CTL_STR;
	e->ipv4_sysctl[0]->sarg = ping_range(d);
	e->n_ipv4_sysctl = 1;
	return 0;
}

int net_sysctl_collect_link(struct dump *d, NetDeviceEntry *e, struct err *err)
{
	collect_list(d, CONF4, e->name, &e->n_conf4, &e->conf4);
	collect_list(d, CONF6, e->name, &e->n_conf6, &e->conf6);
	return 0;
}

/* ---- restore ---- */

int net_sysctl_begin(struct restore *r, struct err *err)
{
	static const char *const of[] = { "all", "default", "lo" };

	if (faccessat(r->proc, "sys/net/ipv6", F_OK, 0) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		if (set(r, conf_path(r->arena, &lists[CONF6], of[i], ACCEPT_DAD), "0", err) < 0)
			return -err->code;
	return 0;
}

/* "all" goes to every device and to "default", so it is first. */
int net_sysctl_apply(struct restore *r, const struct net_ns *n, struct err *err)
{
	const NetnsEntry *e = n->e;
	const struct net_link *l;

	if (apply_list(r, CONF4, "all", e->all_conf4, e->n_all_conf4, err) < 0 ||
	    apply_list(r, CONF4, "default", e->def_conf4, e->n_def_conf4, err) < 0 ||
	    apply_list(r, CONF6, "all", e->all_conf6, e->n_all_conf6, err) < 0 ||
	    apply_list(r, CONF6, "default", e->def_conf6, e->n_def_conf6, err) < 0)
		return -err->code;
	vec_for_each(l, &n->links)
		if (apply_list(r, CONF4, l->e->name, l->e->conf4, l->e->n_conf4, err) < 0 ||
		    apply_list(r, CONF6, l->e->name, l->e->conf6, l->e->n_conf6, err) < 0)
			return -err->code;

	if (e->n_unix_conf && apply_one(r, max_dgram_qlen, e->unix_conf[0], err) < 0)
		return -err->code;
	return e->n_ipv4_sysctl ? apply_one(r, ping_groups, e->ipv4_sysctl[0], err) : 0;
}

int net_sysctl_end(struct restore *r, const struct net_ns *n, struct err *err)
{
	const NetnsEntry *e = n->e;
	const struct net_link *l;

	if (apply_late(r, "all", e->all_conf6, e->n_all_conf6, err) < 0 ||
	    apply_late(r, "default", e->def_conf6, e->n_def_conf6, err) < 0)
		return -err->code;
	vec_for_each(l, &n->links)
		if (apply_late(r, l->e->name, l->e->conf6, l->e->n_conf6, err) < 0)
			return -err->code;
	return 0;
}
