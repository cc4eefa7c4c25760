/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * knobs - settings that come when nothing of ours minds them any more
 */
#include <asm/unistd.h>
#include <linux/prctl.h>

#include "pie/restorer.h"
#include "sys.h"

enum { PR_SET_MEMORY_MERGE_ = 67 };

static long prctl(long option, long a, long b)
{
	return sys5(__NR_prctl, option, a, b, 0, 0);
}

/* Only what is mapped from now on is locked: the rest has been, area by area. */
void restore_task_knobs(struct restorer_args *args)
{
	if (args->memory_merge)
		restorer_check(args, prctl(PR_SET_MEMORY_MERGE_, 1, 0), RST_PRCTL,
			       PR_SET_MEMORY_MERGE_);
	if (args->lock_future)
		restorer_check(args, sys1(__NR_mlockall, args->lock_future), RST_LOCK, 0);
}

/* A kernel without NUMA cannot even be asked for the default. */
static void restore_policy(struct restorer_args *args, const struct restorer_thread *t)
{
	long ret = sys3(__NR_set_mempolicy, t->memory_policy, t->memory_policy ? (long)t->nodes : 0,
			t->memory_policy ? NR_NODES + 1 : 0);

	if (t->memory_policy)
		restorer_check(args, ret, RST_POLICY, (uint64_t)t->tid);
}

void restore_thread_knobs(struct restorer_thread *t)
{
	struct restorer_args *args = (struct restorer_args *)t->args;

	restore_policy(args, t);
	if (t->mce_kill != PR_MCE_KILL_DEFAULT)
		restorer_check(args, prctl(PR_MCE_KILL, PR_MCE_KILL_SET, t->mce_kill), RST_PRCTL,
			       PR_MCE_KILL);
	for (int i = 0; i < NR_SPECULATIONS; i++)
		if (t->speculation[i])
			restorer_check(args,
				       sys5(__NR_prctl, PR_SET_SPECULATION_CTRL, i,
					    t->speculation[i], 0, 0),
				       RST_PRCTL, PR_SET_SPECULATION_CTRL);
	if (t->tsc)
		restorer_check(args, prctl(PR_SET_TSC, t->tsc, 0), RST_PRCTL, PR_SET_TSC);
}
