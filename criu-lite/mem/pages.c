/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pages - private memory, out of a victim and into a newborn
 *
 * drain     One scan of the whole address space tells which pages are the
 *           task's own: anonymous, in memory or in swap, not the zero page. The
 *           victim itself writes them into pages-N.img, which costs one copy
 *           and none of our memory. What it may not read, or all if writing
 *           would be at its own expense, goes through a small buffer of ours.
 * map       pieces of a few MiB, each for one preadv(), that the leader and its
 *           fillers take one after the other
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/stats.h"
#include "mem/mem.h"

/* ---- uapi newer than the headers of Debian 12 ---- */

struct scan_region {
	uint64_t start, end, categories;
};

struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

enum {
	SCAN_FILE = 1 << 2,
	SCAN_PRESENT = 1 << 3,
	SCAN_SWAPPED = 1 << 4,
	SCAN_PFNZERO = 1 << 5,
	SCAN_GUARD = 1 << 8,
};

#define PAGEMAP_SCAN_ _IOWR('f', 16, struct scan_arg)

/* ---- drain: into the image ---- */

enum {
	BATCH_IOVS = (PARASITE_ARGS_SIZE - sizeof(struct parasite_write)) / sizeof(struct parasite_iov),
	BUFFER_SIZE = 256 * 1024,
	/*
	 * Not more: Linux 6.18 collects 512 regions at a time, and when asked for
	 * more, walk_end stays where the first 512 ended, though others follow.
	 */
	SCAN_REGIONS = 512,
};

static const uint64_t BATCH_BYTES = 256ull << 20;

struct drain {
	struct dump *d;
	struct task *t;
	struct pagemap_out out;
	bool outside;	  /* all is read by us */
	int fd;		  /* of the pages, in the victim; -1: not sent yet */
	char *buffer;
	size_t vma;	  /* where the scan is in t->mm->vmas */
	uint64_t scanned; /* pages */

	/* what the victim writes with the next command */
	struct parasite_write *w;
	uint64_t bytes;
};

