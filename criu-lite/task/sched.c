/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched - policy, priority and niceness of each thread
 *
 * collect   by sched_getattr() from outside
 * map       the restorer sets them
 *
 * not kept  CPU affinity, utilization clamps, I/O priority, timer slack: images
 *	     have no place for them
 * refused   SCHED_DEADLINE, for the same reason
 */
#include <errno.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/kind.h"
#include "core/region.h"

enum { NICE_MIN = -20, NICE_MAX = 19, PRIO_MAX_RT = 99 };

static bool has_priority(uint32_t policy)
{
	policy &= ~(uint32_t)SCHED_RESET_ON_FORK;
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static int collect_thread(const struct thread *th, struct err *err)
{
	ThreadCoreEntry *e = th->core->thread_core;
	struct sched_attr attr = { .size = sizeof(attr) };

	if (syscall(SYS_sched_getattr, th->host_tid, &attr, sizeof(attr), 0) < 0)
		return err_sys(err, "cannot ask for the scheduling of thread %d", th->host_tid);
	if (attr.sched_policy == SCHED_DEADLINE) {
		err_set(err, EOPNOTSUPP, "cannot dump thread %d, which has SCHED_DEADLINE",
			th->host_tid);
		return err_hint(
			err,
			"images have no place for deadlines; give it another policy, see chrt(1)");
	}

	e->has_sched_policy = true;
	e->sched_policy = attr.sched_policy;
	if (attr.sched_flags & SCHED_FLAG_RESET_ON_FORK)
		e->sched_policy |= SCHED_RESET_ON_FORK;
	e->has_sched_nice = true;
	e->sched_nice = attr.sched_nice;
	if (has_priority(attr.sched_policy)) {
		e->has_sched_prio = true;
		e->sched_prio = attr.sched_priority;
	}
	return 0;
}

static int collect_sched(struct dump *d, struct task *t, struct err *err)
{
	for (size_t i = 0; t->state != TASK_DEAD && i < t->nr_threads; i++)
		if (collect_thread(&t->threads[i], err) < 0)
			return -err->code;
	return 0;
}

static bool is_valid(const ThreadCoreEntry *e)
{
	uint32_t policy = e->sched_policy & ~(uint32_t)SCHED_RESET_ON_FORK;

	if (e->sched_nice < NICE_MIN || e->sched_nice > NICE_MAX || policy == SCHED_DEADLINE)
		return false;
	return !has_priority(policy) || (e->sched_prio >= 1 && e->sched_prio <= PRIO_MAX_RT);
}

static int read_sched(struct restore *r, struct task *t, struct err *err)
{
	for (size_t i = 0; t->state != TASK_DEAD && i < t->nr_threads; i++)
		if (!is_valid(t->threads[i].core->thread_core)) {
			err_set(err, EBADMSG, "cannot use the scheduling of thread %d",
				t->threads[i].tid);
			return err_hint(err, "the checkpoint is damaged; take it again");
		}
	return 0;
}

static int map_sched(struct restore *r, struct task *t, struct err *err)
{
	for (size_t i = 0; i < t->nr_threads; i++) {
		const ThreadCoreEntry *e = t->threads[i].core->thread_core;
		struct restorer_thread *out = &r->region->threads[i];

		out->sched_set = e->has_sched_policy;
		out->sched_policy = (int32_t)e->sched_policy;
		out->sched_priority = has_priority(e->sched_policy) ? (int32_t)e->sched_prio : 0;
		out->sched_nice = e->sched_nice;
	}
	return 0;
}

const struct task_kind sched_kind = {
	.name = "sched",
	.collect = collect_sched,
	.read = read_sched,
	.map = map_sched,
};
