/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel_tasks - probes: tasks and what one may ask of them
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/hw_breakpoint.h>
#include <linux/kcmp.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/kernel_probes.h"

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif
#ifndef PTRACE_O_SUSPEND_SECCOMP
#define PTRACE_O_SUSPEND_SECCOMP (1 << 21)
#endif
#ifndef PR_TIMER_CREATE_RESTORE_IDS
#define PR_TIMER_CREATE_RESTORE_IDS	77
#define PR_TIMER_CREATE_RESTORE_IDS_GET 2
#endif

bool probe_in_child(bool (*probe)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(probe() ? 0 : 1);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return pid > 0 && status == 0;
}

/* ---- calls that fail in a telling way ---- */

bool probe_pidfd_getfd(void)
{
	return syscall(SYS_pidfd_getfd, -1, 0, 0) < 0 && errno == EBADF;
}

/* More pids than there can be levels of namespaces: a kernel that looks at them says EINVAL. */
bool probe_clone3_set_tid(void)
{
	pid_t pids[33] = { 0 };
	struct clone_args args = { .exit_signal = SIGCHLD,
				   .set_tid = (uintptr_t)pids,
				   .set_tid_size = 33 };

	return syscall(SYS_clone3, &args, sizeof(args)) < 0 && errno == EINVAL;
}

bool probe_kcmp(void)
{
	return syscall(SYS_kcmp, getpid(), getpid(), KCMP_VM, 0, 0) == 0;
}

bool probe_kcmp_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	scoped_fd watched = eventfd(5, EFD_CLOEXEC);
	scoped_fd ep = epoll_create1(EPOLL_CLOEXEC);
	struct kcmp_epoll_slot slot = { .efd = (uint32_t)ep, .tfd = (uint32_t)watched };

	return epoll_ctl(ep, EPOLL_CTL_ADD, watched, &ev) == 0 &&
	       syscall(SYS_kcmp, getpid(), getpid(), KCMP_EPOLL_TFD, watched, &slot) == 0;
}

bool probe_timer_ids(void)
{
	return prctl(PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_GET, 0, 0, 0) >= 0;
}

bool probe_membarrier_get(void)
{
	enum { GET_REGISTRATIONS = 1 << 9 };

	return syscall(SYS_membarrier, GET_REGISTRATIONS, 0, 0) >= 0;
}

bool probe_ns_pid(void)
{
	char buf[1024];
	ssize_t n = -1;

	scoped_fd fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, buf, sizeof(buf) - 1);
	buf[n < 0 ? 0 : n] = '\0';
	return strstr(buf, "\nNSpid:") != NULL;
}

/* A login uid that is set can be read; whether it can be set is found out where it is not. */
bool probe_loginuid(void)
{
	static const char unset[] = "4294967295";
	char buf[16] = { 0 };

	scoped_fd fd = open("/proc/self/loginuid", O_RDWR | O_CLOEXEC);
	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) <= 0)
		return false;
	if (strncmp(buf, unset, strlen(unset)) != 0)
		return true;
	return pwrite(fd, unset, strlen(unset), 0) == (ssize_t)strlen(unset);
}

bool probe_breakpoints(void)
{
	static volatile long watched;
	struct perf_event_attr attr = { .type = PERF_TYPE_BREAKPOINT,
					.size = sizeof(attr),
					.bp_type = HW_BREAKPOINT_W,
					.bp_addr = (uintptr_t)&watched,
					.bp_len = sizeof(watched),
					.exclude_kernel = 1 };
	uint64_t hits = 0;

	scoped_fd fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return false;
	watched = 5;
	return read(fd, &hits, sizeof(hits)) == sizeof(hits) && hits == 1;
}

/* ---- ptrace: needs somebody to look at, who has a filter ---- */

static void be_traced(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = { .len = 1, .filter = &allow };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	_exit(0);
}

static bool probe_traced(bool (*look)(pid_t pid))
{
	bool found = false;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		be_traced();
	if (pid < 0)
		return false;
	if (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		found = look(pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return found;
}

static bool can_get_rseq(pid_t pid)
{
	char conf[24];

	return ptrace(PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof(conf), conf) == sizeof(conf);
}

bool probe_ptrace_rseq(void)
{
	return probe_traced(can_get_rseq);
}

static bool can_suspend_seccomp(pid_t pid)
{
	return ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_SUSPEND_SECCOMP) == 0;
}

bool probe_suspend_seccomp(void)
{
	return probe_traced(can_suspend_seccomp);
}

static bool can_get_filter(pid_t pid)
{
	return ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, NULL) == 1;
}

bool probe_seccomp_filters(void)
{
	return probe_traced(can_get_filter);
}
