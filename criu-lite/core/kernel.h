/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_KERNEL_H
#define CORE_KERNEL_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"

/*
 * What this kernel has, each probed once, when it is first asked for.
 */
enum kernel_feature {
	KERNEL_NONE, /* ends a list */
	KERNEL_PIDFD_GETFD,
	KERNEL_CLONE3_SET_TID,
	KERNEL_KCMP,
	KERNEL_PAGEMAP_SCAN,
	KERNEL_PAGEMAP_SCAN_GUARD,
	KERNEL_UFFD,
	KERNEL_UFFD_NONCOOP,
	KERNEL_SOFT_DIRTY,
	KERNEL_PTRACE_RSEQ,
	KERNEL_SUSPEND_SECCOMP,
	KERNEL_SECCOMP_FILTERS, /* PTRACE_SECCOMP_GET_FILTER */
	KERNEL_TIMERFD,		/* fdinfo and TFD_IOC_SET_TICKS */
	KERNEL_TIMER_IDS,	/* PR_TIMER_CREATE_RESTORE_IDS */
	KERNEL_SOCK_DIAG_UNIX,
	KERNEL_SOCK_DIAG_INET,
	KERNEL_SOCK_DIAG_NETLINK,
	KERNEL_SOCK_DIAG_PACKET,
	KERNEL_SOCK_DIAG_RAW,
	KERNEL_UNIX_FILE, /* SIOCUNIXFILE */
	KERNEL_BUF_LOCK,  /* SO_BUF_LOCK */
	KERNEL_MEMFD_HUGETLB,
	KERNEL_MEMBARRIER_GET, /* MEMBARRIER_CMD_GET_REGISTRATIONS */
	KERNEL_MAP_VDSO,
	KERNEL_OPENAT2,
	KERNEL_MNT_ID,
	KERNEL_TIMENS,
	KERNEL_CGROUPNS,
	KERNEL_USERNS,
	KERNEL_STATMOUNT,
	KERNEL_MOVE_MOUNT_SET_GROUP,
	KERNEL_NSID,
	KERNEL_TUN,
	KERNEL_LOGINUID,
	KERNEL_FDINFO_LOCK,
	KERNEL_PIDFS, /* pidfds have inode numbers of their own */
	KERNEL_POPULATE, /* MADV_POPULATE_WRITE */
	KERNEL_NR_FEATURES,
};

struct kernel *kernel_new(struct arena *a);
bool kernel_has(struct kernel *k, enum kernel_feature f);

/* A name for messages: "pidfd_getfd". */
const char *kernel_feature_name(enum kernel_feature f);

#endif
