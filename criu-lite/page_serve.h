/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PAGE_SERVE_H
#define PAGE_SERVE_H

#include "core/page_link.h"

/* Where lazy pages of a task are: in a tree that is stopped (dump_lazy.c), or in images. */
struct page_source {
	void *self;
	/* How many of @max pages from @addr on there are in one piece; none is an error. */
	int (*find)(void *self, uint64_t pid, uint64_t addr, uint64_t max, uint64_t *n_ret,
		    struct err *err);
	int (*read)(void *self, uint64_t pid, uint64_t addr, void *buf, size_t len,
		    struct err *err);
};

/* What a lazy-pages daemon has been given, for those who have to know how it went. */
struct page_served {
	uint64_t pages;
	bool asked; /* for anything */
};

/* Answer a lazy-pages daemon until it has all that it wants. */
int page_serve(struct arena *a, struct page_link *l, const struct page_source *s,
	       struct page_served *served, struct err *err);

#endif
