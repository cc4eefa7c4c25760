/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check - asks every kind what it needs and the kernel what it has
 *
 * What the core needs must be there.  What a kind needs may be missing, as long
 * as no task has one of that kind.  The features of --extra and --experimental
 * are CRIU's; hardly any of them stops us.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/vec.h"
#include "check.h"
#include "core/kernel.h"
#include "kinds.h"

enum category { BASIC, EXTRA, EXPERIMENTAL };

static bool always(void)
{
	return true;
}

static bool never(void)
{
	return false;
}

static bool has_legacy_iptables(void)
{
	return access("/usr/sbin/iptables-legacy", X_OK) == 0 ||
	       access("/sbin/iptables-legacy", X_OK) == 0;
}

/* In the order of CRIU.  Either a feature of the kernel, or something else. */
static const struct row {
	const char *name;
	enum category category;
	enum kernel_feature feature;
	bool (*has)(void);
} rows[] = {
	{ "mnt_id", BASIC, KERNEL_MNT_ID, NULL },
	{ "mem_dirty_track", EXTRA, KERNEL_WRITTEN, NULL },
	{ "aio_remap", EXTRA, KERNEL_AIO_REMAP, NULL },
	{ "timerfd", EXTRA, KERNEL_TIMERFD, NULL },
	{ "tun", EXTRA, KERNEL_TUN, NULL },
	{ "tun_ns", EXTRA, KERNEL_TUN_NS, NULL },
	{ "userns", EXTRA, KERNEL_USERNS, NULL },
	{ "fdinfo_lock", EXTRA, KERNEL_FDINFO_LOCK, NULL },
	{ "seccomp_suspend", EXTRA, KERNEL_SUSPEND_SECCOMP, NULL },
	{ "seccomp_filters", EXTRA, KERNEL_SECCOMP_FILTERS, NULL },
	{ "loginuid", EXTRA, KERNEL_LOGINUID, NULL },
	{ "cgroupns", EXTRA, KERNEL_CGROUPNS, NULL },
	{ "autofs", EXPERIMENTAL, KERNEL_AUTOFS, NULL },
	{ "tcp_half_closed", EXTRA, KERNEL_TCP_HALF_CLOSED, NULL },
	{ "compat_cr", EXPERIMENTAL, KERNEL_NONE, never }, /* tasks of 32 bits are refused */
	{ "uffd", EXPERIMENTAL, KERNEL_UFFD, NULL },
	{ "uffd-noncoop", EXPERIMENTAL, KERNEL_UFFD_NONCOOP, NULL },
	{ "lazy_pages", EXPERIMENTAL, KERNEL_UFFD_NONCOOP, NULL },
	{ "can_map_vdso", EXTRA, KERNEL_MAP_VDSO, NULL },
	{ "sk_ns", EXTRA, KERNEL_SK_NS, NULL },
	{ "sk_unix_file", EXTRA, KERNEL_UNIX_FILE, NULL },
	{ "net_diag_raw", EXTRA, KERNEL_SOCK_DIAG_RAW, NULL },
	{ "nsid", EXTRA, KERNEL_NSID, NULL },
	{ "link_nsid", EXTRA, KERNEL_LINK_NSID, NULL },
	{ "kcmp_epoll", EXTRA, KERNEL_KCMP_EPOLL, NULL },
	{ "timens", EXTRA, KERNEL_TIMENS, NULL },
	{ "external_net_ns", EXTRA, KERNEL_NONE, always },
	{ "clone3_set_tid", BASIC, KERNEL_CLONE3_SET_TID, NULL },
	{ "newifindex", EXTRA, KERNEL_NEWIFINDEX, NULL },
	{ "nftables", EXTRA, KERNEL_NFTABLES, NULL },
	{ "has_ipt_legacy", EXTRA, KERNEL_NONE, has_legacy_iptables },
	{ "pidfd_store", EXTRA, KERNEL_PIDFD_GETFD, NULL },
	{ "ns_pid", BASIC, KERNEL_NS_PID, NULL },
	{ "apparmor_stacking", EXTRA, KERNEL_APPARMOR_STACKING, NULL },
	{ "network_lock_nftables", EXTRA, KERNEL_NFTABLES, NULL },
	{ "sockopt_buf_lock", EXTRA, KERNEL_BUF_LOCK, NULL },
	{ "memfd_hugetlb", EXTRA, KERNEL_MEMFD_HUGETLB, NULL },
	{ "move_mount_set_group", EXTRA, KERNEL_MOVE_MOUNT_SET_GROUP, NULL },
	{ "openat2", EXTRA, KERNEL_OPENAT2, NULL },
	{ "get_rseq_conf", EXTRA, KERNEL_PTRACE_RSEQ, NULL },
	{ "ipv6_freebind", EXTRA, KERNEL_IPV6_FREEBIND, NULL },
	{ "pagemap_scan", EXTRA, KERNEL_PAGEMAP_SCAN, NULL },
	{ "timer_cr_ids", EXTRA, KERNEL_TIMER_IDS, NULL },
	{ "overlayfs_maps", EXTRA, KERNEL_OVERLAYFS_MAPS, NULL },
	{ "breakpoints", EXTRA, KERNEL_BREAKPOINTS, NULL },
	{ "pagemap_scan_guard_pages", EXTRA, KERNEL_PAGEMAP_SCAN_GUARD, NULL },

	/* ours: no dump or restore goes without */
	{ "pidfd_getfd", BASIC, KERNEL_PIDFD_GETFD, NULL },
	{ "kcmp", BASIC, KERNEL_KCMP, NULL },
};

