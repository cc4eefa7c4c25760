/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * page_images - lazy pages, out of images
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "images/mm.pb-c.h"
#include "images/pstree.pb-c.h"
#include "page_images.h"

struct open_file {
	struct pagemap_run run; /* one that is in it */
	int fd;
};

struct page_images {
	struct restore r; /* only what images need */
	struct restore_opts opts;
	page_tasks tasks;
	vec(struct open_file) files;
};

/* ---- reading ---- */

static int read_pids(struct page_images *pi, struct err *err)
{
	struct arena *a = pi->r.arena;
	scoped_image *img = NULL;
	PstreeEntry *e;
	bool found;
	int got;

	if (image_open(pi->r.store, IMAGE_PSTREE, 0, a, &img, &found, err) < 0)
		return -err->code;
	if (!found) {
		err_set(err, ENOENT, "cannot find pstree.img");
		return err_hint(err, "give the directory of the images by -D");
	}
	while ((got = image_get(img, NULL, (void **)&e, err)) > 0)
		*vec_add(a, &pi->tasks) = (struct page_task){ .pid = (pid_t)e->pid };
	return got < 0 ? got : 0;
}

static int read_all(struct page_images *pi, struct err *err)
{
	struct page_task *t;
	bool found;

	if (read_pids(pi, err) < 0)
		return -err->code;
	vec_for_each(t, &pi->tasks)
		if (pagemap_read(&pi->r, IMAGE_PAGEMAP, (unsigned long)t->pid, &t->runs, &found,
				 err) < 0)
			return err_in(err, "task %d", t->pid);
	return 0;
}

int page_images_open(struct arena *a, int images_fd, struct page_images **images_ret,
		     struct err *err)
{
	struct page_images *pi = arena_new(a, struct page_images);
	scoped_fd fd = fcntl(images_fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return err_sys(err, "cannot copy a descriptor");
	pi->opts.common.lazy_pages = true;
	pi->r.arena = a;
	pi->r.opts = &pi->opts;
	if (store_open_dirfd(a, take_fd(&fd), &pi->r.store, err) < 0)
		return -err->code;
	if (read_all(pi, err) < 0) {
		page_images_close(pi);
		return -err->code;
	}
	*images_ret = pi;
	return 0;
}

void page_images_close(struct page_images *pi)
{
	const struct open_file *f;

	vec_for_each(f, &pi->files)
		close(f->fd);
	store_close(pi->r.store);
}

const page_tasks *page_images_tasks(const struct page_images *pi)
{
	return &pi->tasks;
}

int page_images_borders(struct page_images *pi, pid_t pid, page_borders *ret, struct err *err)
{
	struct arena *a = pi->r.arena;
	MmEntry *mm;
	bool found;
	size_t i;

	if (image_get_one(pi->r.store, IMAGE_MM, (unsigned long)pid, a, (void **)&mm, &found, err) <
	    0)
		return -err->code;
	for (i = 0; found && i < mm->n_vmas; i++) {
		*vec_add(a, ret) = mm->vmas[i]->start;
		*vec_add(a, ret) = mm->vmas[i]->end;
	}
	return 0;
}

/* ---- as a source ---- */

static const struct page_task *task_of(const struct page_images *pi, uint64_t pid)
{
	const struct page_task *t;

	vec_for_each(t, &pi->tasks)
		if ((uint64_t)t->pid == pid)
			return t;
	return NULL;
}

/* The lazy run that has @addr, or NULL. */
static const struct pagemap_run *run_at(const struct page_images *pi, uint64_t pid, uint64_t addr)
{
	const struct page_task *t = task_of(pi, pid);
	size_t low = 0, high = t ? t->runs.n : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct pagemap_run *run = &t->runs.items[mid];

		if (addr >= run->addr + run->len)
			low = mid + 1;
		else if (addr < run->addr)
			high = mid;
		else
			return run->flags & PAGES_LAZY && run->flags & PAGES_PRESENT ? run : NULL;
	}
	return NULL;
}

static int find(void *self, uint64_t pid, uint64_t addr, uint64_t max, uint64_t *n_ret,
		struct err *err)
{
	const struct pagemap_run *run = run_at(self, pid, addr);
	uint64_t n = run ? (run->addr + run->len - addr) / PAGE_BYTES : 0;

	if (n && max) {
		*n_ret = n < max ? n : max;
		return 0;
	}
	err_set(err, ENOENT, "cannot find the page at %" PRIx64 " of task %" PRIu64, addr, pid);
	err_why(err, "the images have no such lazy page");
	return err_hint(err, "are these the images of that restore?");
}

static int file_of(struct page_images *pi, const struct pagemap_run *run, struct err *err)
{
	const struct open_file *f;
	int fd;

	vec_for_each(f, &pi->files)
		if (f->run.pages_id == run->pages_id && f->run.depth == run->depth)
			return f->fd;
	fd = pagemap_open_pages(&pi->r, run, err);
	if (fd >= 0)
		*vec_add(pi->r.arena, &pi->files) = (struct open_file){ *run, fd };
	return fd;
}

/* What find() has found. */
static int read_pages(void *self, uint64_t pid, uint64_t addr, void *buf, size_t len,
		      struct err *err)
{
	const struct pagemap_run *run = run_at(self, pid, addr);
	int fd = file_of(self, run, err), ret;

	if (fd < 0)
		return fd;
	ret = io_pread(fd, buf, len, (off_t)(run->off + (addr - run->addr)));
	return ret < 0 ? err_set(err, -ret, "cannot read pages-%u.img", run->pages_id) : 0;
}

struct page_source page_images_source(struct page_images *pi)
{
	return (struct page_source){ .self = pi, .find = find, .read = read_pages };
}
