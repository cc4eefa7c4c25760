/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * layout - where the restorer can stand while everything else moves
 *
 * The region is one mapping, in a gap that is free now and will be free: our
 * own areas and those of the task are sorted together, and the first gap that
 * is large enough is taken. It is generous, since what is not touched costs
 * nothing.
 */
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/arch.h"
#include "mem/mem.h"

extern const char restorer_blob[], restorer_blob_end[];

enum {
	GAP = 1 << 20,	      /* to the next neighbour: stacks may grow */
	ROOM_TASK = 16 << 20, /* signals, timers, groups, filters */
	ROOM_THREAD = 256 << 10,
	LOWEST = 64 << 20, /* programs like to be below */
};

struct range {
	uint64_t start, end;
};

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Everything that is or will be in use. */
struct used {
	struct range *list;
	size_t n;
};

static void sort_used(struct arena *a, const MmEntry *mm, const proc_vma_list *ours,
		      struct range extra, struct used *ret)
{
	struct range *list = arena_array(a, struct range, ours->n + mm->n_vmas + 1);
	const struct proc_vma *v;
	size_t i, n = 0;

	vec_for_each(v, ours)
		list[n++] = (struct range){ v->start, v->end };
	for (i = 0; i < mm->n_vmas; i++)
		list[n++] = (struct range){ mm->vmas[i]->start, mm->vmas[i]->end };
	list[n++] = extra;
	qsort(list, n, sizeof(*list), by_start);
	*ret = (struct used){ list, n };
}

static uint64_t find_gap(const struct used *u, uint64_t from, uint64_t size)
{
	uint64_t at = from;
	size_t i;

	for (i = 0; i < u->n && u->list[i].start < arch_task_size(); i++) {
		if (u->list[i].start >= at + size + GAP)
			return at;
		if (u->list[i].end + GAP > at)
			at = u->list[i].end + GAP;
	}
	return at + size + GAP <= arch_task_size() ? at : 0;
}

uint64_t layout_find_gap(struct restore *r, const MmEntry *mm, uint64_t from, uint64_t size)
{
	const proc_vma_list nobody = { 0 };
	struct used used;
	uint64_t at;

	sort_used(r->arena, mm, &nobody, (struct range){ 0, LOWEST }, &used);
	at = find_gap(&used, from, size);
	return at ? at : find_gap(&used, LOWEST, size);
}

static size_t estimate_size(const struct task *t, const struct mem_task *m, size_t blob)
{
	const struct pagemap_run *run;
	uint64_t nr_threads = t->nr_threads + t->leader_exited;
	uint64_t size = blob + ROOM_TASK + nr_threads * (uint64_t)ROOM_THREAD + t->region_room;
	uint64_t bytes = 0;

	vec_for_each(run, &m->pages)
		bytes += run->len;
	size += t->mm->n_vmas * (sizeof(struct restorer_vma) + 2 * sizeof(struct restorer_io));
	size += ((m->pages.n + m->present.n) * 2 + bytes / PAGE_BYTES / 64) *
		(sizeof(struct restorer_io) + sizeof(struct restorer_iov));
	return (size + GAP - 1) & ~(uint64_t)(GAP - 1);
}

static int map_region(struct region *g, uint64_t at, size_t size, size_t code, struct err *err)
{
	g->start = mmap((void *)(uintptr_t)at, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (g->start == MAP_FAILED)
		return err_sys(err, "cannot map %zu bytes for the restorer", size);
	g->size = size;
	g->used = code;
	memcpy(g->start, restorer_blob, (size_t)(restorer_blob_end - restorer_blob));
	if (mprotect(g->start, code, PROT_READ | PROT_EXEC) < 0)
		return err_sys(err, "cannot make the restorer executable");
	return 0;
}

static int make_stack(struct region *g, struct restorer_thread *th, struct err *err)
{
	void *stack = region_alloc(g, RESTORER_STACK, err);

	th->args = (uintptr_t)g->args;
	th->stack = (uintptr_t)stack;
	th->stack_size = RESTORER_STACK;
	return stack ? 0 : -err->code;
}

/* What all threads need; their kinds add the rest. */
static int make_threads(struct region *g, const struct task *t, struct err *err)
{
	size_t i;

	g->args = region_alloc(g, sizeof(*g->args), err);
	g->threads = g->args ? region_alloc(g, t->nr_threads * sizeof(*g->threads), err) : NULL;
	if (!g->threads)
		return -err->code;
	g->args->region = (uintptr_t)g->start;
	g->args->region_size = g->size;
	g->args->pid = t->pid;
	g->args->nr_threads = (uint32_t)t->nr_threads;
	g->args->threads = (uintptr_t)g->threads;

	for (i = 0; i < t->nr_threads; i++) {
		struct restorer_thread *th = &g->threads[i];

		if (make_stack(g, th, err) < 0)
			return -err->code;
		th->tid = t->threads[i].tid;
		th->is_leader = th->tid == t->pid;
	}
	g->leader = g->threads;
	if (!t->leader_exited)
		return 0;
	g->leader = region_alloc(g, sizeof(*g->leader), err);
	g->args->exiting_leader = (uintptr_t)g->leader;
	return g->leader ? make_stack(g, g->leader, err) : -err->code;
}

int region_create(struct restore *r, struct task *t, const struct mem_task *m, struct err *err)
{
	size_t code = ((size_t)(restorer_blob_end - restorer_blob) + PAGE_BYTES - 1) &
		      ~(size_t)(PAGE_BYTES - 1);
	size_t size = estimate_size(t, m, code);
	const struct range vdso = { m->vdso, m->vdso + m->vdso_size };
	proc_vma_list ours = { 0 };
	struct used used;
	uint64_t at;

	r->region = arena_new(r->arena, struct region);
	if (proc_read_own_maps(r->proc, r->arena, &ours, err) < 0)
		return -err->code;
	sort_used(r->arena, t->mm, &ours, vdso, &used);
	at = find_gap(&used, LOWEST, size);
	if (!at) {
		err_set(err, ENOMEM,
			"cannot find %zu bytes that neither criu-lite nor task %d uses", size,
			t->pid);
		return err_hint(err, "its address space is full; there is no way around");
	}
	if (map_region(r->region, at, size, code, err) < 0)
		return -err->code;
	return make_threads(r->region, t, err);
}
