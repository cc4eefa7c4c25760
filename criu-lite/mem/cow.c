/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cow - pages that a task still has together with its parent, since fork
 *
 * drain     what both have in the same page of memory is marked in the pagemap; it
 *           is saved for both all the same, as others read our images who do not
 *           know the mark
 * newborn   a task maps, at their old addresses, those of its areas whose pages its
 *           children have too, and reads these pages, before it forks its
 *           children; what it has from its own father is moved if the task has moved
 *           it since, and goes if it has it no more
 * map       such areas are not mapped again (pie/remap.c), and only what is not yet
 *           there is read (fill.c)
 *
 * not kept  that pages are shared by siblings, when the parent has others; by areas
 *           that have grown since; by mappings of files without a name; in areas that
 *           lie where criu-lite has something itself (addresses are random)
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
	c->mm = t->parent->mm;
	c->own_mm = t->mm;
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

/* Which pages from @start on are shared, and of those behind it what can be asked for together. */
static bool look(struct cow *c, uint64_t start, uint64_t end)
{
	uint64_t own[COW_WINDOW], parent[COW_WINDOW];
	size_t i, n = (end - start) / PAGE_BYTES;

	if (start >= c->start && start < c->end)
		return true;
	if (n > COW_WINDOW)
		n = COW_WINDOW;
	if (!read_words(c->own, start, own, n) ||
	    !read_words(c->parent, start - c->shift, parent, n))
		return false;
	for (i = 0; i < n; i++)
		c->shared[i] = is_shared(own[i], parent[i]);
	c->start = start;
	c->end = start + n * PAGE_BYTES;
	return true;
}

/* Has the parent pages of @e at @at? */
static bool is_from(struct cow *c, const VmaEntry *e, uint64_t at)
{
	c->shift = e->start - at;
	c->start = c->end = 0;
	if (!look(c, e->start, e->end))
		return false;
	for (size_t i = 0; i < (c->end - c->start) / PAGE_BYTES; i++)
		if (c->shared[i])
			return true;
	return false;
}

/* Is what @x of the parent has at @at of the same sort as @e? */
static bool is_alike(const VmaEntry *e, const VmaEntry *x, uint64_t at)
{
	return x->status == e->status && x->shmid == e->shmid &&
	       (!is_file(x) || x->pgoff + (at - x->start) == e->pgoff);
}

/* What @x of the parent has where the task itself has nothing, and as much of it, may be @e, moved. */
static bool is_part_of(struct cow *c, const VmaEntry *e, const VmaEntry *x, size_t *own)
{
	const MmEntry *mm = c->own_mm;
	uint64_t at = x->start;

	while (at < x->end) {
		const VmaEntry *next;
		uint64_t stop = x->end;

		while (*own < mm->n_vmas && mm->vmas[*own]->end <= at)
			(*own)++;
		next = *own < mm->n_vmas ? mm->vmas[*own] : NULL;
		if (next && next->start < stop)
			stop = next->start > at ? next->start : at;
		if (stop - at == e->end - e->start && is_alike(e, x, at) && is_from(c, e, at))
			return true;
		at = stop < x->end ? next->end : stop;
	}
	return false;
}

/* Where the parent has nothing it may have had this elsewhere; looking for it is not for the many. */
static void find_shift(struct cow *c, const VmaEntry *e)
{
	enum { MANY = 1000 };
	size_t i, n = c->mm->n_vmas, own = 0;

	while (c->at < n && c->mm->vmas[c->at]->end <= e->start)
		c->at++;
	c->area = e;
	if (n > MANY || c->own_mm->n_vmas > MANY ||
	    (c->at < n && c->mm->vmas[c->at]->start < e->end))
		n = 0;
	for (i = 0; i < n; i++)
		if (can_inherit(c->mm->vmas[i]) && is_part_of(c, e, c->mm->vmas[i], &own))
			return;
	c->shift = c->start = c->end = 0;
}

