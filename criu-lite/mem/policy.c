/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy - what mbind() has said of an area
 *
 * drain     the task asks for the policies of all its areas (pie/parasite_knobs.c)
 * map       the restorer calls mbind() before the area gets its pages
 *
 * An object that is shared has its policies itself, piece by piece. Who has said
 * so has an area for each piece; who has not, and has several pieces in one area,
 * is refused.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "mem/mem.h"

enum {
	WORDS = NR_NODES / 64,
	BATCH = (PARASITE_ARGS_SIZE - sizeof(struct parasite_policies)) / sizeof(uint64_t),
};

static int refuse(const struct task *t, const VmaEntry *e, struct err *err)
{
	err_set(err, EOPNOTSUPP,
		"cannot dump the memory policies of the mapping at %" PRIx64 "-%" PRIx64
		" of task %d",
		e->start, e->end, t->host_pid);
	err_why(err, "its pages are shared, and somebody has given them different ones");
	return err_hint(err, "map them piece by piece in the program");
}

static int drain_policy(struct dump *d, struct task *t, VmaEntry *e, struct err *err)
{
	struct parasite_policy p = { .at = e->start, .end = e->end };
	MemoryPolicyEntry *policy = record_new(d, memory_policy_entry);

	if (task_call(t, PARASITE_POLICY, &p, sizeof(p), err) < 0)
		return -err->code;
	if (p.differs)
		return refuse(t, e, err);
	policy->mode = p.mode;
	policy->nodes = arena_dup(d->arena, p.nodes, sizeof(p.nodes));
	for (policy->n_nodes = WORDS; policy->n_nodes > 0; policy->n_nodes--)
		if (p.nodes[policy->n_nodes - 1])
			break;
	e->memory_policy = policy;
	return 0;
}

static int drain_batch(struct dump *d, struct task *t, VmaEntry **vmas, struct parasite_policies *p,
		       struct err *err)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		p->at[i] = vmas[i]->start;
	if (task_call(t, PARASITE_POLICIES, p, sizeof(*p) + p->n * sizeof(p->at[0]), err) < 0)
		return -err->code;
	for (i = 0; i < p->n; i++)
		if (p->at[i] && drain_policy(d, t, vmas[i], err) < 0)
			return -err->code;
	return 0;
}

int policy_drain(struct dump *d, struct task *t, struct err *err)
{
	struct parasite_policies *p = arena_alloc(d->arena, PARASITE_ARGS_SIZE);
	const MmEntry *mm = t->mm;
	int ret = 0;
	size_t i;

	for (i = 0; ret == 0 && i < mm->n_vmas; i += p->n) {
		p->n = (uint32_t)(mm->n_vmas - i < BATCH ? mm->n_vmas - i : BATCH);
		ret = drain_batch(d, t, mm->vmas + i, p, err);
	}
	arena_give_back(d->arena, p, PARASITE_ARGS_SIZE);
	return ret;
}

/* ---- restore ---- */

bool policy_is_known(const VmaEntry *e)
{
	return !e->memory_policy || e->memory_policy->n_nodes <= WORDS;
}

int policy_map(struct restore *r, const VmaEntry *e, struct restorer_vma *v, struct err *err)
{
	const MemoryPolicyEntry *policy = e->memory_policy;
	struct restorer_policy *p;

	if (!policy)
		return 0;
	p = region_alloc(r->region, sizeof(*p), err);
	if (!p)
		return -err->code;
	p->mode = policy->mode;
	if (policy->n_nodes)
		memcpy(p->nodes, policy->nodes, policy->n_nodes * sizeof(p->nodes[0]));
	v->policy = (uintptr_t)p;
	return 0;
}
