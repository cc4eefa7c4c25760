/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * knobs - settings that CRIU's records have no field for; ours have
 *
 *	of a process	mlockall(MCL_FUTURE), PR_SET_MEMORY_MERGE
 *	of a thread	memory policy, PR_SET_TSC, PR_MCE_KILL, PR_SET_SPECULATION_CTRL
 *
 * drain     told by the parasite; only what is not as in a new process is written
 * before    what newborn tasks would inherit from us is made as in a new process
 * map       the restorer sets them (pie/knobs.c)
 *
 * A CPU on which a speculation control does nothing is no reason to refuse.
 *
 * not kept  CPUID that faults (ARCH_SET_CPUID)
 * refused   PR_SET_IO_FLUSHER: to set it needs CAP_SYS_RESOURCE
 */
#include <errno.h>
#include <linux/prctl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "core/kind.h"
#include "core/region.h"

enum {
	MEMORY_MERGE = 67, /* PR_SET_MEMORY_MERGE of Linux 6.4 */
	USUAL_SLACK = 50000,
	POLICY_NODE_WORDS = NR_NODES / 64,
	/* PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE in /proc/PID/stat: what PR_SET_IO_FLUSHER sets */
	IO_FLUSHER = 0x180000,
};

static const uint32_t SPEC_RESTRICTED = PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE |
					PR_SPEC_DISABLE_NOEXEC;

/* Only what the thread itself has asked for; the rest is the machine's. */
static bool is_restricted(uint32_t speculation)
{
	return speculation & PR_SPEC_PRCTL && speculation & SPEC_RESTRICTED;
}

/* ---- dump ---- */

static int check_io_flusher(struct dump *d, const struct task *t, const struct thread *th,
			    struct err *err)
{
	struct proc_stat stat;

	if (proc_read_stat(d->proc, t->host_pid, th->host_tid, &stat, err) < 0)
		return -err->code;
	if ((stat.flags & IO_FLUSHER) != IO_FLUSHER)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump thread %d, which has PR_SET_IO_FLUSHER",
		th->host_tid);
	return err_hint(err, "it serves a file system or a disk; stop that first");
}

static int collect_knobs(struct dump *d, struct task *t, struct err *err)
{
	for (size_t i = 0; t->state != TASK_DEAD && i < t->nr_threads; i++)
		if (check_io_flusher(d, t, &t->threads[i], err) < 0)
			return -err->code;
	return 0;
}

static void drain_speculation(struct dump *d, const struct parasite_thread *in, ThreadCoreEntry *e)
{
	bool any = false;

	for (int i = 0; i < NR_SPECULATIONS; i++)
		any = any || is_restricted(in->speculation[i]);
	if (!any)
		return;
	e->n_speculation = NR_SPECULATIONS;
	e->speculation = arena_dup(d->arena, in->speculation, sizeof(in->speculation));
}

static void drain_policy(struct dump *d, const struct parasite_thread *in, ThreadCoreEntry *e)
{
	MemoryPolicyEntry *policy;

	if (in->memory_policy == 0)
		return;
	policy = record_new(d, memory_policy_entry);
	policy->mode = in->memory_policy;
	policy->nodes = arena_dup(d->arena, in->nodes, sizeof(in->nodes));
	for (policy->n_nodes = POLICY_NODE_WORDS; policy->n_nodes > 0; policy->n_nodes--)
		if (in->nodes[policy->n_nodes - 1])
			break;
	e->memory_policy = policy;
}

static void drain_thread(struct dump *d, const struct thread *th)
{
	const struct parasite_thread *in = th->inside;
	ThreadCoreEntry *e = th->core->thread_core;

	e->has_tsc = in->tsc == PR_TSC_SIGSEGV;
	e->tsc = e->has_tsc ? in->tsc : 0;
	e->has_mce_kill = in->mce_kill != PR_MCE_KILL_DEFAULT;
	e->mce_kill = e->has_mce_kill ? in->mce_kill : 0;
	drain_speculation(d, in, e);
	drain_policy(d, in, e);
}