/* Read from outside; /proc/PID/mem does not mind protections. */
static int copy_outside(struct drain *dr, uint64_t addr, uint64_t len, uint64_t off, struct err *err)
{
	while (len) {
		size_t n = len < BUFFER_SIZE ? len : BUFFER_SIZE;
		int ret = io_pread(dr->t->victim->mem, dr->buffer, n, (off_t)addr);

		if (ret == 0)
			ret = io_pwrite(dr->out.fd, dr->buffer, n, (off_t)off);
		if (ret < 0)
			return err_set(err, -ret, "cannot save the memory at %#" PRIx64 " of task %d", addr,
				       dr->t->host_pid);
		addr += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* The victim wrote @done bytes of the batch and cannot read on: the rest is for us. */
static int finish_batch(struct drain *dr, const struct parasite_iov *iov, uint32_t n, uint64_t done, struct err *err)
{
	uint64_t off = dr->w->offset + done;
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint64_t skip = done < iov[i].len ? done : iov[i].len;
		uint64_t len = iov[i].len - skip;

		done -= skip;
		if (len && copy_outside(dr, iov[i].base + skip, len, off, err) < 0)
			return -err->code;
		off += len;
	}
	return 0;
}

static int send_pages_fd(struct drain *dr, struct err *err)
{
	if (dr->fd >= 0)
		return 0;
	return compel_send_fd(dr->t->victim, dr->out.fd, &dr->fd, err);
}

static int flush_batch(struct drain *dr, struct err *err)
{
	struct parasite_write *w = dr->w;
	size_t size = sizeof(*w) + w->n * sizeof(w->iov[0]);
	struct parasite_write *copy;
	long done;
	int ret = 0;

	if (!w->n)
		return 0;
	if (send_pages_fd(dr, err) < 0)
		return -err->code;
	/* the command changes its arguments */
	copy = (struct parasite_write *)dr->buffer;
	memcpy(copy, w, size);
	copy->fd = dr->fd;
	done = task_call(dr->t, PARASITE_WRITE_PAGES, copy, size, err);
	if (done < 0)
		return err_in(err, "pages of task %d", dr->t->host_pid);
	if ((uint64_t)done < dr->bytes)
		ret = finish_batch(dr, w->iov, w->n, (uint64_t)done, err);

	w->n = 0;
	dr->bytes = 0;
	return ret;
}

static bool can_read(const struct drain *dr, const VmaEntry *e)
{
	return !dr->outside && e->prot & PROT_READ;
}

/* One piece for the victim to write; offsets go on without a gap within a batch. */
static int batch_add(struct drain *dr, uint64_t start, uint64_t len, uint64_t off, struct err *err)
{
	struct parasite_write *w = dr->w;

	if ((w->n == BATCH_IOVS || dr->bytes >= BATCH_BYTES || w->offset + dr->bytes != off) &&
	    flush_batch(dr, err) < 0)
		return -err->code;
	if (!w->n)
		w->offset = off;
	if (w->n && w->iov[w->n - 1].base + w->iov[w->n - 1].len == start)
		w->iov[w->n - 1].len += len;
	else
		w->iov[w->n++] = (struct parasite_iov){ start, len };
	dr->bytes += len;
	return 0;
}

static int save_pages(struct drain *dr, const VmaEntry *e, uint64_t start, uint64_t end, struct err *err)
{
	uint64_t off = dr->out.nr_pages * PAGE_BYTES;

	if (pagemap_out_add(&dr->out, start, end - start, err) < 0)
		return -err->code;
	if (!can_read(dr, e))
		return copy_outside(dr, start, end - start, off, err);
	/* a batch is cut so that no command runs for long */
	while (start < end) {
		uint64_t n = end - start < BATCH_BYTES ? end - start : BATCH_BYTES;

		if (batch_add(dr, start, n, off, err) < 0)
			return -err->code;
		start += n;
		off += n;
	}
	return 0;
}

/* ---- drain: which pages ---- */

/* Its pages come and go with the kernel, not with the task: all are saved. */
static bool is_vdso(const VmaEntry *e)
{
	return e->status & VMA_VDSO;
}

/* The areas before @addr are done; those that need no scan are saved on the way. */
static int skip_vmas(struct drain *dr, uint64_t addr, struct err *err)
{
	const MmEntry *mm = dr->t->mm;

	for (; dr->vma < mm->n_vmas && mm->vmas[dr->vma]->end <= addr; dr->vma++) {
		const VmaEntry *e = mm->vmas[dr->vma];

		if (is_vdso(e) && save_pages(dr, e, e->start, e->end, err) < 0)
			return -err->code;
	}
	return 0;
}

/* Something was found at @start to @end; it may lie in several areas, or in our parasite. */
static int found_pages(struct drain *dr, uint64_t start, uint64_t end, bool guard, struct err *err)
{
	const MmEntry *mm = dr->t->mm;
	size_t n = mm->n_vmas;

	while (start < end) {
		const VmaEntry *e;
		uint64_t stop;

		if (skip_vmas(dr, start, err) < 0)
			return -err->code;
		if (dr->vma == n || mm->vmas[dr->vma]->start >= end)
			return 0;
		e = mm->vmas[dr->vma];
		if (start < e->start)
			start = e->start;
		stop = end < e->end ? end : e->end;

		if (guard)
			vma_add_guard(dr->d, dr->t, start, stop);
		else if (vma_has_pages(e) && !is_vdso(e) && save_pages(dr, e, start, stop, err) < 0)
			return -err->code;
		start = stop;
	}
	return 0;
}

static int scan_all(struct drain *dr, int pagemap, uint64_t end, struct err *err)
{
	struct scan_region *regions = (struct scan_region *)(dr->buffer + BUFFER_SIZE);
	uint64_t guard = kernel_has(dr->d->kernel, KERNEL_PAGEMAP_SCAN_GUARD) ? SCAN_GUARD : 0;
	struct scan_arg arg = {
		.size = sizeof(arg),
		.end = end,
		.vec = (uintptr_t)regions,
		.vec_len = SCAN_REGIONS,
		.category_inverted = SCAN_FILE | SCAN_PFNZERO,
		.category_mask = SCAN_FILE | SCAN_PFNZERO,
		.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED | guard,
		.return_mask = SCAN_PRESENT | SCAN_SWAPPED | guard,
	};

	while (arg.start < end) {
		int i, n = ioctl(pagemap, PAGEMAP_SCAN_, &arg);

		if (n < 0)
			return err_sys(err, "cannot scan the pages of task %d", dr->t->host_pid);
		for (i = 0; i < n; i++)
			if (found_pages(dr, regions[i].start, regions[i].end, regions[i].categories & guard, err) < 0)
				return -err->code;
		arg.start = arg.walk_end;
	}
	return 0;
}

/* Without that ioctl: a word per page.  Zero pages look like others, and are saved. */
static int read_words(struct drain *dr, int pagemap, const VmaEntry *e, struct err *err)
{
	uint64_t *words = (uint64_t *)(dr->buffer + BUFFER_SIZE);
	uint64_t addr = e->start;

	while (addr < e->end) {
		size_t i, n = SCAN_REGIONS;
		int ret;

		if ((e->end - addr) / PAGE_BYTES < n)
			n = (e->end - addr) / PAGE_BYTES;
		ret = io_pread(pagemap, words, n * sizeof(*words), (off_t)(addr / PAGE_BYTES * sizeof(*words)));
		if (ret < 0)
			return err_set(err, -ret, "cannot read the pagemap of task %d", dr->t->host_pid);
		for (i = 0; i < n; i++, addr += PAGE_BYTES) {
			bool there = words[i] >> 62, file = words[i] >> 61 & 1;

			if (there && !file && found_pages(dr, addr, addr + PAGE_BYTES, false, err) < 0)
				return -err->code;
		}
	}
	return 0;
}

static int scan_each(struct drain *dr, int pagemap, struct err *err)
{
	const MmEntry *mm = dr->t->mm;
	size_t i;

	for (i = 0; i < mm->n_vmas; i++)
		if (vma_has_pages(mm->vmas[i]) && !is_vdso(mm->vmas[i]) &&
		    read_words(dr, pagemap, mm->vmas[i], err) < 0)
			return -err->code;
	return 0;
}

static int scan(struct drain *dr, struct err *err)
{
	const MmEntry *mm = dr->t->mm;
	char path[32];
	uint64_t end = 0;
	size_t i;

	snprintf(path, sizeof(path), "%d/pagemap", dr->t->host_pid);
	scoped_fd pagemap = openat(dr->d->proc, path, O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return err_sys(err, "cannot open /proc/%s", path);

	for (i = 0; i < mm->n_vmas; i++) {
		const VmaEntry *e = mm->vmas[i];

		if (!(e->status & VMA_REGULAR))
			continue;
		end = e->end;
		if (vma_has_pages(e))
			dr->scanned += (e->end - e->start) / PAGE_BYTES;
	}
	if (kernel_has(dr->d->kernel, KERNEL_PAGEMAP_SCAN) ? scan_all(dr, pagemap, end, err) < 0 :
							     scan_each(dr, pagemap, err) < 0)
		return -err->code;
	return skip_vmas(dr, end, err);
}

/* ---- drain: who writes ---- */

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
 * Pages in memory that the victim writes are counted in its memory cgroup,
 * whose limit could kill it.
 */
static bool is_charged_to_it(const struct drain *dr)
{
	char its[4096], ours[4096];
	struct statfs fs;

	if (fstatfs(dr->out.fd, &fs) == 0 && fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)
		return false;
	return strcmp(memory_cgroup(dr->d, dr->t->host_pid, its, sizeof(its)),
		      memory_cgroup(dr->d, getpid(), ours, sizeof(ours))) != 0;
}

static bool has_file_limit(const struct drain *dr)
{
	struct rlimit lim;

	return prlimit(dr->t->host_pid, RLIMIT_FSIZE, NULL, &lim) < 0 || lim.rlim_cur != RLIM_INFINITY;
}

/* For all tasks of the run: a batch in work, pages that we copy, and what a scan found. */
static char *buffers(struct dump *d)
{
	struct mem_state *s = kind_state(d->kinds, &mm_kind);

	if (!s->buffer)
		s->buffer = arena_alloc(d->arena, BUFFER_SIZE + SCAN_REGIONS * sizeof(struct scan_region) +
							  PARASITE_ARGS_SIZE);
	return s->buffer;
}

int pages_drain(struct dump *d, struct task *t, struct err *err)
{
	struct drain dr = { .d = d, .t = t, .fd = -1, .buffer = buffers(d) };

	dr.w = (struct parasite_write *)(dr.buffer + BUFFER_SIZE + SCAN_REGIONS * sizeof(struct scan_region));
	dr.w->n = 0;
	if (pagemap_out_open(d, IMAGE_PAGEMAP, (unsigned long)t->pid, &dr.out, err) < 0)
		return -err->code;
	dr.outside = has_file_limit(&dr) || is_charged_to_it(&dr);

	if (scan(&dr, err) < 0 || flush_batch(&dr, err) < 0) {
		pagemap_out_abandon(&dr.out);
		return -err->code;
	}
	stats_add(d->stats, STAT_PAGES_SCANNED, dr.scanned);
	stats_add(d->stats, STAT_PAGES_WRITTEN, dr.out.nr_pages);
	log_debug("%" PRIu64 " pages written by %s", dr.out.nr_pages, dr.outside ? "us" : "the task");
	return pagemap_out_close(&dr.out, err);
}

/* ---- restore ---- */

static int is_outside(const struct pagemap_run *run, uint64_t addr, struct err *err)
{
	err_set(err, EBADMSG, "cannot restore the page at %#" PRIx64 ": no private memory is there", addr);
	err_why(err, "the pagemap (entry at %#" PRIx64 ") and the list of mappings contradict each other",
		run->addr);
	return err_hint(err, "make the dump again");
}

int pages_check(const struct task *t, const struct mem_task *m, struct err *err)
{
	const MmEntry *mm = t->mm;
	const struct pagemap_run *run;
	size_t i = 0;

	vec_for_each(run, &m->pages)
	{
		uint64_t addr = run->addr, end = run->addr + run->len;

		while (addr < end) {
			const VmaEntry *e;

			while (i < mm->n_vmas && (mm->vmas[i]->end <= addr || !(mm->vmas[i]->status & VMA_REGULAR)))
				i++;
			e = i < mm->n_vmas ? mm->vmas[i] : NULL;
			if (!e || e->start > addr || !vma_has_pages(e))
				return is_outside(run, addr, err);
			addr = e->end;
		}
	}
	return 0;
}

enum { IO_BYTES = 2 << 20, IO_IOVS = 1024 };

/* Where restorer_io and restorer_iov are packed. */
struct packer {
	struct restorer_io *ios;
	struct restorer_iov *iovs;
	size_t nr_ios, nr_iovs;
	uint64_t bytes; /* in the last io */
	uint64_t pages; /* of all */
	const struct pagemap_run *last; /* whose file that io reads */
};

/* Can @run at @off go on where the last io ends? */
static bool io_goes_on(const struct packer *p, const struct pagemap_run *run, uint64_t off)
{
	const struct restorer_io *io = p->nr_ios ? &p->ios[p->nr_ios - 1] : NULL;

	return io && p->last->pages_id == run->pages_id && p->last->depth == run->depth &&
	       io->off + p->bytes == off && p->bytes < IO_BYTES && io->nr_iov < IO_IOVS;
}

static void pack_piece(struct packer *p, const struct pagemap_run *run, int fd, uint64_t addr, uint64_t len,
		       uint64_t off)
{
	while (len) {
		uint64_t n;

		if (!io_goes_on(p, run, off)) {
			p->ios[p->nr_ios++] = (struct restorer_io){
				.iov = (uintptr_t)&p->iovs[p->nr_iovs], .off = off, .fd = fd
			};
			p->bytes = 0;
			p->last = run;
		}
		n = len < IO_BYTES - p->bytes ? len : IO_BYTES - p->bytes;
		p->iovs[p->nr_iovs++] = (struct restorer_iov){ addr, n };
		p->ios[p->nr_ios - 1].nr_iov++;
		p->bytes += n;
		p->pages += n / PAGE_BYTES;
		addr += n;
		off += n;
		len -= n;
	}
}

/* The parts of @run that are not the vdso's, which is the kernel's own again. */
static void pack_run(struct packer *p, const MmEntry *mm, size_t *vma, const struct pagemap_run *run, int fd)
{
	uint64_t addr = run->addr, end = run->addr + run->len;

	while (addr < end) {
		const VmaEntry *e;
		uint64_t stop;

		while (mm->vmas[*vma]->end <= addr || !(mm->vmas[*vma]->status & VMA_REGULAR))
			(*vma)++;
		e = mm->vmas[*vma];
		stop = end < e->end ? end : e->end;
		if (!is_vdso(e))
			pack_piece(p, run, fd, addr, stop - addr, run->off + (addr - run->addr));
		addr = stop;
	}
}

static int packer_init(struct packer *p, struct region *g, const MmEntry *mm, const pagemap_runs *pages,
		       struct err *err)
{
	size_t most = pages->n + mm->n_vmas;
	const struct pagemap_run *run;

	vec_for_each(run, pages)
		most += run->len / IO_BYTES + 1;
	p->ios = region_alloc(g, most * sizeof(*p->ios), err);
	p->iovs = p->ios ? region_alloc(g, most * sizeof(*p->iovs), err) : NULL;
	return p->iovs ? 0 : -err->code;
}

/* Nobody helps with little: a clone costs as much as reading a few hundred pages. */
static uint64_t filler_count(uint64_t bytes)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t n = bytes / (8 << 20);

	if (n > 3)
		n = 3;
	return cpus > 1 && n > (uint64_t)cpus - 1 ? (uint64_t)cpus - 1 : cpus > 1 ? n : 0;
}

int pages_map(struct restore *r, struct task *t, const struct mem_task *m, struct err *err)
{
	struct restorer_mm *out = &r->region->args->mm;
	struct packer p = { 0 };
	const struct pagemap_run *run, *opened = NULL;
	size_t vma = 0;
	int fd = -1;

	if (packer_init(&p, r->region, t->mm, &m->pages, err) < 0)
		return -err->code;
	vec_for_each(run, &m->pages)
	{
		/* left open: the restorer closes it */
		if (!opened || opened->pages_id != run->pages_id || opened->depth != run->depth) {
			fd = pagemap_open_pages(r, run, err);
			if (fd < 0)
				return fd;
			opened = run;
		}
		pack_run(&p, t->mm, &vma, run, fd);
	}
	out->ios = (uintptr_t)p.ios;
	out->nr_ios = p.nr_ios;
	out->fillers = filler_count(p.pages * PAGE_BYTES);
	out->filler_stacks = (uintptr_t)region_alloc(r->region, out->fillers * RESTORER_STACK, err);
	if (!out->filler_stacks)
		return -err->code;
	stats_add(r->stats, STAT_PAGES_RESTORED, p.pages);
	return 0;
}
