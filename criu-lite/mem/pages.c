/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pages - private memory, out of a victim
 *
 * The victim itself writes it into pages-N.img, which costs one copy and none of
 * our memory. What it may not read, or all if writing would be at its own
 * expense, or the memory is for a page server, goes through a small buffer of ours. If pages
 * leave through a pipe (images/stream.h), it puts the pages themselves into that.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/stats.h"
#include "mem/mem.h"

enum {
	BATCH_IOVS =
		(PARASITE_ARGS_SIZE - sizeof(struct parasite_write)) / sizeof(struct parasite_iov),
	BUFFER_SIZE = 256 * 1024,
};

/* No command shall run for long: if we are killed, the victim has to end it before it goes on. */
static const uint64_t BATCH_BYTES = 64ull << 20;

struct drain {
	struct dump *d;
	struct task *t;
	struct pagemap_out out;
	bool outside; /* all is read by us */
	int fd;	      /* of the pages, in the victim; -1: not sent yet */
	char *buffer;
	size_t vma; /* where the scan is in t->mm->vmas */
	vma_ranges guards;
	struct cow cow;
	bool since_parent; /* the parent has what was not written since */

	/* what the victim writes with the next command */
	struct parasite_write *w;
	uint64_t bytes;
};

/* ---- reading and writing ---- */