enum { NR_ROWS = sizeof(rows) / sizeof(rows[0]) };

struct check {
	struct arena *arena;
	struct kernel *kernel;
	bool bad;	  /* the core lacks something */
	opt_strings lack; /* names */
};

static bool row_has(struct check *c, const struct row *r)
{
	return r->has ? r->has() : kernel_has(c->kernel, r->feature);
}

static int check_feature(struct check *c, const char *name, struct err *err)
{
	for (int i = 0; i < NR_ROWS; i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		if (row_has(c, &rows[i])) {
			printf("%s is supported\n", name);
			return 0;
		}
		err_set(err, EOPNOTSUPP, "%s is not supported", name);
		return err_hint(err, "see criu-lite(8) for what needs it");
	}
	err_set(err, EINVAL, "Unknown feature %s", name);
	return err_hint(err, "criu-lite --help lists them");
}

static void check_rows(struct check *c, enum category category)
{
	for (int i = 0; i < NR_ROWS; i++) {
		if (rows[i].category != category || row_has(c, &rows[i]))
			continue;
		printf("missing: %s\n", rows[i].name);
		c->bad |= category == BASIC;
		*vec_add(c->arena, &c->lack) = rows[i].name;
	}
}

static void check_needs(struct check *c, const char *kind, const enum kernel_feature *needs)
{
	for (; needs && *needs != KERNEL_NONE; needs++) {
		const char *name = kernel_feature_name(*needs);

		if (kernel_has(c->kernel, *needs))
			continue;
		printf("missing: %s, which %s needs\n", name, kind);
		*vec_add(c->arena, &c->lack) = name;
	}
}

static int verdict(const struct check *c, struct err *err)
{
	char names[128] = "";
	size_t n = 0;

	if (c->lack.n == 0) {
		printf("Looks good.\n");
		return 0;
	}

	printf(c->bad ? "Does not look good.\n"
		      : "Looks good but some kernel features are missing\n"
			"which, depending on your process tree, may cause\n"
			"dump or restore failure.\n");
	for (size_t i = 0; i < c->lack.n && n < sizeof(names); i++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "",
				      c->lack.items[i]);
	err_set(err, EOPNOTSUPP, "cannot find all features in this kernel");
	err_why(err, "missing: %s", names);
	return err_hint(err, c->bad ? "use a newer kernel, with CONFIG_CHECKPOINT_RESTORE"
				    : "try: most programs do without them");
}

int check_run(const struct check_opts *opts, struct err *err)
{
	const struct file_kind *const *file;
	const struct task_kind *const *task;
	struct arena arena;
	struct check c = { .arena = &arena };
	int ret;

	arena_init(&arena);
	c.kernel = kernel_new(&arena);
	if (opts->feature) {
		ret = check_feature(&c, opts->feature, err);
	} else {
		check_rows(&c, BASIC);
		for (file = all_kinds.files; *file; file++)
			check_needs(&c, (*file)->name, (*file)->needs);
		for (task = all_kinds.tasks; *task; task++)
			check_needs(&c, (*task)->name, (*task)->needs);
		if (opts->extra)
			check_rows(&c, EXTRA);
		if (opts->experimental)
			check_rows(&c, EXPERIMENTAL);
		ret = verdict(&c, err);
	}
	arena_fini(&arena);
	return ret;
}

void check_print_features(void)
{
	for (int i = 0; i < NR_ROWS; i++)
		printf(" %s", rows[i].name);
}
