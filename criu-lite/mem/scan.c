/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * scan - which pages are a task's own
 *
 * That is: anonymous, in memory or in swap, and not the zero page. One PAGEMAP_SCAN
 * runs over the whole address space; kernels before 6.7 have a word for each page
 * instead, which does not tell zero pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "mem/mem.h"

/* linux/fs.h, newer than the headers of Debian 12 */
struct scan_region {
	uint64_t start, end, categories;
};

struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

enum {
	SCAN_WATCHED = 1 << 0,
	SCAN_WRITTEN = 1 << 1,
	SCAN_FILE = 1 << 2,
	SCAN_PRESENT = 1 << 3,
	SCAN_SWAPPED = 1 << 4,
	SCAN_PFNZERO = 1 << 5,
	SCAN_GUARD = 1 << 8,
	/*
	 * Not more: Linux 6.18 collects 512 regions at a time, and when asked for
	 * more, walk_end stays where the first 512 ended, though others follow.
	 */
	SCAN_REGIONS = 512,
	SCAN_PROTECT = 1 << 0, /* PM_SCAN_WP_MATCHING: passes over what is not watched */
	SCAN_WORDS = 1024,
};

#define PAGEMAP_SCAN_ _IOWR('f', 16, struct scan_arg)

/*
 * A page that nobody watches has been written, whatever it looks like: when Linux 6.18
 * joins an area that mremap() has moved with a watched one, neither is watched any more,
 * and the marks of the second stay.
 */
static enum scan_what what_is(const struct scan_region *r)
{
	if (r->categories & SCAN_GUARD)
		return SCAN_GUARDS;
	return r->categories & SCAN_WATCHED && !(r->categories & SCAN_WRITTEN) ? SCAN_UNWRITTEN
									       : SCAN_PAGES;
}

static struct scan_arg arg_of(const struct scan *s)
{
	uint64_t guard = kernel_has(s->d->kernel, KERNEL_PAGEMAP_SCAN_GUARD) ? SCAN_GUARD : 0;
	uint64_t none_of = SCAN_FILE | SCAN_PFNZERO;
	uint64_t any_of = SCAN_PRESENT | SCAN_SWAPPED;

	if (s->how == SCAN_ALL)
		any_of |= guard;
	else
		none_of |= guard; /* what is asked for both ways, all pages have */
	if (s->how == SCAN_UNWATCHED)
		none_of |= SCAN_WATCHED;

	return (struct scan_arg){
		.size = sizeof(struct scan_arg),
		.flags = s->how == SCAN_AND_PROTECT ? SCAN_PROTECT : 0,
		.start = s->start,
		.end = s->end,
		.vec_len = SCAN_REGIONS,
		.category_inverted = none_of,
		.category_mask = none_of,
		.category_anyof_mask = any_of,
		.return_mask = SCAN_PRESENT | SCAN_SWAPPED | SCAN_WATCHED | SCAN_WRITTEN | guard,
	};
}

static int scan_all(const struct scan *s, int pagemap, struct err *err)
{
	struct scan_region regions[SCAN_REGIONS];
	struct scan_arg arg = arg_of(s);

	arg.vec = (uintptr_t)regions;
	while (arg.start < s->end) {
		int i, n = ioctl(pagemap, PAGEMAP_SCAN_, &arg);

		if (n < 0)
			return err_sys(err, "cannot scan the pages of task %d", s->t->host_pid);
		for (i = 0; i < n; i++)
			if (s->found && s->found(s->data, regions[i].start, regions[i].end,
						 what_is(&regions[i]), err) < 0)
				return -err->code;
		arg.start = arg.walk_end;
	}
	return 0;
}

static int scan_words(const struct scan *s, int pagemap, const VmaEntry *e, struct err *err)
{
	uint64_t words[SCAN_WORDS], addr = e->start;

	while (addr < e->end) {
		size_t i, n = SCAN_WORDS;
		int ret;

		if ((e->end - addr) / PAGE_BYTES < n)
			n = (e->end - addr) / PAGE_BYTES;
		ret = io_pread(pagemap, words, n * sizeof(*words),
			       (off_t)(addr / PAGE_BYTES * sizeof(*words)));
		if (ret < 0)
			return err_set(err, -ret, "cannot read the pagemap of task %d",
				       s->t->host_pid);
		for (i = 0; i < n; i++, addr += PAGE_BYTES) {
			bool is_there = words[i] >> 62, is_file = words[i] >> 61 & 1;

			if (is_there && !is_file &&
			    s->found(s->data, addr, addr + PAGE_BYTES, SCAN_PAGES, err) < 0)
				return -err->code;
		}
	}
	return 0;
}

static int scan_each(const struct scan *s, int pagemap, struct err *err)
{
	const MmEntry *mm = s->t->mm;
	size_t i;

	for (i = 0; i < mm->n_vmas; i++)
		if (vma_has_pages(mm->vmas[i]) && scan_words(s, pagemap, mm->vmas[i], err) < 0)
			return -err->code;
	return 0;
}

int scan_pages(const struct scan *s, struct err *err)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/pagemap", s->t->host_alive);
	scoped_fd pagemap = openat(s->d->proc, path, O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return err_sys(err, "cannot open /proc/%s", path);
	return kernel_has(s->d->kernel, KERNEL_PAGEMAP_SCAN) ? scan_all(s, pagemap, err)
							     : scan_each(s, pagemap, err);
}
