/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PAGE_IMAGES_H
#define PAGE_IMAGES_H

#include "core/pagemap.h"
#include "page_serve.h"

/* Lazy pages of the tasks in an images directory. */
struct page_images;

/* One task of pstree.img, and its pages; those of a dead one are none. */
struct page_task {
	pid_t pid;
	pagemap_runs runs;
};
typedef vec(struct page_task) page_tasks;

int page_images_open(struct arena *a, int images_fd, struct page_images **images_ret,
		     struct err *err);
void page_images_close(struct page_images *pi);
const page_tasks *page_images_tasks(const struct page_images *pi);

/* Where areas of @pid begin and end, by rising address, in pairs. */
typedef vec(uint64_t) page_borders;
int page_images_borders(struct page_images *pi, pid_t pid, page_borders *ret, struct err *err);

struct page_source page_images_source(struct page_images *pi);

#endif
