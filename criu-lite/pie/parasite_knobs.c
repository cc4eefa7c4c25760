/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parasite_knobs - settings of a task and of its threads that only they can ask for
 *
 * A kernel that does not know one of them has it as in a new process.
 */
#include <asm/unistd.h>
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <linux/prctl.h>

#include "pie/abi.h"
#include "sys.h"

enum {
	PAGE = 4096,
	PROT_NONE_ = 0,
	PROT_READ_ = 1,
	PROT_WRITE_ = 2,
	MAP_PRIVATE_ = 2,
	MAP_ANONYMOUS_ = 0x20,
	MS_ASYNC_ = 1,
	MS_INVALIDATE_ = 2,
	EBUSY_ = 16,
	PR_GET_MEMORY_MERGE_ = 68, /* Linux 6.4 */
};

/*
 * What mlockall(MCL_FUTURE) has said is seen in what is mapped next: locked
 * memory cannot be invalidated, and is there at once, or with MCL_ONFAULT not.
 */
static int32_t ask_lock_future(void)
{
	int32_t flags = 0;
	unsigned char there = 0;
	long page = sys6(__NR_mmap, 0, PAGE, PROT_READ_ | PROT_WRITE_,
			 MAP_PRIVATE_ | MAP_ANONYMOUS_, -1, 0);

	if (page < 0)
		return 0;
	if (sys3(__NR_msync, page, PAGE, MS_ASYNC_ | MS_INVALIDATE_) == -EBUSY_) {
		sys3(__NR_mincore, page, PAGE, (long)&there);
		flags = there & 1 ? MCL_FUTURE : MCL_FUTURE | MCL_ONFAULT;
	}
	sys2(__NR_munmap, page, PAGE);
	return flags;
}

void parasite_task_knobs(struct parasite_task *t)
{
	long merge = sys5(__NR_prctl, PR_GET_MEMORY_MERGE_, 0, 0, 0, 0);

	t->memory_merge = merge > 0;
	t->lock_future = ask_lock_future();
}

void parasite_thread_knobs(struct parasite_thread *t)
{
	int32_t n = 0;
	long ret;

	if (sys5(__NR_prctl, PR_GET_TSC, (long)&n, 0, 0, 0) >= 0)
		t->tsc = (uint32_t)n;
	ret = sys5(__NR_prctl, PR_MCE_KILL_GET, 0, 0, 0, 0);
	t->mce_kill = ret >= 0 ? (uint32_t)ret : PR_MCE_KILL_DEFAULT;
	for (int i = 0; i < NR_SPECULATIONS; i++) {
		ret = sys5(__NR_prctl, PR_GET_SPECULATION_CTRL, i, 0, 0, 0);
		t->speculation[i] = ret > 0 ? (uint32_t)ret : 0;
	}
	n = 0;
	sys5(__NR_get_mempolicy, (long)&n, (long)t->nodes, NR_NODES, 0, 0);
	t->memory_policy = (uint32_t)n;
}

/* That of memory at @at; 0 if it has none of its own, or there can be none. */
static uint32_t policy_at(uint64_t at, uint64_t *nodes)
{
	int32_t mode = 0;
	long ret = sys5(__NR_get_mempolicy, (long)&mode, (long)nodes, nodes ? NR_NODES : 0,
			(long)at, MPOL_F_ADDR);

	return ret < 0 ? 0 : (uint32_t)mode;
}

long parasite_policies(struct parasite_policies *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		p->at[i] = policy_at(p->at[i], NULL);
	return 0;
}

static bool is_same(const uint64_t *a, const uint64_t *b)
{
	for (int i = 0; i < NR_NODES / 64; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

long parasite_policy(struct parasite_policy *p)
{
	uint64_t nodes[NR_NODES / 64];

	p->mode = policy_at(p->at, p->nodes);
	for (uint64_t at = p->at + PAGE; at < p->end && !p->differs; at += PAGE)
		p->differs = policy_at(at, nodes) != p->mode || !is_same(nodes, p->nodes);
	return 0;
}
