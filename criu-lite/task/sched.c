/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched - what the scheduler is told: policy, priority and niceness of each
 * thread, its time slice and utilization clamps, what SCHED_DEADLINE has
 * promised it; niceness of the autogroup
 *
 * collect   by sched_getattr() from outside
 * map       the restorer sets policy, priority and niceness
 * resume    the rest, for which the fields are ours, is set from outside
 *
 * not kept  where a thread with SCHED_DEADLINE was in its period: a new one begins
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/kind.h"
#include "core/privileged.h"
#include "core/region.h"

enum { NICE_MIN = -20, NICE_MAX = 19, PRIO_MAX_RT = 99, CLAMP_MAX = 1024 };
enum { DEADLINE_FLAGS = SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_RECLAIM | SCHED_FLAG_DL_OVERRUN };

static bool is_deadline(uint32_t policy)
{
	return (policy & ~(uint32_t)SCHED_RESET_ON_FORK) == SCHED_DEADLINE;
}

static bool has_priority(uint32_t policy)
{
	policy &= ~(uint32_t)SCHED_RESET_ON_FORK;
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static int get_attr(pid_t tid, struct sched_attr *attr)
{
	*attr = (struct sched_attr){ .size = sizeof(*attr) };
	return (int)syscall(SYS_sched_getattr, tid, attr, sizeof(*attr), 0);
}

/*
 * Since Linux 6.12 a thread may ask for the length of its slice. One that has
 * not shows that of the kernel, and so do we. 0: a real-time thread, or older.
 */
static void collect_slice(const struct sched_attr *attr, ThreadCoreEntry *e)
{
	struct sched_attr own;

	if (has_priority(attr->sched_policy) || is_deadline(attr->sched_policy) ||
	    attr->sched_runtime == 0 || get_attr(0, &own) < 0)
		return;
	e->has_slice = !has_priority(own.sched_policy) && attr->sched_runtime != own.sched_runtime;
	e->slice = e->has_slice ? attr->sched_runtime : 0;
}

/* Both are 0 where the kernel has none; it lifts real-time threads by itself. */
static void collect_clamps(const struct sched_attr *attr, ThreadCoreEntry *e)
{
	uint32_t min = attr->sched_util_min, max = attr->sched_util_max;

	if (max == 0 || (max == CLAMP_MAX && min == 0) ||
	    (max == CLAMP_MAX && min == CLAMP_MAX && has_priority(attr->sched_policy)))
		return;
	e->has_clamp_min = e->has_clamp_max = true;
	e->clamp_min = min;
	e->clamp_max = max;
}

static DeadlineEntry *deadline_new(struct dump *d, const struct sched_attr *attr)
{
	DeadlineEntry *e = record_new(d, deadline_entry);

	e->runtime = attr->sched_runtime;
	e->deadline = attr->sched_deadline;
	e->period = attr->sched_period;
	e->flags = attr->sched_flags & DEADLINE_FLAGS;
	return e;
}

static int collect_thread(struct dump *d, const struct thread *th, struct err *err)
{
	ThreadCoreEntry *e = th->core->thread_core;
	struct sched_attr attr;

	if (get_attr(th->host_tid, &attr) < 0)
		return err_sys(err, "cannot ask for the scheduling of thread %d", th->host_tid);
	if (is_deadline(attr.sched_policy))
		e->deadline = deadline_new(d, &attr);

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
	collect_slice(&attr, e);
	collect_clamps(&attr, e);
	return 0;
}

/* "/autogroup-57 nice 3": of a session, so its leader has it in the image. */
static void collect_autogroup(struct dump *d, struct task *t)
{
	TaskCoreEntry *tc = t->core->tc;
	struct err ignored = { 0 };
	char path[32], *s;
	int nice;

	snprintf(path, sizeof(path), "%d/autogroup", t->host_alive);
	if (t->pid != t->sid || proc_slurp(d->proc, path, d->arena, &s, NULL, &ignored) < 0 ||
	    sscanf(s, "/autogroup-%*d nice %d", &nice) != 1)
		return;
	tc->has_autogroup_nice = nice != 0;
	tc->autogroup_nice = nice;
}

static int collect_sched(struct dump *d, struct task *t, struct err *err)
{
	if (t->state == TASK_DEAD)
		return 0;
	for (size_t i = 0; i < t->nr_threads; i++)
		if (collect_thread(d, &t->threads[i], err) < 0)
			return -err->code;
	collect_autogroup(d, t);
	return 0;
}

static bool is_valid(const ThreadCoreEntry *e)
{
	uint32_t policy = e->sched_policy & ~(uint32_t)SCHED_RESET_ON_FORK;

	if (e->sched_nice < NICE_MIN || e->sched_nice > NICE_MAX ||
	    (policy == SCHED_DEADLINE) != (e->deadline != NULL))
		return false;
	if (e->deadline && e->deadline->flags & ~(uint64_t)DEADLINE_FLAGS)
		return false;
	if (e->clamp_min > e->clamp_max || e->clamp_max > CLAMP_MAX)
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

		/* a deadline comes last: it leaves less time for all the rest */
		out->sched_policy = e->deadline ? SCHED_NORMAL : (int32_t)e->sched_policy;
		out->sched_priority = has_priority(e->sched_policy) ? (int32_t)e->sched_prio : 0;
		out->sched_nice = e->sched_nice;
	}
	return 0;
}