uint64_t cow_piece(struct cow *c, const VmaEntry *e, uint64_t start, uint64_t end,
		   uint64_t *from_ret)
{
	uint64_t at;
	bool shared;

	*from_ret = 0;
	if (!c->mm || !can_inherit(e))
		return end;
	if (c->area != e)
		find_shift(c, e);
	if (!look(c, start, end))
		return end;
	shared = c->shared[(start - c->start) / PAGE_BYTES];
	*from_ret = shared ? start - c->shift : 0;
	for (at = start; at < end && at < c->end; at += PAGE_BYTES)
		if (c->shared[(at - c->start) / PAGE_BYTES] != shared)
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

	if (s->n)
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

/* The first that ends behind @addr. */
static size_t first_behind(const vma_ranges *s, uint64_t addr)
{
	size_t from = 0, to = s->n;

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (s->items[mid].end <= addr)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

/* What is in both. */
static vma_ranges both(struct arena *a, const vma_ranges *x, const vma_ranges *y)
{
	vma_ranges ret = { 0 };
	size_t i = 0, k = x->n ? first_behind(y, x->items[0].start) : 0;

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

static vma_ranges pages_of(struct arena *a, const struct mem_task *m)
{
	vma_ranges ret = { 0 };
	const struct pagemap_run *run;

	vec_for_each(run, &m->pages)
		add_range(a, &ret, run->addr, run->addr + run->len);
	tidy(&ret);
	return ret;
}

static bool has_any(const vma_ranges *s, const VmaEntry *e)
{
	size_t i = first_behind(s, e->start);

	return i < s->n && s->items[i].start < e->end;
}

static bool is_born_of_parent(const struct task *t)
{
	return t->parent && t->birth->father && t->birth->father->task == t->parent;
}

/* Where its page at address 0 would be in the file, were it @shift lower. */
static uint64_t origin_of(const VmaEntry *e, uint64_t shift)
{
	return is_file(e) ? e->pgoff - (e->start - shift) : 0;
}

/* The last of @areas, which are sorted, that begins at @addr or before. */
static const struct cow_area *area_at(const cow_areas *areas, uint64_t addr)
{
	size_t from = 0, to = areas->n;

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (areas->items[mid].start <= addr)
			from = mid + 1;
		else
			to = mid;
	}
	return from ? &areas->items[from - 1] : NULL;
}

/* Of @areas, that which @e would lie in, were it @shift lower. */
static const struct cow_area *area_around(const cow_areas *areas, const VmaEntry *e, uint64_t shift)
{
	const struct cow_area *x = area_at(areas, e->start - shift);

	return x && e->end - shift > e->start - shift && x->end >= e->end - shift &&
			       x->flags == (e->flags & KEPT_FLAGS) &&
			       x->file == (is_file(e) ? e->shmid : 0) &&
			       x->origin == origin_of(e, shift)
		       ? x
		       : NULL;
}

static void hold(struct arena *a, cow_areas *areas, const VmaEntry *e, uint64_t shift)
{
	*vec_add(a, areas) = (struct cow_area){
		.start = e->start,
		.end = e->end,
		.flags = e->flags & KEPT_FLAGS,
		.file = is_file(e) ? e->shmid : 0,
		.origin = origin_of(e, 0),
		.shift = shift,
	};
}

/* Where they are; or where they were, before they are moved. */
static vma_ranges ranges_of(struct arena *a, const cow_areas *areas, bool were)
{
	vma_ranges ret = { 0 };
	const struct cow_area *x;

	vec_for_each(x, areas)
		add_range(a, &ret, x->start - (were ? x->shift : 0),
			  x->end - (were ? x->shift : 0));
	tidy(&ret);
	return ret;
}

/* Our stack may still grow, and so may what is below us. */
static bool is_near_us(const VmaEntry *e)
{
	enum { ROOM = 64 << 20 };
	uint64_t here = (uintptr_t)&here;

	return e->start < here + ROOM && e->end + ROOM > here;
}

/* The areas of @t with pages from its parent, and how much lower that has them. */
static cow_areas find_inherited(struct restore *r, const struct task *t, const struct mem_task *m,
				const cow_areas *held)
{
	const struct pagemap_run *run = m->pages.items, *end = run + m->pages.n;
	cow_areas ret = { 0 };
	size_t i;

	for (i = 0; held->n && is_born_of_parent(t) && i < t->mm->n_vmas; i++) {
		const VmaEntry *e = t->mm->vmas[i];
		uint64_t shift;

		while (run < end &&
		       (run->addr + run->len <= e->start || (run->addr < e->end && !run->from)))
			run++;
		if (run == end)
			break;
		shift = run->addr - run->from;
		if (run->addr < e->end && can_inherit(e) && area_around(held, e, shift) &&
		    !(shift && is_near_us(e)))
			hold(r->arena, &ret, e, shift);
	}
	return ret;
}

/* False: something is in the way, and now it is nowhere. */
static bool move_area(const struct cow_area *x)
{
	void *to = (void *)(uintptr_t)x->start, *from = (void *)(uintptr_t)(x->start - x->shift);
	size_t len = x->end - x->start;

	if (mmap(to, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
		    to &&
	    mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to)
		return true;
	log_debug("the area at %llx cannot be moved: %s", (unsigned long long)x->start,
		  strerror(errno));
	munmap(from, len);
	return false;
}

static void move_areas(cow_areas *areas)
{
	size_t i, n = 0;

	for (i = 0; i < areas->n; i++)
		if (!areas->items[i].shift || move_area(&areas->items[i]))
			areas->items[n++] = areas->items[i];
	areas->n = n;
}

/* What of @run lies in @area, and our father, who is our parent, has put there. */
static void add_present(struct restore *r, const struct task *t, const struct pagemap_run *run,
			const struct cow_area *area, vma_ranges *ret)
{
	uint64_t start = run->addr > area->start ? run->addr : area->start;
	uint64_t run_end = run->addr + run->len;
	uint64_t end = run_end < area->end ? run_end : area->end;
	struct vma_range there = { start - area->shift, end - area->shift };
	const vma_ranges all = { .items = &there, .n = start < end };
	vma_ranges pieces = both(r->arena, &all, &mem_of(r, t->parent)->present);
	const struct vma_range *x;

	if (run->addr - run->from != area->shift)
		return;
	vec_for_each(x, &pieces)
		add_range(r->arena, ret, x->start + area->shift, x->end + area->shift);
}

static vma_ranges find_present(struct restore *r, const struct task *t, const struct mem_task *m,
			       const cow_areas *areas)
{
	const struct cow_area *area, *end = areas->items + areas->n;
	const struct pagemap_run *run;
	vma_ranges ret = { 0 };

	vec_for_each(run, &m->pages) {
		area = area_at(areas, run->addr);
		if (!area)
			area = areas->items;
		for (; run->from && area < end && area->start < run->addr + run->len; area++)
			add_present(r, t, run, area, &ret);
	}
	tidy(&ret);
	return ret;
}

/* Of what our father holds, only whole areas stay; the rest is nothing to us. */
static void keep_inherited(struct restore *r, const struct task *t, struct mem_task *m,
			   cow_areas *held)
{
	cow_areas keep = find_inherited(r, t, m, held);
	vma_ranges before = ranges_of(r->arena, held, false), now, gone;
	const struct vma_range *x;

	now = ranges_of(r->arena, &keep, true);
	gone = without(r->arena, &before, &now);
	vec_for_each(x, &gone)
		munmap((void *)(uintptr_t)x->start, x->end - x->start);
	move_areas(&keep);

	now = ranges_of(r->arena, &keep, false);
	m->present = find_present(r, t, m, &keep);
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
			if (run->from)
				add_range(r->arena, &wanted, run->from, run->from + run->len);
	}
	tidy(&wanted);
	mine = wanted.n ? pages_of(r->arena, m) : wanted;
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

static int by_place(const void *a, const void *b)
{
	const struct cow_area *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void make_areas(struct restore *r, const struct task *t, const vma_ranges *wanted,
		       cow_areas *held)
{
	const cow_areas inherited = *held;
	size_t i;

	for (i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *e = t->mm->vmas[i];

		if (can_inherit(e) && !area_around(&inherited, e, 0) && has_any(wanted, e) &&
		    !is_near_us(e) && make_area(r, e))
			hold(r->arena, held, e, 0);
	}
	qsort(held->items, held->n, sizeof(*held->items), by_place);
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
	areas = ranges_of(r->arena, held, false);
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
	const struct cow_area *x = area_at(mem_held(r), e->start);

	return x && x->start == e->start && x->end == e->end;
}
