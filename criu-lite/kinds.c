/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kinds - the index: every kind, one line each, grouped by folder
 */
#include "kinds.h"

#define FILE_KINDS(X) \
	X(regfile)    \
	X(device)     \
	X(fifo)       \
	X(tty)        \
	X(pipe)       \
	X(eventfd)    \
	X(epoll)      \
	X(signalfd)   \
	X(timerfd)    \
	X(inotify)    \
	X(fanotify)   \
	X(pidfd)      \
	X(memfd)      \
	X(nsfd)       \
	X(tun)        \
	X(unix)       \
	X(inet)       \
	X(netlink)    \
	X(packet)

/*
 * mm is first: it makes the region that all others pack into.
 */
#define TASK_KINDS(X)  \
	X(mm)          \
	X(core)        \
	X(clocks)      \
	X(cgroup)      \
	X(signals)     \
	X(timers)      \
	X(creds)       \
	X(sched)       \
	X(cpu)         \
	X(rlimit)      \
	X(prctl)       \
	X(knobs)       \
	X(rseq)        \
	X(seccomp)     \
	X(landlock)    \
	X(memfd_seals) \
	X(shmem)       \
	X(tty_session) \
	X(lock)        \
	X(mnt_autofs)  \
	X(fs)

/* In the order in which they are made. */
#define NS_KINDS(X) \
	X(mnt)      \
	X(time_ns)  \
	X(pid_ns)   \
	X(uts_ns)   \
	X(ipc_ns)   \
	X(net_ns)

#define DECLARE_NS(k)	extern const struct ns_kind k##_kind;
#define DECLARE_FILE(k) extern const struct file_kind k##_kind;
#define DECLARE_TASK(k) extern const struct task_kind k##_kind;
#define ADDRESS(k)	&k##_kind,

FILE_KINDS(DECLARE_FILE)
TASK_KINDS(DECLARE_TASK)
NS_KINDS(DECLARE_NS)

static const struct file_kind *const file_kinds[] = { FILE_KINDS(ADDRESS) NULL };
static const struct task_kind *const task_kinds[] = { TASK_KINDS(ADDRESS) NULL };
static const struct ns_kind *const ns_kinds[] = { NS_KINDS(ADDRESS) NULL };

const struct kind_index all_kinds = {
	.files = file_kinds,
	.tasks = task_kinds,
	.namespaces = ns_kinds,
};
