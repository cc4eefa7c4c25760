#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# check: what this kernel has

load ../helpers

@test "check: this kernel will do" {
	run criu_lite check
	[[ "$output" == *"Looks good"* ]]
	[[ "$output" != *"Does not look good"* ]]
}

@test "check says the same three times, and leaves nothing behind" {
	before=$(ls /proc/self/fd /sys/class/net; cat /proc/mounts)
	first=$(criu_lite check --all 2>&1) || :
	second=$(criu_lite check --extra --experimental 2>&1) || :
	third=$(criu_lite check --all 2>&1) || :
	[ "$first" = "$second" ]
	[ "$first" = "$third" ]
	[ "$before" = "$(ls /proc/self/fd /sys/class/net; cat /proc/mounts)" ]
}

@test "check --all: exit status, verdict and names of what is missing agree" {
	run criu_lite check --all
	if [[ "$output" == *"missing: "* ]]; then
		[ "$status" -eq 1 ]
		[[ "$output" == *"Looks good but some kernel features are missing"* ]]
	else
		[ "$status" -eq 0 ]
		[ "$output" = "Looks good." ]
	fi
}

@test "check --feature: every name of CRIU is known" {
	for f in mnt_id mem_dirty_track aio_remap timerfd tun tun_ns userns fdinfo_lock \
		seccomp_suspend seccomp_filters loginuid cgroupns autofs tcp_half_closed compat_cr \
		uffd uffd-noncoop can_map_vdso sk_ns sk_unix_file net_diag_raw nsid link_nsid \
		kcmp_epoll timens external_net_ns clone3_set_tid newifindex nftables has_ipt_legacy \
		pidfd_store ns_pid apparmor_stacking network_lock_nftables sockopt_buf_lock \
		memfd_hugetlb move_mount_set_group openat2 get_rseq_conf ipv6_freebind pagemap_scan \
		timer_cr_ids overlayfs_maps breakpoints pagemap_scan_guard_pages; do
		run criu_lite check --feature "$f"
		if [ "$status" -eq 0 ]; then
			[ "$output" = "$f is supported" ]
		else
			[ "$status" -eq 1 ]
			[[ "$output" == *"$f is not supported"* ]]
		fi
	done
}

@test "check --feature: what every supported kernel has" {
	for f in mnt_id timerfd ns_pid kcmp pidfd_getfd clone3_set_tid; do
		run criu_lite check --feature "$f"
		[ "$status" -eq 0 ]
		[ "$output" = "$f is supported" ]
	done
}

@test "check --feature: a feature that the configuration of the kernel excludes is not found" {
	[ -e /proc/config.gz ] || skip "this kernel has no /proc/config.gz"
	has() { zgrep -q "^$1=" /proc/config.gz; }
	check() {
		run criu_lite check --feature "$2"
		if has "$1"; then [ "$status" -eq 0 ]; else [ "$status" -eq 1 ]; fi
	}
	check CONFIG_USERFAULTFD mem_dirty_track
	check CONFIG_INET_RAW_DIAG net_diag_raw
	check CONFIG_USERFAULTFD uffd
	check CONFIG_TIME_NS timens
	check CONFIG_AUTOFS_FS autofs
	check CONFIG_NF_TABLES nftables
	check CONFIG_AIO aio_remap
}

@test "check --feature: the last one counts" {
	run criu_lite check --feature list --feature mnt_id
	[ "$status" -eq 0 ]
	[ "$output" = "mnt_id is supported" ]
}

@test "check works with SIGCHLD ignored" {
	run env --ignore-signal=CHLD "$CRIU_LITE" check --feature seccomp_filters
	[ "$status" -eq 0 ]
	run env --ignore-signal=CHLD "$CRIU_LITE" check --feature newifindex
	[ "$status" -eq 0 ]
}
