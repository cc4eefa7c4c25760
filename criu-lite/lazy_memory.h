/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LAZY_MEMORY_H
#define LAZY_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/vec.h"

/*
 * The memory of one process that is lazy: what of it is missing, and its
 * userfaultfd, by which it says what it needs and what becomes of its areas.
 */
struct lazy_piece {
	uint64_t start, end;
	uint64_t image; /* what is to be at @start was there when it was dumped */
};

struct lazy_memory {
	struct list link;
	pid_t pid; /* in images: a child that was born since has that of its father */
	int uffd;
	bool moved;			/* something is not where it was when it was dumped */
	bool gone;			/* the process has ended, or executes something else */
	vec(struct lazy_piece) missing; /* by rising address */
	uint64_t next;			/* where to go on in the background */
};

/* Who is told of what lazy_memory_events() finds; @fault is to remember it, and do nothing yet. */
struct lazy_events {
	void *self;
	int (*fault)(void *self, struct lazy_memory *m, uint64_t addr, struct err *err);
	int (*child)(void *self, struct lazy_memory *father, int uffd, struct err *err);
};

/* The piece that has @addr, or NULL; the first one that ends behind it, or NULL. */
struct lazy_piece *lazy_piece_at(const struct lazy_memory *m, uint64_t addr);
struct lazy_piece *lazy_piece_after(const struct lazy_memory *m, uint64_t addr);

/* Nothing from @start to @end is missing any more. */
void lazy_memory_forget(struct arena *a, struct lazy_memory *m, uint64_t start, uint64_t end);

/* All that the process has said so far. */
int lazy_memory_events(struct arena *a, struct lazy_memory *m, const struct lazy_events *to,
		       struct err *err);

/*
 * @len bytes of the image from @image on have come: they go where they belong
 * now, as far as they are still missing.
 */
int lazy_memory_fill(struct arena *a, struct lazy_memory *m, uint64_t image, const char *content,
		     uint64_t len, const struct lazy_events *to, struct err *err);

/* A page that was never there, or is not wanted any more. */
int lazy_memory_zero(struct arena *a, struct lazy_memory *m, uint64_t addr,
		     const struct lazy_events *to, struct err *err);

#endif