/* /proc/PID/mem does not mind protections. */
static int copy_outside(struct drain *dr, uint64_t addr, uint64_t len, uint64_t off,
			struct err *err)
{
	while (len) {
		size_t n = len < BUFFER_SIZE ? len : BUFFER_SIZE;
		int ret = io_pread(dr->t->victim->mem, dr->buffer, n, (off_t)addr);

		if (ret == 0 && pagemap_out_write(&dr->out, dr->buffer, n, off, err) < 0)
			return err_in(err, "memory at %#" PRIx64, addr);
		if (ret < 0)
			return err_set(err, -ret,
				       "cannot save the memory at %#" PRIx64 " of task %d", addr,
				       dr->t->host_pid);
		addr += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* The first @done bytes of the batch are written. */
static int copy_batch(struct drain *dr, uint64_t done, struct err *err)
{
	const struct parasite_write *w = dr->w;
	uint64_t off = w->offset + done;
	uint32_t i;

	for (i = 0; i < w->n; i++) {
		uint64_t skip = done < w->iov[i].len ? done : w->iov[i].len;
		uint64_t len = w->iov[i].len - skip;

		done -= skip;
		if (len && copy_outside(dr, w->iov[i].base + skip, len, off, err) < 0)
			return -err->code;
		off += len;
	}
	return 0;
}

/* False: the victim has no room for one more descriptor, so all is done from outside. */
static bool send_pages_fd(struct drain *dr)
{
	struct err ignored = { 0 };

	if (!dr->outside && dr->fd < 0 &&
	    compel_send_fd(dr->t->victim, dr->out.fd, &dr->fd, &ignored) < 0) {
		log_debug("%s", ignored.what);
		dr->outside = true;
	}
	return !dr->outside;
}

static int write_batch(struct drain *dr, struct err *err)
{
	struct parasite_write *w = dr->w, *copy = (struct parasite_write *)dr->buffer;
	size_t size = sizeof(*w) + w->n * sizeof(w->iov[0]);
	long done = 0;

	if (!w->n)
		return 0;
	if (send_pages_fd(dr)) {
		/* the command changes its arguments */
		memcpy(copy, w, size);
		copy->fd = dr->fd;
		done = task_call(dr->t, PARASITE_WRITE_PAGES, copy, size, err);
		if (done < 0)
			return err_in(err, "pages of task %d", dr->t->host_pid);
	}
	/* it could not read on: the rest is for us */
	if ((uint64_t)done < dr->bytes && copy_batch(dr, (uint64_t)done, err) < 0)
		return -err->code;
	w->n = 0;
	dr->bytes = 0;
	return 0;
}

/* One more piece for the victim to write; within a batch there is no gap in the file. */
static int batch_add(struct drain *dr, uint64_t start, uint64_t len, uint64_t off, struct err *err)
{
	struct parasite_write *w = dr->w;

	if ((w->n == BATCH_IOVS || dr->bytes >= BATCH_BYTES ||
	     (!dr->out.in_order && w->offset + dr->bytes != off)) &&
	    write_batch(dr, err) < 0)
		return -err->code;
	if (!w->n)
		w->offset = dr->out.in_order ? PARASITE_PIPE : off;
	if (w->n && w->iov[w->n - 1].base + w->iov[w->n - 1].len == start)
		w->iov[w->n - 1].len += len;
	else
		w->iov[w->n++] = (struct parasite_iov){ start, len };
	dr->bytes += len;
	return 0;
}

static int note_pages(struct drain *dr, const VmaEntry *e, uint64_t start, uint64_t end,
		      uint32_t flags, struct err *err)
{
	uint64_t from;
	int ret = 0;

	if (flags & PAGES_PRESENT && lazy_can_be(e))
		flags |= PAGES_LAZY;
	while (start < end && ret == 0) {
		uint64_t stop = cow_piece(&dr->cow, e, start, end, &from);

		/* the content of a piece comes before the next one */
		if (dr->out.link) {
			stop = end;
			from = 0;
		}
		ret = pagemap_out_add(&dr->out, start, stop - start, flags, from, err);
		start = stop;
	}
	return ret;
}

/* It is fetched when the restored task needs it: core/page_serve.h. */
static int leave_pages(struct drain *dr, uint64_t start, uint64_t end, struct err *err)
{
	*vec_add(dr->d->arena, &dr->t->left) = (struct task_memory){ start, end };
	stats_add(dr->d->stats, STAT_PAGES_LAZY, (end - start) / PAGE_BYTES);
	return pagemap_out_add(&dr->out, start, end - start, PAGES_LAZY, 0, err);
}

static int save_pages(struct drain *dr, const VmaEntry *e, uint64_t start, uint64_t end,
		      struct err *err)
{
	uint64_t off = dr->out.nr_pages * PAGE_BYTES;

	if (dr->d->opts->common.lazy_pages && lazy_can_be(e))
		return leave_pages(dr, start, end, err);
	if (note_pages(dr, e, start, end, PAGES_PRESENT, err) < 0)
		return -err->code;
	if (dr->outside || !(e->prot & PROT_READ)) {
		/* what comes before has to be there */
		if (dr->out.in_order && write_batch(dr, err) < 0)
			return -err->code;
		return copy_outside(dr, start, end - start, off, err);
	}

	while (start < end) {
		uint64_t n = end - start < BATCH_BYTES ? end - start : BATCH_BYTES;

		if (batch_add(dr, start, n, off, err) < 0)
			return -err->code;
		start += n;
		off += n;
	}
	return 0;
}

/* ---- which pages ---- */

/* Its pages belong to the kernel, so no scan finds them; all are saved. */
static bool is_kernels(const VmaEntry *e)
{
	return e->status & (VMA_VDSO | VMA_AIORING);
}

/* The areas before @addr are done. */
static int skip_vmas(struct drain *dr, uint64_t addr, struct err *err)
{
	const MmEntry *mm = dr->t->mm;

	for (; dr->vma < mm->n_vmas && mm->vmas[dr->vma]->end <= addr; dr->vma++) {
		const VmaEntry *e = mm->vmas[dr->vma];

		if (is_kernels(e) && save_pages(dr, e, e->start, e->end, err) < 0)
			return -err->code;
	}
	return 0;
}

static int found_in(struct drain *dr, const VmaEntry *e, uint64_t start, uint64_t end,
		    enum scan_what what, struct err *err)
{
	if (what == SCAN_GUARDS) {
		*vec_add(dr->d->arena, &dr->guards) = (struct vma_range){ start, end };
		return 0;
	}
	if (!vma_has_pages(e) || is_kernels(e))
		return 0;
	if (what == SCAN_UNWRITTEN && dr->since_parent && written_can_be(e))
		return note_pages(dr, e, start, end, PAGES_PARENT, err);
	return save_pages(dr, e, start, end, err);
}

/* Something was found; it may lie in several areas, or in our parasite. */
static int found_pages(void *data, uint64_t start, uint64_t end, enum scan_what what,
		       struct err *err)
{
	struct drain *dr = data;
	const MmEntry *mm = dr->t->mm;

	while (start < end) {
		const VmaEntry *e;
		uint64_t stop;

		if (skip_vmas(dr, start, err) < 0)
			return -err->code;
		if (dr->vma == mm->n_vmas || mm->vmas[dr->vma]->start >= end)
			return 0;
		e = mm->vmas[dr->vma];
		if (start < e->start)
			start = e->start;
		stop = end < e->end ? end : e->end;

		if (found_in(dr, e, start, stop, what, err) < 0)
			return -err->code;
		start = stop;
	}
	return 0;
}

/* ---- who writes ---- */

static const char *memory_cgroup(struct dump *d, pid_t pid, char *buf, size_t size)
{
	char path[32];
	ssize_t n;
	char *p;

	snprintf(path, sizeof(path), "%d/cgroup", pid);
	scoped_fd fd = openat(d->proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (n <= 0)
		return "";
	buf[n] = '\0';
	p = strstr(buf, ":memory:");
	if (!p)
		p = strstr(buf, "0::");
	if (p)
		p[strcspn(p, "\n")] = '\0';
	return p ? p : "";
}

/*
 * Pages that the victim writes into a file system in memory stay counted in its
 * memory cgroup, whose limit could kill it.
 */
static bool is_charged_to_it(const struct drain *dr)
{
	char its[4096], ours[4096];
	struct statfs fs;

	if (fstatfs(dr->out.fd, &fs) == 0 && fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)
		return false;
	return strcmp(memory_cgroup(dr->d, dr->t->host_alive, its, sizeof(its)),
		      memory_cgroup(dr->d, getpid(), ours, sizeof(ours))) != 0;
}

static bool has_file_limit(const struct drain *dr)
{
	struct rlimit lim;

	return prlimit(dr->t->host_pid, RLIMIT_FSIZE, NULL, &lim) < 0 ||
	       lim.rlim_cur != RLIM_INFINITY;
}

/* One for all tasks of the run: bytes that we copy, and a batch in work. */
static char *get_buffer(struct dump *d)
{
	struct mem_state *s = kind_state(d->kinds, &mm_kind);

	if (!s->buffer)
		s->buffer = arena_alloc(d->arena, BUFFER_SIZE + PARASITE_ARGS_SIZE);
	return s->buffer;
}

static int drain_pages(struct drain *dr, struct err *err)
{
	const MmEntry *mm = dr->t->mm;
	struct scan s = { .d = dr->d, .t = dr->t, .found = found_pages, .data = dr };
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < mm->n_vmas; i++) {
		const VmaEntry *e = mm->vmas[i];

		if (e->status & VMA_REGULAR)
			s.end = e->end;
		if (vma_has_pages(e))
			bytes += e->end - e->start;
	}
	if (scan_pages(&s, err) < 0 || skip_vmas(dr, s.end, err) < 0 || write_batch(dr, err) < 0)
		return -err->code;
	vma_add_guards(dr->d, dr->t, &dr->guards);
	stats_add(dr->d->stats, STAT_PAGES_SCANNED, bytes / PAGE_BYTES);
	stats_add(dr->d->stats, STAT_PAGES_WRITTEN, dr->out.nr_pages);
	stats_add(dr->d->stats, STAT_PAGES_SKIPPED_PARENT, dr->out.nr_absent);
	log_debug("%" PRIu64 " pages written by %s", dr->out.nr_pages,
		  dr->outside ? "us" : "the task");
	return pagemap_out_close(&dr->out, err);
}

/* Who reads the pipe sees its end when nobody has it any more. */
static int close_pipe(struct drain *dr, struct err *err)
{
	if (dr->fd < 0 || !dr->out.in_order)
		return 0;
	return compel_drop_fd(dr->t->victim, err);
}

int pages_drain(struct dump *d, struct task *t, struct err *err)
{
	struct drain dr = { .d = d, .t = t, .fd = -1, .buffer = get_buffer(d) };
	int ret;

	if (d->dry)
		return 0;
	dr.w = (struct parasite_write *)(dr.buffer + BUFFER_SIZE);
	dr.w->n = 0;
	if (pagemap_out_open(d, IMAGE_PAGEMAP, (unsigned long)t->pid, &dr.out, err) < 0)
		return -err->code;
	dr.outside = dr.out.link || has_file_limit(&dr) || is_charged_to_it(&dr);
	dr.since_parent = dr.out.in_parent && written_is_since_parent(d, t);
	cow_begin(d, t, &dr.cow);
	ret = drain_pages(&dr, err);
	if (ret == 0)
		ret = close_pipe(&dr, err);
	cow_end(&dr.cow);
	pagemap_out_abandon(&dr.out);
	return ret;
}
