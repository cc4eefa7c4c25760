/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel - features of this kernel, each probed once, when it is first asked for
 *
 * A version number says nothing about distribution kernels, so every feature is
 * tried: by a call that succeeds without effect, or that fails in one way where
 * the feature is there and in another where it is not.
 */
#include <assert.h>
#include <stdint.h>

#include "base/log.h"
#include "core/kernel.h"
#include "core/kernel_probes.h"

struct kernel {
	enum { UNKNOWN, YES, NO } known[KERNEL_NR_FEATURES];
};

static const struct {
	const char *name; /* CRIU's, where it has one */
	bool (*probe)(void);
} features[KERNEL_NR_FEATURES] = {
	[KERNEL_PIDFD_GETFD] = { "pidfd_getfd", probe_pidfd_getfd },
	[KERNEL_CLONE3_SET_TID] = { "clone3_set_tid", probe_clone3_set_tid },
	[KERNEL_KCMP] = { "kcmp", probe_kcmp },
	[KERNEL_PAGEMAP_SCAN] = { "pagemap_scan", probe_pagemap_scan },
	[KERNEL_PAGEMAP_SCAN_GUARD] = { "pagemap_scan_guard_pages", probe_pagemap_scan_guard },
	[KERNEL_UFFD] = { "uffd", probe_uffd },
	[KERNEL_UFFD_NONCOOP] = { "uffd-noncoop", probe_uffd_noncoop },
	[KERNEL_WRITTEN] = { "mem_dirty_track", probe_written },
	[KERNEL_PTRACE_RSEQ] = { "get_rseq_conf", probe_ptrace_rseq },
	[KERNEL_SUSPEND_SECCOMP] = { "seccomp_suspend", probe_suspend_seccomp },
	[KERNEL_SECCOMP_FILTERS] = { "seccomp_filters", probe_seccomp_filters },
	[KERNEL_TIMERFD] = { "timerfd", probe_timerfd },
	[KERNEL_TIMER_IDS] = { "timer_cr_ids", probe_timer_ids },
	[KERNEL_SOCK_DIAG_UNIX] = { "unix_diag", probe_sock_diag_unix },
	[KERNEL_SOCK_DIAG_INET] = { "inet_diag", probe_sock_diag_inet },
	[KERNEL_SOCK_DIAG_NETLINK] = { "netlink_diag", probe_sock_diag_netlink },
	[KERNEL_SOCK_DIAG_PACKET] = { "packet_diag", probe_sock_diag_packet },
	[KERNEL_SOCK_DIAG_RAW] = { "net_diag_raw", probe_sock_diag_raw },
	[KERNEL_UNIX_FILE] = { "sk_unix_file", probe_unix_file },
	[KERNEL_BUF_LOCK] = { "sockopt_buf_lock", probe_buf_lock },
	[KERNEL_MEMFD_HUGETLB] = { "memfd_hugetlb", probe_memfd_hugetlb },
	[KERNEL_MEMBARRIER_GET] = { "membarrier_get_registrations", probe_membarrier_get },
	[KERNEL_MAP_VDSO] = { "can_map_vdso", probe_map_vdso },
	[KERNEL_OPENAT2] = { "openat2", probe_openat2 },
	[KERNEL_MNT_ID] = { "mnt_id", probe_mnt_id },
	[KERNEL_TIMENS] = { "timens", probe_timens },
	[KERNEL_CGROUPNS] = { "cgroupns", probe_cgroupns },
	[KERNEL_USERNS] = { "userns", probe_userns },
	[KERNEL_STATMOUNT] = { "statmount", probe_statmount },
	[KERNEL_MOVE_MOUNT_SET_GROUP] = { "move_mount_set_group", probe_move_mount_set_group },
	[KERNEL_NSID] = { "nsid", probe_nsid },
	[KERNEL_TUN] = { "tun", probe_tun },
	[KERNEL_LOGINUID] = { "loginuid", probe_loginuid },
	[KERNEL_FDINFO_LOCK] = { "fdinfo_lock", probe_fdinfo_lock },
	[KERNEL_PIDFS] = { "pidfs", probe_pidfs },
	[KERNEL_POPULATE] = { "madv_populate", probe_populate },
	[KERNEL_AIO_REMAP] = { "aio_remap", probe_aio_remap },
	[KERNEL_TUN_NS] = { "tun_ns", probe_tun_ns },
	[KERNEL_AUTOFS] = { "autofs", probe_autofs },
	[KERNEL_TCP_HALF_CLOSED] = { "tcp_half_closed", probe_tcp_half_closed },
	[KERNEL_SK_NS] = { "sk_ns", probe_sk_ns },
	[KERNEL_LINK_NSID] = { "link_nsid", probe_link_nsid },
	[KERNEL_KCMP_EPOLL] = { "kcmp_epoll", probe_kcmp_epoll },
	[KERNEL_NEWIFINDEX] = { "newifindex", probe_newifindex },
	[KERNEL_NFTABLES] = { "nftables", probe_nftables },
	[KERNEL_NS_PID] = { "ns_pid", probe_ns_pid },
	[KERNEL_APPARMOR_STACKING] = { "apparmor_stacking", probe_apparmor_stacking },
	[KERNEL_IPV6_FREEBIND] = { "ipv6_freebind", probe_ipv6_freebind },
	[KERNEL_OVERLAYFS_MAPS] = { "overlayfs_maps", probe_overlayfs_maps },
	[KERNEL_BREAKPOINTS] = { "breakpoints", probe_breakpoints },
};

struct kernel *kernel_new(struct arena *a)
{
	return arena_new(a, struct kernel);
}

bool kernel_has(struct kernel *k, enum kernel_feature f)
{
	assert(f > KERNEL_NONE && f < KERNEL_NR_FEATURES);

	if (k->known[f] == UNKNOWN) {
		k->known[f] = features[f].probe() ? YES : NO;
		log_debug("kernel: %s: %s", features[f].name, k->known[f] == YES ? "yes" : "no");
	}
	return k->known[f] == YES;
}

const char *kernel_feature_name(enum kernel_feature f)
{
	assert(f > KERNEL_NONE && f < KERNEL_NR_FEATURES);
	return features[f].name;
}
