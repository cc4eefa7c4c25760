/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LAZY_SERVE_H
#define LAZY_SERVE_H

#include "lazy_memory.h"
#include "page_images.h"

/* A lazy-pages daemon that has all tasks of a restore. */
struct lazy_serve {
	struct arena *arena;
	struct page_images *images;
	struct page_link *link; /* of the page server, NULL: pages are in images */
	int restore;		/* the connection; -1: it has said that it has finished */
	int guardian;		/* who gets a copy of each userfaultfd: see lazy_pages.c */
	struct list memories;
};

/* Serve until nothing is missing any more, or what misses something has ended. */
int lazy_serve(struct lazy_serve *s, struct err *err);

/* One more memory: what is missing is what the images say of @pid. */
int lazy_serve_add(struct lazy_serve *s, pid_t pid, int uffd, struct err *err);

#endif
