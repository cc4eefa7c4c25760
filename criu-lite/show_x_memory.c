/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * show_x_memory - what a directory of images tells: mappings and their pages
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "images/mm.pb-c.h"
#include "images/pagemap.pb-c.h"
#include "mem/mem.h"
#include "show_x.h"

enum { BITS_OF_PAGE = 12 };

struct x_memory {
	const MmEntry *mm; /* NULL: of a zombie */
	VmaEntry **vmas;
	size_t n;
};

/* Old images have the mappings in a file of their own. */
static int read_memory(struct x_dir *x, uint32_t pid, struct x_memory *m)
{
	x_messages old = { 0 };
	void *mm;

	*m = (struct x_memory){ 0 };
	if (x_read_one(x, IMAGE_MM, pid, &mm) < 0)
		return -x->err->code;
	m->mm = mm;
	if (mm && m->mm->n_vmas > 0) {
		m->vmas = m->mm->vmas;
		m->n = m->mm->n_vmas;
		return 0;
	}
	if (x_read(x, IMAGE_VMAS, pid, &old) < 0)
		return -x->err->code;
	m->vmas = (VmaEntry **)old.items;
	m->n = old.n;
	return 0;
}

/* ---- mems ---- */

/* A running number for each shared object, over all tasks. */
static size_t number_of(struct x_dir *x, uint64_t shmid)
{
	uint64_t *id;

	vec_for_each(id, &x->shmids)
		if (*id == shmid)
			return (size_t)(id - x->shmids.items) + 1;
	*vec_add(x->arena, &x->shmids) = shmid;
	return x->shmids.n;
}

static void print_file(struct x_dir *x, const VmaEntry *v)
{
	fprintf(x->f, " %s", x_path(x, (uint32_t)v->shmid));
	if (v->pgoff)
		fprintf(x->f, " + 0x%" PRIx64, v->pgoff);
	if (v->status & VMA_FILE_SHARED)
		fputs(" (s)", x->f);
}

static void print_what(struct x_dir *x, const VmaEntry *v)
{
	if (v->status & VMA_SYSVIPC)
		fprintf(x->f, " ips[%zu]", number_of(x, v->shmid));
	else if (v->status & VMA_ANON_SHARED)
		fprintf(x->f, " shmem[%zu]", number_of(x, v->shmid));
	else if (v->status & VMA_SOCKET)
		fprintf(x->f, " packet[%zu]", number_of(x, v->shmid));
	else if (v->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED))
		print_file(x, v);
	else if (v->status & VMA_STACK)
		fputs(" [stack]", x->f);
	else if (v->status & VMA_VSYSCALL)
		fputs(" [vsyscall]", x->f);
	else if (v->status & VMA_VDSO)
		fputs(" [vdso]", x->f);
	else if (v->flags & MAP_GROWSDOWN)
		fputs(" [stack?]", x->f);
}

static void print_vma(struct x_dir *x, const VmaEntry *v)
{
	char range[48];

	snprintf(range, sizeof(range), "%08" PRIx64 "-%08" PRIx64, v->start, v->end);
	fprintf(x->f, "\t%-36s%c%c%c", range, v->prot & PROT_READ ? 'r' : '-',
		v->prot & PROT_WRITE ? 'w' : '-', v->prot & PROT_EXEC ? 'x' : '-');
	print_what(x, v);
	fputs(v->status & VMA_REGULAR ? "\n" : " *\n", x->f);
}

int x_mems(struct x_dir *x)
{
	struct x_memory m;
	PstreeEntry **t;

	if (x_read_files(x) < 0)
		return -x->err->code;
	vec_for_each(t, &x->tasks) {
		if (read_memory(x, (*t)->pid, &m) < 0)
			return -x->err->code;
		fprintf(x->f, "%u\n", (*t)->pid);
		if (m.mm)
			fprintf(x->f, "\t%-36s    %s\n", "exe", x_path(x, m.mm->exe_file_id));
		for (size_t i = 0; i < m.n; i++)
			print_vma(x, m.vmas[i]);
	}
	return 0;
}

/* ---- rss ---- */

static void print_pages_of(struct x_dir *x, const VmaEntry *v)
{
	fprintf(x->f, " %08" PRIx64 " / %-8" PRIu64, v->start, (v->end - v->start) >> BITS_OF_PAGE);
	if (v->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED))
		fprintf(x->f, " %s", x_path(x, (uint32_t)v->shmid));
	putc('\n', x->f);
}

/*
 * A run of pages, and the mappings it is in.  "~" is the one that the run
 * before was in too; @next is the first one that has not been met.
 */
static void print_run(struct x_dir *x, const struct x_memory *m, const PagemapEntry *p,
		      size_t *next, const VmaEntry **last)
{
	uint64_t pages = p->has_nr_pages ? p->nr_pages : p->compat_nr_pages;
	uint64_t end = p->vaddr + (pages << BITS_OF_PAGE);
	bool first = true;
	char run[48];

	snprintf(run, sizeof(run), "%" PRIx64 " / %-8" PRIu64, p->vaddr, pages);
	fprintf(x->f, "\t%-23s", run);
	if (*last && (*last)->end > p->vaddr) {
		fputs(" ~\n", x->f);
		first = false;
	}
	for (; *next < m->n && m->vmas[*next]->start < end; (*next)++) {
		if (m->vmas[*next]->end <= p->vaddr)
			continue;
		*last = m->vmas[*next];
		if (!first)
			fprintf(x->f, "\t%-23s", "");
		print_pages_of(x, *last);
		first = false;
	}
	if (first)
		putc('\n', x->f);
	else
		fprintf(x->f, "\t%-23s\n", "");
}

int x_rss(struct x_dir *x)
{
	PstreeEntry **t;

	if (x_read_files(x) < 0)
		return -x->err->code;
	vec_for_each(t, &x->tasks) {
		x_messages runs = { 0 };
		const VmaEntry *last = NULL;
		struct x_memory m;
		size_t next = 0;

		if (read_memory(x, (*t)->pid, &m) < 0 ||
		    x_read(x, IMAGE_PAGEMAP, (*t)->pid, &runs) < 0)
			return -x->err->code;
		fprintf(x->f, "%u\n", (*t)->pid);
		for (size_t i = 1; i < runs.n; i++) /* the first is the head */
			print_run(x, &m, runs.items[i], &next, &last);
	}
	return 0;
}
