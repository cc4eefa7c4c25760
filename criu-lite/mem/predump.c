/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * predump - the memory of a task, ahead of the dump
 *
 * collect   its keeper is asked for who remembers what it writes; if there is
 *           none, one has to be made inside
 * drain     while the task is stopped: which pages have been written since the
 *           parent dump; from now on they are watched
 * write     while it runs on, they are read.  What changes meanwhile, or goes, will
 *           be saved, or missing, in the dump that follows: what is in this one
 *           does not matter then
 *
 * not kept  private mappings of files, and shared memory: the dump saves them whole
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/stats.h"
#include "core/task.h"
#include "mem/mem.h"

enum { PIECE = 256 * 1024 };

struct found {
	uint64_t start, end;
	bool in_parent;
};
typedef vec(struct found) found_list;

/* From drain to write. */
struct predump {
	struct dump *d;
	found_list found;
	bool since_parent;
	vma_ranges unread;
	int mem; /* /proc/PID/mem: of this very memory, whatever the task executes */
};

int predump_collect(struct dump *d, struct task *t, struct err *err)
{
	if (t->state == TASK_DEAD)
		return 0;
	written_take(d, t);
	t->wants_parasite = !t->written;
	return 0;
}

/* ---- stopped ---- */

static int found_pages(void *data, uint64_t start, uint64_t end, enum scan_what what,
		       struct err *err)
{
	struct predump *p = data;

	*vec_add(p->d->arena, &p->found) =
		(struct found){ start, end, what == SCAN_UNWRITTEN && p->since_parent };
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Only memory that can be watched; @found and @vmas are sorted. */
static void leave_out_others(struct predump *p, const proc_vma_list *vmas)
{
	found_list left = { 0 };
	const struct found *f = p->found.items, *last = f + p->found.n;
	const struct proc_vma *v;

	vec_for_each(v, vmas) {
		const struct found *x;

		while (f < last && f->end <= v->start)
			f++;
		for (x = f; written_can_be_at(v) && x < last && x->start < v->end; x++)
			*vec_add(p->d->arena, &left) = (struct found){
				x->start > v->start ? x->start : v->start,
				x->end < v->end ? x->end : v->end,
				x->in_parent,
			};
	}
	p->found = left;
}

/* The task has no room for a descriptor, say: its memory is saved whole each time. */
static void begin(struct dump *d, struct task *t)
{
	struct err err = { 0 };

	if (written_begin(d, t, &err) < 0)
		log_warn("Nobody will know what task %d writes: %s: %s", t->host_pid, err.what,
			 err.why);
}

static int find_pages(struct predump *p, struct task *t, struct err *err)
{
	struct scan s = { .d = p->d, .t = t, .how = SCAN_UNWATCHED, .found = found_pages };
	proc_vma_list vmas = { 0 };
	int ret;

	if (proc_read_maps(p->d->proc, t->host_alive, p->d->arena, &vmas, err) < 0)
		return -err->code;
	s.end = written_last(&vmas);
	s.data = p;
	ret = t->written ? written_protect(p->d, t, found_pages, p, err) : scan_pages(&s, err);
	if (ret < 0)
		return ret;
	if (p->found.n)
		qsort(p->found.items, p->found.n, sizeof(*p->found.items), by_start);
	leave_out_others(p, &vmas);
	return 0;
}

int predump_drain(struct dump *d, struct task *t, struct err *err)
{
	struct predump *p;

	if (t->state == TASK_DEAD)
		return 0;
	t->predump = p = arena_new(d->arena, struct predump);
	p->d = d;
	p->since_parent = written_is_since_parent(d, t);
	p->mem = fcntl(t->victim->mem, F_DUPFD_CLOEXEC, 3);
	if (p->mem < 0)
		return err_sys(err, "cannot copy a descriptor");
	begin(d, t);
	return find_pages(p, t, err);
}

/* ---- running ---- */

/* Page by page; those that are not there any more stay zero. */
static void read_what_is_there(struct predump *p, char *buf, uint64_t at, uint64_t len)
{
	uint64_t i;

	for (i = 0; i < len; i += PAGE_BYTES) {
		if (io_pread(p->mem, buf + i, PAGE_BYTES, (off_t)(at + i)) == 0)
			continue;
		memset(buf + i, 0, PAGE_BYTES);
		*vec_add(p->d->arena, &p->unread) =
			(struct vma_range){ at + i, at + i + PAGE_BYTES };
	}
}

static int found_again(void *data, uint64_t start, uint64_t end, enum scan_what what,
		       struct err *err)
{
	struct predump *p = data;
	const struct vma_range *x;

	vec_for_each(x, &p->unread)
		if (what == SCAN_UNWRITTEN && x->start < end && x->end > start)
			return err_set(err, EIO, "cannot read the memory at %#" PRIx64, x->start);
	return 0;
}

/* What could not be read must be gone, not only unreadable (a failure of swap, say). */
static void check_unread(struct predump *p, struct task *t)
{
	struct scan s = { .d = p->d, .t = t, .found = found_again, .data = p };
	struct err err = { 0 };

	if (!p->unread.n)
		return;
	s.end = p->unread.items[p->unread.n - 1].end;
	if (scan_pages(&s, &err) < 0) {
		log_info("%s", err.what);
		written_spoil(t);
	}
}

static int copy(struct predump *p, struct pagemap_out *out, uint64_t at, uint64_t end, uint64_t off,
		struct err *err)
{
	struct mem_state *s = kind_state(p->d->kinds, &mm_kind);

	if (!s->buffer)
		s->buffer = arena_alloc(p->d->arena, PIECE + PARASITE_ARGS_SIZE);
	while (at < end) {
		uint64_t n = end - at < PIECE ? end - at : PIECE;

		if (io_pread(p->mem, s->buffer, n, (off_t)at) < 0)
			read_what_is_there(p, s->buffer, at, n);
		if (pagemap_out_write(out, s->buffer, n, off, err) < 0)
			return -err->code;
		at += n;
		off += n;
	}
	return 0;
}

static int save(struct predump *p, struct pagemap_out *out, struct err *err)
{
	const struct found *f;

	vec_for_each(f, &p->found) {
		uint32_t where = f->in_parent && out->in_parent ? PAGES_PARENT : PAGES_PRESENT;
		uint64_t off = out->nr_pages * PAGE_BYTES;

		if (pagemap_out_add(out, f->start, f->end - f->start, where, 0, err) < 0 ||
		    (where == PAGES_PRESENT && copy(p, out, f->start, f->end, off, err) < 0))
			return -err->code;
	}
	return 0;
}

int predump_write(struct dump *d, struct task *t, struct err *err)
{
	struct predump *p = t->predump;
	scoped_pagemap_out out = { 0 };
	int ret;

	if (!p)
		return 0;
	if (pagemap_out_open(d, IMAGE_PAGEMAP, (unsigned long)t->pid, &out, err) < 0)
		return -err->code;
	stats_start(d->stats, STAT_MEMWRITE);
	ret = save(p, &out, err);
	stats_stop(d->stats, STAT_MEMWRITE);
	check_unread(p, t);
	close(take_fd(&p->mem));
	if (ret < 0)
		return ret;
	stats_add(d->stats, STAT_PAGES_SCANNED, out.nr_pages + out.nr_absent);
	stats_add(d->stats, STAT_PAGES_WRITTEN, out.nr_pages);
	stats_add(d->stats, STAT_PAGES_SKIPPED_PARENT, out.nr_absent);
	return pagemap_out_close(&out, err);
}
