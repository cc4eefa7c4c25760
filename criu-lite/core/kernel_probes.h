/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_KERNEL_PROBES_H
#define CORE_KERNEL_PROBES_H

#include <stdbool.h>

/* Only for kernel*.c: does this kernel have it?  Nothing outlives a probe. */

/* Run @probe in a child, which may change whatever it wants of itself. */
bool probe_in_child(bool (*probe)(void));

/* files, mounts, namespaces */
bool probe_openat2(void);
bool probe_mnt_id(void);
bool probe_statmount(void);
bool probe_move_mount_set_group(void);
bool probe_overlayfs_maps(void);
bool probe_memfd_hugetlb(void);
bool probe_fdinfo_lock(void);
bool probe_timerfd(void);
bool probe_tun(void);
bool probe_autofs(void);
bool probe_timens(void);
bool probe_cgroupns(void);
bool probe_userns(void);
bool probe_apparmor_stacking(void);
bool probe_pidfs(void);

/* tasks */
bool probe_pidfd_getfd(void);
bool probe_clone3_set_tid(void);
bool probe_kcmp(void);
bool probe_kcmp_epoll(void);
bool probe_ptrace_rseq(void);
bool probe_suspend_seccomp(void);
bool probe_seccomp_filters(void);
bool probe_timer_ids(void);
bool probe_membarrier_get(void);
bool probe_loginuid(void);
bool probe_ns_pid(void);
bool probe_breakpoints(void);

/* memory */
bool probe_pagemap_scan(void);
bool probe_pagemap_scan_guard(void);
bool probe_uffd(void);
bool probe_uffd_noncoop(void);
bool probe_written(void);
bool probe_map_vdso(void);
bool probe_populate(void);
bool probe_aio_remap(void);

/* sockets and network */
bool probe_sock_diag_unix(void);
bool probe_sock_diag_inet(void);
bool probe_sock_diag_netlink(void);
bool probe_sock_diag_packet(void);
bool probe_sock_diag_raw(void);
bool probe_unix_file(void);
bool probe_buf_lock(void);
bool probe_sk_ns(void);
bool probe_ipv6_freebind(void);
bool probe_tcp_half_closed(void);
bool probe_nsid(void);
bool probe_link_nsid(void);
bool probe_newifindex(void);
bool probe_tun_ns(void);
bool probe_nftables(void);

#endif
