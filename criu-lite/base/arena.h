/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * Memory that lives as long as the run: it is taken piece by piece and given
 * back all at once by arena_fini().  Pieces are zeroed and aligned to 16.
 *
 * Running out of memory is told, as an error of three parts, and ends the program:
 * what is then left of it is the business of the guard, not of every caller.
 */
struct arena {
	struct arena_block *blocks;
	size_t used;	  /* in the newest block */
	size_t nr_blocks; /* without those of large pieces */
	struct arena_piece *spare;
	bool shared;				       /* with those whom we fork */
	void (*full)(void *of, const struct err *err); /* tells it, NULL: on stderr */
	void *of;
};

void arena_init(struct arena *a);
/* One whose pieces are the same memory in all processes that are forked after they were taken. */
void arena_init_shared(struct arena *a);
void arena_fini(struct arena *a);

/*
 * In a child of fork(): what is there stays, but what comes goes into blocks of
 * its own, small again: a huge page is cleared, or torn, as a whole.
 */
void arena_forked(struct arena *a);

void *arena_alloc(struct arena *a, size_t size);
/* @piece of @size bytes is needed no more: the next one of that size takes its place. */
void arena_give_back(struct arena *a, void *piece, size_t size);

void *arena_dup(struct arena *a, const void *src, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A zeroed object, or an array of @n of them. */
#define arena_new(a, type)	((type *)arena_alloc(a, sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc(a, sizeof(type) * (n)))

#endif
