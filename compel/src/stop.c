/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stop - threads under ptrace, one at a time
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <elf.h>

#include "arch.h"
#include "base/cleanup.h"
#include "stop.h"

enum {
	NSEC_PER_MSEC = 1000000,
	YIELD_NS = 60000, /* a thread on an idle CPU stops within that time */
	SLEEP_MIN_NS = 20000,
	SLEEP_DOUBLINGS = 7,
	ENTER_TIMEOUT_MS = 10000,
	SYSCALL_STOP = SIGTRAP | 0x80, /* with PTRACE_O_TRACESYSGOOD */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct patience patience_of(unsigned int timeout_ms)
{
	struct patience p = { 0 };

	if (timeout_ms)
		p.end = now_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC;
	return p;
}

void patience_renew(struct patience *p)
{
	p->yield_end = p->sleeps = 0;
}

bool patience_wait(struct patience *p)
{
	struct timespec ts = { 0 };
	uint64_t now = now_ns();
	unsigned int doublings;

	if (!p->yield_end)
		p->yield_end = now + YIELD_NS;
	if (now < p->yield_end) {
		sched_yield();
		return true;
	}
	if (p->end && now >= p->end)
		return false;

	doublings = p->sleeps++ / 4;
	ts.tv_nsec = SLEEP_MIN_NS << (doublings < SLEEP_DOUBLINGS ? doublings : SLEEP_DOUBLINGS);
	nanosleep(&ts, NULL);
	return true;
}

static int the_proc = -1;

void compel_use_proc(int proc)
{
	the_proc = proc;
}

int proc_open(const char *path, int flags)
{
	scoped_fd proc = the_proc < 0 ? open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	return openat(the_proc < 0 ? proc : the_proc, path, flags | O_CLOEXEC);
}

const char *thread_text(pid_t tid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%d/%s", tid, name);
	scoped_fd fd = proc_open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (n <= 0)
		return "?";

	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

char thread_state(pid_t tid)
{
	char buf[256], name[32];
	const char *p;

	/* The thread's own: that of its process takes longer the more threads there are. */
	snprintf(name, sizeof(name), "task/%d/stat", tid);
	p = strrchr(thread_text(tid, name, buf, sizeof(buf)), ')');
	return p && p[1] == ' ' ? p[2] : 0;
}

/*
 * A leader that dies while other threads live is not reported to anybody until
 * they are gone too, so waiting for it means looking.
 */
static bool is_dead(pid_t tid)
{
	char state = thread_state(tid);

	return !state || state == 'Z' || state == 'X';
}

int stop_wait(pid_t tid, struct patience *p, int *status_ret)
{
	int status;
	pid_t got;

	while ((got = waitpid(tid, &status, __WALL | WNOHANG)) <= 0) {
		if (got < 0 && errno != EINTR)
			return -ESRCH;
		if (p->sleeps && is_dead(tid) && waitpid(tid, &status, __WALL | WNOHANG) <= 0)
			return -ESRCH;
		if (!patience_wait(p))
			return -ETIMEDOUT;
	}

	if (!WIFSTOPPED(status))
		return -ESRCH;
	*status_ret = status;
	return 0;
}

bool stop_is_parked(int status)
{
	return status >> 16 == PTRACE_EVENT_STOP;
}

int stop_group_signal(int status)
{
	return stop_is_parked(status) && WSTOPSIG(status) != SIGTRAP ? WSTOPSIG(status) : 0;
}

int stop_signal(int status)
{
	return status >> 16 || WSTOPSIG(status) == SYSCALL_STOP ? 0 : WSTOPSIG(status);
}

/* Let a stopped thread go as far as the kernel's own code, and no further. */
static int go_and_park(pid_t tid, int sig)
{
	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0 || ptrace(PTRACE_CONT, tid, 0, sig) < 0)
		return -ESRCH;
	return 0;
}

int thread_wait_parked(pid_t tid, struct patience *p, int *status_ret)
{
	int ret;

	while ((ret = stop_wait(tid, p, status_ret)) == 0 && !stop_is_parked(*status_ret)) {
		/* A stop of any sort has taken back the interrupt that was pending. */
		ret = go_and_park(tid, stop_signal(*status_ret));
		if (ret < 0)
			return ret;
	}
	return ret;
}

int thread_park_quietly(pid_t tid)
{
	struct patience p = patience_of(0);
	int status, ret = go_and_park(tid, 0);

	return ret < 0 ? ret : thread_wait_parked(tid, &p, &status);
}

int thread_park(pid_t tid, struct patience *p, int *status_ret)
{
	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0)
		return -ESRCH;
	return thread_wait_parked(tid, p, status_ret);
}

