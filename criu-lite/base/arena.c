/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * arena - memory that lives as long as the run
 *
 * Small pieces are cut from blocks of 64 KiB; a large one gets a block of its
 * own behind the current one, so that the rest of that is not lost.
 *
 * A large arena goes on in huge pages: each fork() of a restore copies the page
 * tables of all of it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"

enum {
	BLOCK_SIZE = 64 * 1024,
	HUGE_SIZE = 2 << 20,
	HUGE_FROM = 64, /* blocks */
	ALIGN = 16,
};

struct arena_block {
	struct arena_block *next;
	size_t size;
	size_t mapped; /* it is a mapping of that size, 0: it is not */
	_Alignas(ALIGN) char data[];
};

/* What has been given back begins with this. */
struct arena_piece {
	struct arena_piece *next;
	size_t size;
};

void arena_init(struct arena *a)
{
	memset(a, 0, sizeof(*a));
}

void arena_init_shared(struct arena *a)
{
	arena_init(a);
	a->shared = true;
}

void arena_fini(struct arena *a)
{
	struct arena_block *b = a->blocks;

	while (b) {
		struct arena_block *next = b->next;

		if (b->mapped)
			munmap(b, b->mapped);
		else
			free(b);
		b = next;
	}
	arena_init(a);
}

static struct arena_block *block_new_shared(size_t size)
{
	struct arena_block *b;

	size += sizeof(*b);
	b = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (b == MAP_FAILED)
		return NULL;
	b->mapped = size;
	return b;
}

static void end_without_memory(const struct arena *a, size_t size) __attribute__((noreturn));
static void end_without_memory(const struct arena *a, size_t size)
{
	struct err err;

	err_set(&err, ENOMEM, "cannot get %zu bytes of memory", size);
	err_hint_limit(&err);
	if (a->full)
		a->full(a->of, &err);
	else
		err_print(&err, "criu-lite");
	_exit(1);
}

static struct arena_block *block_new(const struct arena *a, size_t size)
{
	struct arena_block *b = a->shared ? block_new_shared(size) : calloc(1, sizeof(*b) + size);

	if (!b)
		end_without_memory(a, size);
	b->size = size;
	return b;
}

/* NULL: there is none to be had. */
static struct arena_block *block_new_huge(void)
{
	size_t size = 2 * HUGE_SIZE;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct arena_block *b;
	uintptr_t at;

	if (p == MAP_FAILED)
		return NULL;
	at = ((uintptr_t)p + HUGE_SIZE - 1) & ~(uintptr_t)(HUGE_SIZE - 1);
	if (at > (uintptr_t)p)
		munmap(p, at - (uintptr_t)p);
	if (at + HUGE_SIZE < (uintptr_t)p + size)
		munmap((void *)(at + HUGE_SIZE), (uintptr_t)p + size - at - HUGE_SIZE);

	b = (struct arena_block *)at;
	madvise(b, HUGE_SIZE, MADV_HUGEPAGE);
	b->size = HUGE_SIZE - sizeof(*b);
	b->mapped = HUGE_SIZE;
	return b;
}

void arena_forked(struct arena *a)
{
	if (a->blocks)
		a->used = a->blocks->size;
	a->spare = NULL;
	a->nr_blocks = 0;
}

static struct arena_block *block_next(struct arena *a)
{
	struct arena_block *b = NULL;

	if (a->nr_blocks++ >= HUGE_FROM && !a->shared)
		b = block_new_huge();
	return b ? b : block_new(a, BLOCK_SIZE);
}

static size_t aligned(size_t size)
{
	return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

void arena_give_back(struct arena *a, void *piece, size_t size)
{
	struct arena_piece *p = piece;

	if (size < sizeof(*p))
		return;
	*p = (struct arena_piece){ a->spare, aligned(size) };
	a->spare = p;
}

/* The list is short: who gives something back takes the same soon again. */
static void *take_spare(struct arena *a, size_t size)
{
	struct arena_piece **at, *p;

	for (at = &a->spare; (p = *at); at = &p->next) {
		if (p->size != size)
			continue;
		*at = p->next;
		return memset(p, 0, size);
	}
	return NULL;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->blocks;
	void *piece;

	size = aligned(size);
	piece = a->spare ? take_spare(a, size) : NULL;
	if (piece)
		return piece;

	if (size > BLOCK_SIZE / 4 && !(b && b->mapped == HUGE_SIZE && b->size - a->used >= size)) {
		struct arena_block *own = block_new(a, size);

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
		b = block_next(a);
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
