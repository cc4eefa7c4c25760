/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cow - pages that a task still has together with its parent, since fork
 *
 * drain     what both have at the same address in the same page of memory is
 *           marked in the pagemap; it is saved for both all the same, as others
 *           read our images who do not know the mark
 * newborn   a task maps, at their old addresses, those of its areas whose pages its
 *           children have too, and reads these pages, before it forks its
 *           children; what it has from its own father, and need not have, goes
 * map       such areas are not mapped again (pie/remap.c), and only what is not yet
 *           there is read (fill.c)
 *
 * not kept  that pages are shared by siblings, when the parent has others; by areas
 *           that have moved or grown since; by mappings of files without a name; in
 *           areas that lie where criu-lite has something itself (addresses are random)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/births.h"
#include "core/files.h"
#include "core/path_ref.h"
#include "core/stats.h"
#include "mem/mem.h"

enum {
	KEPT_FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_NORESERVE,
};

/* Is it memory that can be inherited, and put in place by an ordinary mmap()? */
static bool can_inherit(const VmaEntry *e)
{
	uint32_t status = e->status & ~(uint32_t)(VMA_HEAP | VMA_STACK);

	return (status == (VMA_REGULAR | VMA_ANON_PRIVATE) ||
		status == (VMA_REGULAR | VMA_FILE_PRIVATE)) &&
	       !(e->flags & ~(uint32_t)(KEPT_FLAGS | MAP_LOCKED));
}

static bool is_file(const VmaEntry *e)
{
	return e->status & VMA_FILE_PRIVATE;
}

/* ---- dump ---- */

static int open_pagemap(const struct dump *d, const struct task *t)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/pagemap", t->host_alive);
	return openat(d->proc, path, O_RDONLY | O_CLOEXEC);
}

void cow_begin(struct dump *d, const struct task *t, struct cow *c)
{
	bool has_parent = t->parent && t->parent->state != TASK_DEAD;

	*c = (struct cow){ .own = -1, .parent = -1 };
	if (!has_parent)
		return;
	c->own = open_pagemap(d, t);
	c->parent = open_pagemap(d, t->parent);
}

void cow_end(struct cow *c)
{
	if (c->own >= 0)
		close(c->own);
	if (c->parent >= 0)
		close(c->parent);
}

static bool read_words(int pagemap, uint64_t start, uint64_t *words, size_t n)
{
	return pagemap >= 0 && io_pread(pagemap, words, n * sizeof(*words),
					(off_t)(start / PAGE_BYTES * sizeof(*words))) == 0;
}

/* Both in the same place, in memory or in swap; without privileges all places look like 0. */
static bool is_shared(uint64_t own, uint64_t parent)
{
	const uint64_t place = (1ull << 55) - 1, where = 3ull << 62, file = 1ull << 61;

	return (own & where) && (own & place) && !(own & file) &&
	       (own & (where | place)) == (parent & (where | place));
}

/* The words of the pages from @start on, together with what can be asked for at the same time. */
static bool look(struct cow *c, uint64_t start, uint64_t end)
{
	uint64_t own[COW_WINDOW], parent[COW_WINDOW];
	size_t i, n = (end - start) / PAGE_BYTES;

	if (start >= c->start && start < c->end)
		return true;
	if (n > COW_WINDOW)
		n = COW_WINDOW;
	if (!read_words(c->own, start, own, n) || !read_words(c->parent, start, parent, n))
		return false;
	for (i = 0; i < n; i++)
		c->shared[i] = is_shared(own[i], parent[i]);
	c->start = start;
	c->end = start + n * PAGE_BYTES;
	return true;
}

uint64_t cow_piece(struct cow *c, const VmaEntry *e, uint64_t start, uint64_t end,
		   bool *inherited_ret)
{
	uint64_t at;

	*inherited_ret = false;
	if (!can_inherit(e) || !look(c, start, end))
		return end;
	*inherited_ret = c->shared[(start - c->start) / PAGE_BYTES];
	for (at = start; at < end && at < c->end; at += PAGE_BYTES)
		if (c->shared[(at - c->start) / PAGE_BYTES] != *inherited_ret)
			break;
	return at;
}

/* ---- sets of pages, as sorted ranges that do not touch ---- */