int thread_get_regs(pid_t tid, struct compel_regs *regs)
{
	struct iovec iov = { &regs->gp, sizeof(regs->gp) };

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &iov) < 0)
		return -errno;
	return iov.iov_len == sizeof(regs->gp) ? 0
					       : -EOPNOTSUPP; /* of another size: a 32-bit task */
}

int thread_set_regs(pid_t tid, const struct compel_regs *regs)
{
	struct iovec iov = { (void *)&regs->gp, sizeof(regs->gp) };

	return ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &iov) < 0 ? -errno : 0;
}

int thread_get_sigmask(pid_t tid, uint64_t *mask_ret)
{
	return ptrace(PTRACE_GETSIGMASK, tid, sizeof(*mask_ret), mask_ret) < 0 ? -errno : 0;
}

int thread_set_sigmask(pid_t tid, uint64_t mask)
{
	return ptrace(PTRACE_SETSIGMASK, tid, sizeof(mask), &mask) < 0 ? -errno : 0;
}

/*
 * In this order, and in thread_reset() the other way round: a thread whose
 * host dies in between must not run its own code with everything blocked, and
 * ours repairs its mask.
 */
static int thread_set_ours(pid_t tid, const struct compel_regs *regs)
{
	int ret = thread_set_regs(tid, regs);

	return ret < 0 ? ret : thread_set_sigmask(tid, ~0ull);
}

int thread_run(pid_t tid, const struct compel_regs *regs)
{
	int ret = thread_set_ours(tid, regs);

	if (ret < 0)
		return ret;
	return ptrace(PTRACE_CONT, tid, 0, 0) < 0 ? -errno : 0;
}

int thread_reset(const struct compel_thread *t)
{
	int ret = thread_set_sigmask(t->tid, t->sigmask);

	return ret < 0 ? ret : thread_set_regs(t->tid, &t->regs);
}

bool stop_is_fault(int status)
{
	int sig = stop_signal(status);

	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGSYS ||
	       sig == SIGTRAP || sig == SIGFPE;
}

/*
 * Go on to the next entry or end of a system call.  Being parked on the way is
 * the news of a SIGSTOP or SIGCONT, and does not keep a thread from running.
 */
static int run_to_syscall_stop(pid_t tid, struct patience *p)
{
	int sig = 0, status, ret;

	do {
		if (ptrace(PTRACE_SYSCALL, tid, 0, sig) < 0)
			return -errno;
		ret = stop_wait(tid, p, &status);
		if (ret < 0)
			return ret;
		if (WSTOPSIG(status) == SYSCALL_STOP)
			return 0;
		sig = stop_signal(status);
	} while (!stop_is_fault(status));

	return -EFAULT;
}

int thread_step(pid_t tid, const struct compel_regs *regs)
{
	int ret = thread_set_regs(tid, regs);

	if (ret < 0)
		return ret;
	return ptrace(PTRACE_SINGLESTEP, tid, 0, 0) < 0 ? -errno : 0;
}

int thread_wait_stepped(pid_t tid)
{
	struct patience p = patience_of(0);
	int status, ret;

	while ((ret = stop_wait(tid, &p, &status)) == 0 && !stop_is_fault(status))
		if (ptrace(PTRACE_SINGLESTEP, tid, 0, stop_signal(status)) < 0)
			return -errno;
	if (ret == 0 && stop_signal(status) != SIGTRAP)
		return -EFAULT;
	return ret;
}

int thread_call(pid_t tid, const struct compel_regs *regs, bool interrupt, long *result_ret)
{
	struct patience enter = patience_of(ENTER_TIMEOUT_MS), leave = patience_of(0);
	struct compel_regs after;
	int ret;

	ret = thread_set_ours(tid, regs);
	if (ret == 0)
		ret = run_to_syscall_stop(tid, &enter);
	/* Pending when the call begins, it lets the call wait for nothing. */
	if (ret == 0 && interrupt && ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0)
		ret = -errno;
	if (ret == 0)
		ret = run_to_syscall_stop(tid, &leave);
	if (ret == 0)
		ret = thread_get_regs(tid, &after);
	if (ret < 0 && ret != -EFAULT)
		return ret;

	/* This parks it before it executes anything behind the call, and drops a fault. */
	if (thread_park_quietly(tid) < 0)
		return -ESRCH;
	if (ret == 0)
		*result_ret = arch_result(&after);
	return ret;
}