static int drain_knobs(struct dump *d, struct task *t, struct err *err)
{
	TaskCoreEntry *tc = t->core->tc;

	if (t->state == TASK_DEAD)
		return 0;
	tc->has_memory_merge = t->inside->memory_merge;
	tc->memory_merge = t->inside->memory_merge;
	tc->has_lock_future = t->inside->lock_future != 0;
	tc->lock_future = (uint32_t)t->inside->lock_future;
	for (size_t i = 0; i < t->nr_threads; i++)
		drain_thread(d, &t->threads[i]);
	return 0;
}

/* ---- restore ---- */

static bool is_valid(const ThreadCoreEntry *e)
{
	return e->n_speculation <= NR_SPECULATIONS &&
	       (!e->memory_policy || e->memory_policy->n_nodes <= POLICY_NODE_WORDS);
}

static int read_knobs(struct restore *r, struct task *t, struct err *err)
{
	bool good = true;

	if (t->state == TASK_DEAD)
		return 0;
	for (size_t i = 0; i < t->nr_threads; i++)
		good = good && is_valid(t->threads[i].core->thread_core);
	if (good && !(t->core->tc->lock_future & ~(uint32_t)(MCL_FUTURE | MCL_ONFAULT)))
		return 0;
	err_set(err, EBADMSG, "cannot use the settings of task %d", t->pid);
	return err_hint(err, "the checkpoint is damaged; take it again");
}

/* Most fail on a machine that has nothing of the kind: then there is nothing to reset. */
static int prepare_knobs(struct restore *r, struct err *err)
{
	/* the timer slack of a parent becomes the default of its children */
	prctl(PR_SET_TIMERSLACK, USUAL_SLACK);
	prctl(MEMORY_MERGE, 0, 0, 0, 0);
	prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0);
	prctl(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0);
	/* What a newborn touches of our memory is little: clearing huge pages for it costs more. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	for (int i = 0; i < NR_SPECULATIONS; i++)
		if (is_restricted((uint32_t)prctl(PR_GET_SPECULATION_CTRL, i, 0, 0, 0)))
			prctl(PR_SET_SPECULATION_CTRL, i, PR_SPEC_ENABLE, 0, 0);
	return 0;
}

/* Who has become the root task was not born of us. */
static int newborn_knobs(struct restore *r, struct task *t, struct err *err)
{
	return r->opts->into && t == r->tree->root ? prepare_knobs(r, err) : 0;
}

static void map_speculation(const struct thread *th, struct restorer_thread *out)
{
	const ThreadCoreEntry *e = th->core->thread_core;

	for (size_t i = 0; i < e->n_speculation; i++) {
		int own = prctl(PR_GET_SPECULATION_CTRL, i, 0, 0, 0);

		if (!is_restricted(e->speculation[i]))
			continue;
		if (own > 0 && own & PR_SPEC_PRCTL)
			out->speculation[i] = e->speculation[i] & SPEC_RESTRICTED;
		else
			log_warn("thread %d: speculation control %zu cannot be set on this machine",
				 th->tid, i);
	}
}

static int map_knobs(struct restore *r, struct task *t, struct err *err)
{
	struct restorer_args *args = r->region->args;

	args->memory_merge = t->core->tc->memory_merge;
	args->lock_future = t->core->tc->lock_future;
	for (size_t i = 0; i < t->nr_threads; i++) {
		const ThreadCoreEntry *e = t->threads[i].core->thread_core;
		struct restorer_thread *out = &r->region->threads[i];

		out->tsc = e->has_tsc ? e->tsc : 0;
		out->mce_kill = e->has_mce_kill ? e->mce_kill : PR_MCE_KILL_DEFAULT;
		map_speculation(&t->threads[i], out);
		if (!e->memory_policy)
			continue;
		out->memory_policy = e->memory_policy->mode;
		memcpy(out->nodes, e->memory_policy->nodes,
		       e->memory_policy->n_nodes * sizeof(out->nodes[0]));
	}
	return 0;
}

const struct task_kind knobs_kind = {
	.name = "knobs",
	.collect = collect_knobs,
	.drain = drain_knobs,
	.read = read_knobs,
	.prepare = prepare_knobs,
	.newborn = newborn_knobs,
	.map = map_knobs,
};
