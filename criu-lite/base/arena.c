/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * arena - memory that lives as long as the run
 *
 * Small pieces are cut from blocks of 64 KiB; a large one gets a block of its
 * own behind the current one, so that the rest of that is not lost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { BLOCK_SIZE = 64 * 1024, ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(ALIGN) char data[];
};

void arena_init(struct arena *a)
{
	memset(a, 0, sizeof(*a));
}

void arena_fini(struct arena *a)
{
	struct arena_block *b = a->blocks;

	while (b) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
	arena_init(a);
}

static struct arena_block *block_new(size_t size)
{
	struct arena_block *b = calloc(1, sizeof(*b) + size);

	if (!b) {
		fprintf(stderr, "criu-lite: out of memory (%zu bytes)\n", size);
		abort();
	}
	b->size = size;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->blocks;
	void *piece;

	size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);

	if (size > BLOCK_SIZE / 4) {
		struct arena_block *own = block_new(size);

		if (!b) {
			a->blocks = own;
			a->used = size;
		} else {
			own->next = b->next;
			b->next = own;
		}
		return own->data;
	}
	if (!b || b->size - a->used < size) {
		b = block_new(BLOCK_SIZE);
		b->next = a->blocks;
		a->blocks = b;
		a->used = 0;
	}

	piece = b->data + a->used;
	a->used += size;
	return piece;
}

void *arena_dup(struct arena *a, const void *src, size_t size)
{
	return memcpy(arena_alloc(a, size ? size : 1), src, size);
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_dup(a, s, strlen(s) + 1);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);

	s = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}