static int by_start(const void *a, const void *b)
{
	const struct vma_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void tidy(vma_ranges *s)
{
	size_t i, n = 0;

	qsort(s->items, s->n, sizeof(*s->items), by_start);
	for (i = 0; i < s->n; i++) {
		struct vma_range *last = n ? &s->items[n - 1] : NULL, *x = &s->items[i];

		if (!last || x->start > last->end)
			s->items[n++] = *x;
		else if (x->end > last->end)
			last->end = x->end;
	}
	s->n = n;
}

static void add_range(struct arena *a, vma_ranges *s, uint64_t start, uint64_t end)
{
	if (start < end)
		*vec_add(a, s) = (struct vma_range){ start, end };
}

/* What is in both. */
static vma_ranges both(struct arena *a, const vma_ranges *x, const vma_ranges *y)
{
	vma_ranges ret = { 0 };
	size_t i = 0, k = 0;

	while (i < x->n && k < y->n) {
		const struct vma_range *p = &x->items[i], *q = &y->items[k];

		add_range(a, &ret, p->start > q->start ? p->start : q->start,
			  p->end < q->end ? p->end : q->end);
		if (p->end < q->end)
			i++;
		else
			k++;
	}
	return ret;
}

/* What of @x is not in @y. */
static vma_ranges without(struct arena *a, const vma_ranges *x, const vma_ranges *y)
{
	vma_ranges ret = { 0 };
	const struct vma_range *p;
	size_t k = 0;

	vec_for_each(p, x) {
		uint64_t at = p->start;

		for (; k < y->n && y->items[k].start < p->end; k++) {
			add_range(a, &ret, at, y->items[k].start);
			if (y->items[k].end > at)
				at = y->items[k].end;
			if (y->items[k].end > p->end)
				break;
		}
		add_range(a, &ret, at, p->end);
	}
	return ret;
}

/* ---- restore: in the newborn ---- */

/* Pages of @t, all or those that it has from its parent. */
static vma_ranges pages_of(struct arena *a, const struct mem_task *m, bool inherited)
{
	vma_ranges ret = { 0 };
	const struct pagemap_run *run;

	vec_for_each(run, &m->pages)
		if (run->inherited || !inherited)
			add_range(a, &ret, run->addr, run->addr + run->len);
	tidy(&ret);
	return ret;
}

static bool has_any(const vma_ranges *s, const VmaEntry *e)
{
	const struct vma_range *x;

	vec_for_each(x, s)
		if (x->start < e->end && x->end > e->start)
			return true;
	return false;
}

static bool is_born_of_parent(const struct task *t)
{
	return t->parent && t->birth->father && t->birth->father->task == t->parent;
}

/* Where its page at address 0 would be in the file. */
static uint64_t origin_of(const VmaEntry *e)
{
	return is_file(e) ? e->pgoff - e->start : 0;
}

static const struct cow_area *area_around(const cow_areas *areas, const VmaEntry *e)
{
	const struct cow_area *x;

	vec_for_each(x, areas)
		if (x->start <= e->start && x->end >= e->end &&
		    x->flags == (e->flags & KEPT_FLAGS) && x->file == (is_file(e) ? e->shmid : 0) &&
		    x->origin == origin_of(e))
			return x;
	return NULL;
}

static void hold(struct arena *a, cow_areas *areas, const VmaEntry *e)
{
	*vec_add(a, areas) = (struct cow_area){
		.start = e->start,
		.end = e->end,
		.flags = e->flags & KEPT_FLAGS,
		.file = is_file(e) ? e->shmid : 0,
		.origin = origin_of(e),
	};
}

static vma_ranges ranges_of(struct arena *a, const cow_areas *areas)
{
	vma_ranges ret = { 0 };
	const struct cow_area *x;

	vec_for_each(x, areas)
		add_range(a, &ret, x->start, x->end);
	tidy(&ret);
	return ret;
}

/* Of what our father holds, only whole areas stay; the rest is nothing to us. */
static void keep_inherited(struct restore *r, const struct task *t, struct mem_task *m,
			   cow_areas *held)
{
	vma_ranges mine = pages_of(r->arena, m, true), before, now, gone;
	cow_areas keep = { 0 };
	struct vma_range *x;
	size_t i;

	for (i = 0; held->n && is_born_of_parent(t) && i < t->mm->n_vmas; i++) {
		const VmaEntry *e = t->mm->vmas[i];

		if (can_inherit(e) && has_any(&mine, e) && area_around(held, e))
			hold(r->arena, &keep, e);
	}
	before = ranges_of(r->arena, held);
	now = ranges_of(r->arena, &keep);
	gone = without(r->arena, &before, &now);
	vec_for_each(x, &gone)
		munmap((void *)(uintptr_t)x->start, x->end - x->start);

	if (keep.n) /* for each of them we have a father that is our parent */
		mine = both(r->arena, &mine, &mem_of(r, t->parent)->present);
	m->present = both(r->arena, &mine, &now);
	gone = without(r->arena, &now, &m->present);
	vec_for_each(x, &gone)
		madvise((void *)(uintptr_t)x->start, x->end - x->start, MADV_DONTNEED);
	*held = keep;
}

/* Pages of ours that children will have from us. */
static vma_ranges find_wanted(struct restore *r, const struct task *t, const struct mem_task *m)
{
	vma_ranges wanted = { 0 }, mine;
	const struct birth *b;

	list_for_each(b, &t->birth->births, sibling) {
		const struct task *child = b->task;
		const struct pagemap_run *run;

		if (b->is_helper || child->state == TASK_DEAD || child->parent != t)
			continue;
		vec_for_each(run, &mem_of(r, child)->pages)
			if (run->inherited)
				add_range(r->arena, &wanted, run->addr, run->addr + run->len);
	}
	tidy(&wanted);
	mine = wanted.n ? pages_of(r->arena, m, false) : wanted;
	return both(r->arena, &wanted, &mine);
}

/* Files are not open yet; those that have a name can be had before the others. */
static int open_file(struct restore *r, const VmaEntry *e)
{
	struct file *f = e->shmid <= UINT32_MAX ? file_by_id(r, (uint32_t)e->shmid) : NULL;
	struct err ignored = { 0 };

	if (!f || f->kind->type != FD_TYPES__REG || path_ref_is_substituted(r, f->image->reg))
		return -1;
	return path_ref_open(r, f->image->reg, O_RDONLY, &ignored);
}

/* Where we have something ourselves the area is not made now, and nobody inherits it. */
static bool make_area(struct restore *r, const VmaEntry *e)
{
	scoped_fd fd = is_file(e) ? open_file(r, e) : -1;
	void *p = MAP_FAILED;

	if (fd >= 0 || !is_file(e))
		p = mmap((void *)(uintptr_t)e->start, e->end - e->start, PROT_READ | PROT_WRITE,
			 (int)(e->flags & KEPT_FLAGS) | MAP_FIXED_NOREPLACE, fd,
			 is_file(e) ? (off_t)e->pgoff : 0);
	if (p == MAP_FAILED)
		log_debug("the area at %llx is not inherited: %s", (unsigned long long)e->start,
			  strerror(errno));
	return p != MAP_FAILED;
}

/* Our stack may still grow, and so may what is below us. */
static bool is_near_us(const VmaEntry *e)
{
	enum { ROOM = 64 << 20 };
	uint64_t here = (uintptr_t)&here;

	return e->start < here + ROOM && e->end + ROOM > here;
}

static void make_areas(struct restore *r, const struct task *t, const vma_ranges *wanted,
		       cow_areas *held)
{
	size_t i;

	for (i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *e = t->mm->vmas[i];

		if (can_inherit(e) && !area_around(held, e) && has_any(wanted, e) &&
		    !is_near_us(e) && make_area(r, e))
			hold(r->arena, held, e);
	}
}

static int load_run(struct restore *r, const struct pagemap_run *run, const vma_ranges *load,
		    struct err *err)
{
	struct vma_range whole = { run->addr, run->addr + run->len };
	const vma_ranges all = { .items = &whole, .n = 1 };
	vma_ranges pieces = both(r->arena, &all, load);
	const struct vma_range *x;
	scoped_fd fd = -1;

	vec_for_each(x, &pieces) {
		int ret;

		if (fd < 0 && (fd = pagemap_open_pages(r, run, err)) < 0)
			return -err->code;
		ret = io_pread(fd, (void *)(uintptr_t)x->start, x->end - x->start,
			       (off_t)(run->off + (x->start - run->addr)));
		if (ret < 0)
			return err_set(err, -ret, "cannot read pages from the image to %#llx",
				       (unsigned long long)x->start);
		stats_add(r->stats, STAT_PAGES_RESTORED, (x->end - x->start) / PAGE_BYTES);
	}
	return 0;
}

int cow_newborn(struct restore *r, struct task *t, struct err *err)
{
	cow_areas *held = mem_held(r);
	struct mem_task *m = mem_of(r, t);
	vma_ranges wanted, areas, load;
	const struct pagemap_run *run;
	const struct vma_range *x;

	keep_inherited(r, t, m, held);
	vec_for_each(x, &m->present)
		stats_add(r->stats, STAT_PAGES_SKIPPED_COW, (x->end - x->start) / PAGE_BYTES);
	wanted = find_wanted(r, t, m);
	if (!wanted.n)
		return 0;
	make_areas(r, t, &wanted, held);
	areas = ranges_of(r->arena, held);
	wanted = both(r->arena, &wanted, &areas);
	load = without(r->arena, &wanted, &m->present);
	vec_for_each(run, &m->pages)
		if (load_run(r, run, &load, err) < 0)
			return -err->code;
	vec_for_each(x, &load)
		add_range(r->arena, &m->present, x->start, x->end);
	tidy(&m->present);
	return 0;
}

bool cow_is_held(struct restore *r, const VmaEntry *e)
{
	const struct cow_area *x;

	vec_for_each(x, mem_held(r))
		if (x->start == e->start && x->end == e->end)
			return true;
	return false;
}
