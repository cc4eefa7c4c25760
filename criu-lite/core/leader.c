/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * leader - tasks whose first thread has exited while others live on
 *
 * dump      the first of the living threads speaks for the task
 * restore   the leader makes everything, as ever, and exits as the last thing
 *	     it does.  We let go of it before: a dead leader that is traced
 *	     would hide the end of the task from its parent
 *
 * Its children come to another thread then, which for the kernel is the death
 * of a parent: PR_SET_PDEATHSIG of theirs is taken away for that moment.
 *
 * not kept  signals for that one thread, which nobody could take any more
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#include "core/leader.h"
#include "core/shared.h"
#include "core/task.h"

enum { PATIENCE = 20000 }; /* times 500 us */

static int set_pdeath(struct restore *r, const struct task *child, bool on, struct err *err)
{
	for (size_t i = 0; i < child->nr_threads; i++) {
		const struct thread *th = &child->threads[i];
		unsigned long sig = th->core->thread_core->pdeath_sig;
		unsigned long args[6] = { PR_SET_PDEATHSIG, on ? sig : 0 };
		long ret;

		if (sig && compel_raw_syscall(th->host_tid, r->shared->tasks[child->index].insn,
					      SYS_prctl, args, &ret, err) < 0)
			return err_in(err, "task %d", child->pid);
	}
	return 0;
}

static int set_pdeath_of_children(struct restore *r, const struct task *t, bool on, struct err *err)
{
	struct task *child;

	list_for_each(child, &t->children, sibling)
		if (child->state != TASK_DEAD && set_pdeath(r, child, on, err) < 0)
			return -err->code;
	return 0;
}

static int wait_until_dead(struct restore *r, const struct task *t, struct err *err)
{
	const struct timespec a_little = { .tv_nsec = 500000 };
	struct proc_stat stat;

	for (int i = 0; i < PATIENCE; i++) {
		if (proc_read_stat(r->proc, t->host_pid, t->host_pid, &stat, err) < 0)
			return -err->code;
		if (stat.state == 'Z')
			return 0;
		nanosleep(&a_little, NULL);
	}
	return err_set(err, ETIMEDOUT, "cannot make the first thread exit");
}

static int leader_exit(struct restore *r, struct task *t, struct err *err)
{
	if (set_pdeath_of_children(r, t, false, err) < 0)
		return -err->code;
	if (ptrace(PTRACE_DETACH, t->host_pid, 0, 0) < 0)
		return err_sys(err, "cannot let go of the first thread");
	t->host_alive = t->threads[0].host_tid;
	if (wait_until_dead(r, t, err) < 0)
		return -err->code;
	return set_pdeath_of_children(r, t, true, err);
}

int leaders_exit(struct restore *r, struct err *err)
{
	struct task *t;

	for_each_alive(t, r->tree) if (t->leader_exited &&
				       leader_exit(r, t, err) < 0) return err_in(err, "task %d",
										 t->pid);
	return 0;
}
