/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fill - private memory, into a newborn
 *
 * What the images have is cut into pieces of a few MiB, each for one preadv();
 * the restorer and its fillers take one after the other.
 */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "core/stats.h"
#include "mem/mem.h"

static int is_outside(const struct pagemap_run *run, uint64_t addr, struct err *err)
{
	err_set(err, EBADMSG, "cannot restore the page at %#" PRIx64 ": no private memory is there",
		addr);
	err_why(err,
		"the pagemap (entry at %#" PRIx64
		") and the list of mappings contradict each other",
		run->addr);
	return err_hint(err, "make the dump again");
}

int fill_check(const struct task *t, const struct mem_task *m, struct err *err)
{
	const MmEntry *mm = t->mm;
	const struct pagemap_run *run;
	size_t i = 0;

	vec_for_each(run, &m->pages) {
		uint64_t addr = run->addr, end = run->addr + run->len;

		while (addr < end) {
			const VmaEntry *e;

			while (i < mm->n_vmas &&
			       (mm->vmas[i]->end <= addr || !(mm->vmas[i]->status & VMA_REGULAR)))
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
	uint64_t bytes;			/* in the last io */
	uint64_t pages;			/* of all */
	const struct pagemap_run *last; /* whose file that io reads */
	size_t vma, present;		/* where we are among both */
};

static bool is_same_file(const struct pagemap_run *a, const struct pagemap_run *b)
{
	return a->pages_id == b->pages_id && a->depth == b->depth;
}

/* Can @run at @off go on where the last io ends? */
static bool io_goes_on(const struct packer *p, const struct pagemap_run *run, uint64_t off)
{
	const struct restorer_io *io = p->nr_ios ? &p->ios[p->nr_ios - 1] : NULL;

	return io && is_same_file(p->last, run) && io->off + p->bytes == off &&
	       p->bytes < IO_BYTES && io->nr_iov < IO_IOVS;
}

static void pack_piece(struct packer *p, const struct pagemap_run *run, int fd, uint64_t addr,
		       uint64_t len, uint64_t off)
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

/* The parts of @run that the kernel does not make itself. */
static void pack_part(struct packer *p, const struct task *t, const struct mem_task *m,
		      const struct pagemap_run *run, int fd, struct vma_range part)
{
	const MmEntry *mm = t->mm;
	uint64_t addr = part.start, end = part.end;

	while (addr < end) {
		const VmaEntry *e;
		uint64_t stop;

		while (mm->vmas[p->vma]->end <= addr || !(mm->vmas[p->vma]->status & VMA_REGULAR))
			p->vma++;
		e = mm->vmas[p->vma];
		stop = end < e->end ? end : e->end;
		if (!vma_is_kernels(e, m))
			pack_piece(p, run, fd, addr, stop - addr, run->off + (addr - run->addr));
		addr = stop;
	}
}

/* And of these, those that are not there already. */
static void pack_missing(struct packer *p, const struct task *t, const struct mem_task *m,
			 const struct pagemap_run *run, int fd)
{
	uint64_t at = run->addr, end = run->addr + run->len;

	for (; p->present < m->present.n; p->present++) {
		const struct vma_range *x = &m->present.items[p->present];

		if (x->start >= end)
			break;
		pack_part(p, t, m, run, fd, (struct vma_range){ at, x->start });
		if (x->end > at)
			at = x->end;
		if (x->end > end)
			break;
	}
	pack_part(p, t, m, run, fd, (struct vma_range){ at, end });
}

static int packer_init(struct packer *p, struct region *g, const MmEntry *mm,
		       const struct mem_task *m, struct err *err)
{
	size_t most = m->pages.n + m->present.n + mm->n_vmas;
	const struct pagemap_run *run;

	vec_for_each(run, &m->pages)
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

/* The first run of each file: with parent dumps there are several, in any order. */
typedef vec(const struct pagemap_run *) run_files;

static run_files files_of(struct restore *r, const pagemap_runs *runs)
{
	const struct pagemap_run *run, *last = NULL, **f;
	run_files ret = { 0 };

	vec_for_each(run, runs) {
		bool known = last && is_same_file(last, run);

		last = run;
		vec_for_each(f, &ret)
			known = known || is_same_file(*f, run);
		if (!known)
			*vec_add(r->arena, &ret) = run;
	}
	return ret;
}

/* File by file, so that each is opened once and read in large pieces. */
static int pack_file(struct restore *r, struct packer *p, const struct task *t,
		     const struct mem_task *m, const struct pagemap_run *first, struct err *err)
{
	/* left open: the restorer closes it */
	int fd = pagemap_open_pages(r, first, err);
	const struct pagemap_run *run;

	if (fd < 0)
		return fd;
	p->vma = p->present = 0;
	vec_for_each(run, &m->pages)
		if (is_same_file(run, first))
			pack_missing(p, t, m, run, fd);
	return 0;
}

int fill_map(struct restore *r, struct task *t, const struct mem_task *m, struct err *err)
{
	struct restorer_mm *out = &r->region->args->mm;
	run_files files = files_of(r, &m->pages);
	const struct pagemap_run **f;
	struct packer p = { 0 };

	if (packer_init(&p, r->region, t->mm, m, err) < 0)
		return -err->code;
	vec_for_each(f, &files)
		if (pack_file(r, &p, t, m, *f, err) < 0)
			return -err->code;
	out->ios = (uintptr_t)p.ios;
	out->nr_ios = p.nr_ios;
	out->fillers = filler_count(p.pages * PAGE_BYTES);
	out->filler_stacks = (uintptr_t)region_alloc(r->region, out->fillers * RESTORER_STACK, err);
	if (!out->filler_stacks)
		return -err->code;
	stats_add(r->stats, STAT_PAGES_RESTORED, p.pages);
	return 0;
}
