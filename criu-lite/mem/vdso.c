/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vdso - the code and data that the kernel lends to every task
 *
 * drain     the code is saved with the other pages (pages.c), the data is not
 * plan      the code in the image must be that of this kernel, byte by byte, and
 *           its data of the same size
 * map       the restorer has the kernel map a fresh one at the old address; a
 *           task that had none gets none
 *
 * refused   the code of another kernel
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "mem/mem.h"

/* Data in front, code behind; sizes in bytes. */
struct vdso {
	uint64_t start, data, code;
};

/* ---- what is in the image ---- */

static struct vdso vdso_of_image(const MmEntry *mm)
{
	struct vdso v = { 0 };
	size_t i;

	for (i = 0; i < mm->n_vmas; i++) {
		const VmaEntry *e = mm->vmas[i];

		if (e->status & VMA_VVAR) {
			if (v.start + v.data != e->start)
				v = (struct vdso){ .start = e->start };
			v.data += e->end - e->start;
		}
		if (e->status & VMA_VDSO) {
			if (v.start + v.data != e->start)
				v = (struct vdso){ .start = e->start };
			v.code = e->end - e->start;
			break;
		}
	}
	if (!v.code)
		v = (struct vdso){ 0 };
	return v;
}

/* Compare the pages of @addr, @len bytes, with @ours. */
static int compare_pages(struct restore *r, const struct mem_task *m, uint64_t addr, const char *ours, uint64_t len,
			 bool *same_ret, struct err *err)
{
	const struct pagemap_run *run;
	char page[PAGE_BYTES];
	uint64_t seen = 0;

	*same_ret = true;
	vec_for_each(run, &m->pages)
	{
		uint64_t at = run->addr > addr ? run->addr : addr, end = run->addr + run->len;
		scoped_fd fd = -1;

		if (end > addr + len)
			end = addr + len;
		if (at >= end)
			continue;
		fd = pagemap_open_pages(r, run, err);
		if (fd < 0)
			return fd;
		for (; at < end; at += PAGE_BYTES, seen += PAGE_BYTES) {
			int ret = io_pread(fd, page, sizeof(page), (off_t)(run->off + (at - run->addr)));

			if (ret < 0)
				return err_set(err, -ret, "cannot read the vdso from the image");
			if (memcmp(page, ours + (at - addr), sizeof(page)) != 0)
				*same_ret = false;
		}
	}
	if (seen != len)
		*same_ret = false;
	return 0;
}

/* ---- what this kernel has ---- */

static int vdso_of_kernel(struct restore *r, struct vdso *ret, struct err *err)
{
	struct mem_state *s = kind_state(r->kinds, &mm_kind);
	proc_vma_list list = { 0 };
	const struct proc_vma *v;

	if (!s->vdso) {
		s->vdso = arena_new(r->arena, struct vdso);
		if (proc_read_maps(r->proc, getpid(), r->arena, &list, err) < 0)
			return -err->code;
		vec_for_each(v, &list)
		{
			if (strncmp(v->name, "[vvar", 5) == 0) {
				s->vdso->data += v->end - v->start;
			} else if (strcmp(v->name, "[vdso]") == 0) {
				s->vdso->start = v->start - s->vdso->data;
				s->vdso->code = v->end - v->start;
			}
		}
	}
	*ret = *s->vdso;
	return 0;
}

int vdso_plan(struct restore *r, struct task *t, const struct mem_task *m, struct err *err)
{
	struct vdso image = vdso_of_image(t->mm), ours = { 0 };
	bool same = false;

	if (!image.code)
		return 0;
	if (vdso_of_kernel(r, &ours, err) < 0)
		return -err->code;
	if (image.data == ours.data && image.code == ours.code &&
	    compare_pages(r, m, image.start + image.data, (const char *)(uintptr_t)(ours.start + ours.data), ours.code,
			  &same, err) < 0)
		return -err->code;
	if (same)
		return 0;

	err_set(err, EOPNOTSUPP, "cannot restore the vdso of task %d at %#" PRIx64, t->pid, image.start);
	err_why(err, "it is that of another kernel");
	return err_hint(err, "restore with the kernel that the dump was made with");
}

int vdso_map(struct restore *r, struct task *t, struct err *err)
{
	r->region->args->mm.vdso = vdso_of_image(t->mm).start;
	return 0;
}
