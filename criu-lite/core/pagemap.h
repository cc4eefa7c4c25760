/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_PAGEMAP_H
#define CORE_PAGEMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/vec.h"
#include "core/context.h"

enum { PAGE_BYTES = 4096 };

/* Where pages of an entry are: the flags of images, and of page servers. */
enum {
	PAGES_PARENT = 1,  /* in the dump before this one */
	PAGES_LAZY = 2,	   /* a lazy restore may leave them out; alone: still at the source */
	PAGES_PRESENT = 4, /* here */
	PAGES_FLAGS = 7,
};

/*
 * Dump: which pages are saved, and where they go: into two images, or, with
 * d->page_link, to a page server.
 *
 * Of images, page number n (from 0, in the order of pagemap_out_add(), those
 * with PAGES_PRESENT) belongs at offset n * PAGE_BYTES of the descriptor; who writes them
 * there, and when, is the caller's business.  With @in_order there are no offsets: pages are
 * written in their order by pagemap_out_write() or pagemap_out_copy(); and a page server
 * wants the content of each piece as soon as that is added.
 */
struct pagemap_out {
	struct image *pagemap, *pages;
	struct page_link *link; /* NULL: images */
	uint64_t object;	/* for the page server */
	int fd;			/* of the pages, borrowed; -1: a page server */
	bool in_order;		/* a page server, or a stream */
	uint64_t start, end;	/* the entry that is still growing */
	uint32_t flags;		/* of that entry */
	uint64_t from;		/* of that entry */
	uint64_t nr_pages;	/* PAGES_PRESENT */
	uint64_t nr_absent;	/* the others */
	bool in_parent;		/* the parent dump has an image of that name, too */
};

/* @type is IMAGE_PAGEMAP (@id: a pid) or IMAGE_SHMEM_PAGEMAP (@id: the object). */
int pagemap_out_open(struct dump *d, enum image_type type, unsigned long id, struct pagemap_out *o,
		     struct err *err);

/*
 * @start rises from call to call; adjacent pieces become one entry.  @from: where the task's
 * parent has these very pages; 0: nowhere (a page server has no place for it).
 */
int pagemap_out_add(struct pagemap_out *o, uint64_t start, uint64_t len, uint32_t flags,
		    uint64_t from, struct err *err);

/* @len bytes that belong at offset @off; or what comes next of @fd, filled up to a whole page. */
int pagemap_out_write(struct pagemap_out *o, const void *buf, size_t len, uint64_t off,
		      struct err *err);
int pagemap_out_copy(struct pagemap_out *o, int fd, uint64_t len, struct err *err);

int pagemap_out_close(struct pagemap_out *o, struct err *err);

/* After a failure: end without writing the rest. */
void pagemap_out_abandon(struct pagemap_out *o);

#define scoped_pagemap_out __attribute__((cleanup(pagemap_out_abandon))) struct pagemap_out

/*
 * Dump: the content of a file that is memory (tmpfs, hugetlbfs), without holes,
 * into IMAGE_SHMEM_PAGEMAP @id.  @fd is read, from wherever it is to its end.
 */
int pagemap_save_file(struct dump *d, uint32_t id, int fd, struct err *err);

/* Restore: @len bytes of memory at @addr, and where they are. */
struct pagemap_run {
	uint64_t addr, len;
	uint32_t flags; /* PAGES_*; without PAGES_PRESENT: nowhere here, see --lazy-pages */
	uint64_t off;
	uint32_t pages_id;
	uint32_t depth; /* 0: in this dump, 1: in its parent ... */
	uint64_t from;	/* where the task's parent has these very pages, 0: nowhere */
};
typedef vec(struct pagemap_run) pagemap_runs;

/*
 * All pages of an image by rising address, those of parents included.  Checked:
 * order, alignment, and that the pages are really there.  Without such an image
 * *@found_ret is false and the result 0.
 */
int pagemap_read(struct restore *r, enum image_type type, unsigned long id, pagemap_runs *ret,
		 bool *found_ret, struct err *err);

/* The same of the pages that are in this very dump, not in its parents; depth is 0. */
int pagemap_read_own(struct arena *a, struct store *s, enum image_type type, unsigned long id,
		     pagemap_runs *ret, bool *found_ret, struct err *err);

/* Restore: the file @run is in; the caller owns the descriptor. */
int pagemap_open_pages(struct restore *r, const struct pagemap_run *run, struct err *err);

/* Restore: the pages of @runs into a file of @size bytes, or into memory of that size. */
int pagemap_fill_file(struct restore *r, const pagemap_runs *runs, int fd, uint64_t size,
		      struct err *err);
int pagemap_fill_memory(struct restore *r, const pagemap_runs *runs, char *memory, uint64_t size,
			struct err *err);

#endif
