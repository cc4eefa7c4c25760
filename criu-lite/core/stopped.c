/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stopped - tasks that were stopped are so again, and nobody notices
 *
 * The stop is made while the task is traced and all its other signals are
 * blocked: one that waits for the task to go on would be delivered first and
 * might kill it.  ptrace keeps the group stop when it lets go.
 *
 * A stop tells the parent twice, by SIGCHLD and to wait().  In the original
 * that had happened long ago, so both are consumed in the parent before it
 * runs; unless it had not yet looked (tc.stop_unseen).
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/shared.h"
#include "core/stopped.h"
#include "core/task.h"

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

static int lost(const struct task *t, struct err *err)
{
	return err_set(err, ESRCH, "cannot stop task %d: it has been killed", t->pid);
}

/* Let @tid, which is in a ptrace stop, go on with @sig; then its next stop. */
static int next_stop(const struct task *t, pid_t tid, int sig, int *status_ret, struct err *err)
{
	if (ptrace(PTRACE_CONT, tid, 0, (long)sig) < 0)
		return lost(t, err);
	while (waitpid(tid, status_ret, __WALL) < 0)
		if (errno != EINTR)
			return lost(t, err);
	return WIFSTOPPED(*status_ret) ? 0 : lost(t, err);
}

static bool is_group_stop(int status)
{
	return status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP;
}

static bool is_delivery(int status, int sig)
{
	return status >> 16 == 0 && WSTOPSIG(status) == sig;
}

/*
 * Only its number matters, to a parent that has not asked yet.  With another
 * action than the default it would not stop the task.
 */
static int signal_of(const struct task *t)
{
	const TaskCoreEntry *tc = t->core->tc;
	size_t i = tc->stop_signo - 1;

	if (!tc->has_stop_signo || tc->stop_signo == SIGSTOP)
		return SIGSTOP;
	i -= tc->stop_signo > SIGSTOP ? 2 : 1; /* the list is without SIGKILL and SIGSTOP */
	return i < tc->n_sigactions && !tc->sigactions[i]->sigaction ? (int)tc->stop_signo
								     : SIGSTOP;
}

/* The signal goes to the leader alone, so that no other thread takes it first. */
static int stop_leader(const struct task *t, int sig, bool *stopped_ret, struct err *err)
{
	pid_t tid = t->threads[0].host_tid;
	uint64_t mask = ~(1ull << (sig - 1) | 1ull << (SIGTRAP - 1));
	int status;

	if (ptrace(PTRACE_SETSIGMASK, tid, sizeof(mask), &mask) < 0 ||
	    syscall(SYS_tgkill, t->host_pid, tid, sig) < 0)
		return lost(t, err);

	if (next_stop(t, tid, 0, &status, err) < 0)
		return -err->code;
	if (is_delivery(status, sig) && next_stop(t, tid, sig, &status, err) < 0)
		return -err->code;
	*stopped_ret = is_group_stop(status);
	return 0;
}

static int stop_task(const struct task *t, struct err *err)
{
	bool stopped = false;
	int sig = signal_of(t), status;

	if (stop_leader(t, sig, &stopped, err) < 0)
		return -err->code;
	/* A terminal does not stop an orphaned process group. */
	if (!stopped && stop_leader(t, SIGSTOP, &stopped, err) < 0)
		return -err->code;
	if (!stopped)
		return err_set(err, EBUSY, "cannot stop task %d", t->pid);

	for (size_t i = 1; i < t->nr_threads; i++) {
		do {
			if (next_stop(t, t->threads[i].host_tid, 0, &status, err) < 0)
				return -err->code;
		} while (!is_group_stop(status));
	}
	return 0;
}

int stopped_stop(struct restore *r, struct err *err)
{
	struct task *t;

	for_each_alive(t, r->tree) if (t->state == TASK_STOPPED &&
				       stop_task(t, err) < 0) return -err->code;
	return 0;
}

/* ---- the parent ---- */

static bool sigchld_is_pending(const TaskCoreEntry *tc)
{
	int32_t signo;

	for (size_t i = 0; tc->signals_s && i < tc->signals_s->n_signals; i++) {
		memcpy(&signo, tc->signals_s->signals[i]->siginfo.data, sizeof(signo));
		if (signo == SIGCHLD)
			return true;
	}
	return false;
}

/* The shared page takes the arguments. */
static int take_sigchld(struct restore *r, const struct task *t, struct err *err)
{
	const struct shared_task *st = &r->shared->tasks[t->index];
	struct {
		uint64_t set;
		int64_t sec, nsec;
	} args = { .set = 1ull << (SIGCHLD - 1) };
	uint64_t at = st->page + offsetof(struct shared_page, scratch);
	unsigned long call[6] = { at, 0, at + sizeof(args.set), sizeof(args.set) };
	long ignored;

	memcpy(r->shared->page.scratch, &args, sizeof(args));
	return compel_raw_syscall(t->host_alive, st->insn, SYS_rt_sigtimedwait, call, &ignored,
				  err);
}

int stopped_forget(struct restore *r, struct task *t, struct err *err)
{
	const struct shared_task *st = &r->shared->tasks[t->index];
	bool any = false;
	struct task *child;
	long ignored;

	list_for_each(child, &t->children, sibling) {
		unsigned long call[6] = { P_PID, (unsigned long)child->pid, 0, WSTOPPED | WNOHANG };

		if (child->state != TASK_STOPPED)
			continue;
		any = true;
		if (!child->core->tc->stop_unseen &&
		    compel_raw_syscall(t->host_alive, st->insn, SYS_waitid, call, &ignored, err) <
			    0)
			return -err->code;
	}
	if (!any || sigchld_is_pending(t->core->tc))
		return 0;
	return take_sigchld(r, t, err);
}
