/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trapped - a SIGTRAP that waits to be delivered
 *
 * Whatever else waits is queued by the restorer, but this is the signal by which
 * it stops.  So each thread is made to send it to itself when its restorer has
 * ended, with everything blocked: a siginfo like the kernel's own is only taken
 * from the thread that gets it.
 */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/shared.h"
#include "core/task.h"
#include "core/trapped.h"

static int signo_of(const SiginfoEntry *e)
{
	int32_t signo;

	memcpy(&signo, e->siginfo.data, sizeof(signo));
	return signo;
}

static bool has_trap(const SignalQueueEntry *q)
{
	for (size_t i = 0; q && i < q->n_signals; i++)
		if (signo_of(q->signals[i]) == SIGTRAP)
			return true;
	return false;
}

static const SignalQueueEntry *own_queue(const struct task *t, size_t i)
{
	const ThreadCoreEntry *e = t->threads[i].core->thread_core;

	return e ? e->signals_p : NULL;
}

bool trapped_is_waiting(const struct task *t)
{
	if (has_trap(t->core->tc->signals_s))
		return true;
	for (size_t i = 0; i < t->nr_threads; i++)
		if (has_trap(own_queue(t, i)))
			return true;
	return false;
}

/* The shared page takes the siginfo. */
static int send_one(struct restore *r, const struct task *t, const struct thread *th, bool shared,
		    const SiginfoEntry *e, struct err *err)
{
	const struct shared_task *st = &r->shared->tasks[t->index];
	unsigned long at = st->page + offsetof(struct shared_page, scratch);
	unsigned long to_thread[6] = { (unsigned long)t->pid, (unsigned long)th->tid, SIGTRAP, at };
	unsigned long to_task[6] = { (unsigned long)t->pid, SIGTRAP, at };
	long ret;

	_Static_assert(sizeof(r->shared->page.scratch) >= sizeof(siginfo_t), "it fits");
	memcpy(r->shared->page.scratch, e->siginfo.data, sizeof(siginfo_t));
	if (compel_raw_syscall(th->host_tid, st->insn,
			       shared ? SYS_rt_sigqueueinfo : SYS_rt_tgsigqueueinfo,
			       shared ? to_task : to_thread, &ret, err) < 0)
		return -err->code;
	return ret < 0 ? err_set(err, (int)-ret, "cannot send SIGTRAP to thread %d", th->tid) : 0;
}

static int send_queue(struct restore *r, const struct task *t, const struct thread *th, bool shared,
		      const SignalQueueEntry *q, struct err *err)
{
	for (size_t i = 0; q && i < q->n_signals; i++)
		if (signo_of(q->signals[i]) == SIGTRAP &&
		    send_one(r, t, th, shared, q->signals[i], err) < 0)
			return -err->code;
	return 0;
}

int trapped_queue(struct restore *r, struct task *t, struct err *err)
{
	if (!trapped_is_waiting(t))
		return 0;
	if (send_queue(r, t, &t->threads[0], true, t->core->tc->signals_s, err) < 0)
		return -err->code;
	for (size_t i = 0; i < t->nr_threads; i++)
		if (send_queue(r, t, &t->threads[i], false, own_queue(t, i), err) < 0)
			return -err->code;
	return 0;
}