static int resume_deadline(const struct thread *th, struct err *err)
{
	const DeadlineEntry *e = th->core->thread_core->deadline;
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_DEADLINE,
		.sched_flags = e->flags,
		.sched_runtime = e->runtime,
		.sched_deadline = e->deadline,
		.sched_period = e->period,
	};

	if (syscall(SYS_sched_setattr, th->host_tid, &attr, 0) == 0)
		return 0;
	err_sys(err, "cannot give thread %d its SCHED_DEADLINE", th->tid);
	return err_hint(err,
			"others may have been promised that time, or it may not run on all CPUs");
}

/* Policy and niceness are set once more: they are not to be changed, but there is no way to say so. */
static int resume_thread(const struct thread *th, struct err *err)
{
	const ThreadCoreEntry *e = th->core->thread_core;
	struct sched_attr attr;

	if (e->deadline)
		return resume_deadline(th, err);
	if (!e->has_slice && !e->has_clamp_max)
		return 0;
	if (get_attr(th->host_tid, &attr) < 0)
		return err_sys(err, "cannot ask for the scheduling of thread %d", th->tid);
	attr.sched_flags &= SCHED_FLAG_RESET_ON_FORK;
	if (e->has_slice)
		attr.sched_runtime = e->slice;
	if (e->has_clamp_max) {
		attr.sched_flags |= SCHED_FLAG_UTIL_CLAMP;
		attr.sched_util_min = e->clamp_min;
		attr.sched_util_max = e->clamp_max;
	}
	if (syscall(SYS_sched_setattr, th->host_tid, &attr, 0) == 0)
		return 0;
	err_sys(err, "cannot set the time slice or the utilization clamps of thread %d", th->tid);
	return err_hint(err, "clamps need a kernel with CONFIG_UCLAMP_TASK");
}

/* A kernel without autogroups has nobody in one. */
static int resume_autogroup(struct restore *r, const struct task *t, struct err *err)
{
	char path[32], text[16];

	if (!t->core->tc->has_autogroup_nice)
		return 0;
	snprintf(path, sizeof(path), "%d/autogroup", t->host_alive);
	snprintf(text, sizeof(text), "%d", t->core->tc->autogroup_nice);
	if (privileged_write(r, path, text) < 0 && errno != ENOENT)
		return err_sys(err, "cannot set the niceness of the autogroup");
	return 0;
}

static int resume_sched(struct restore *r, struct task *t, struct err *err)
{
	for (size_t i = 0; i < t->nr_threads; i++)
		if (resume_thread(&t->threads[i], err) < 0)
			return -err->code;
	return resume_autogroup(r, t, err);
}

const struct task_kind sched_kind = {
	.name = "sched",
	.collect = collect_sched,
	.read = read_sched,
	.map = map_sched,
	.resume = resume_sched,
};
