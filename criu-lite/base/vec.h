/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stddef.h>
#include <string.h>

#include "base/arena.h"

/*
 * A growing array in an arena: vec(struct vma) vmas; then .items, .n.
 * Growing copies, so pointers to items last only until the next vec_add().
 */
#define vec(type)              \
	struct {               \
		type *items;   \
		size_t n, max; \
	}

static inline void *vec_grow(struct arena *a, void *items, size_t n, size_t *max, size_t size)
{
	void *bigger;

	if (n < *max)
		return items;
	*max = *max ? *max * 2 : 8;
	bigger = arena_alloc(a, *max * size);
	if (n)
		memcpy(bigger, items, n * size);
	return bigger;
}

/* Room for one more at the end; returns a pointer to it, zeroed. */
#define vec_add(a, v)                                                                         \
	({                                                                                    \
		(v)->items = vec_grow(a, (v)->items, (v)->n, &(v)->max, sizeof(*(v)->items)); \
		memset(&(v)->items[(v)->n], 0, sizeof(*(v)->items));                          \
		&(v)->items[(v)->n++];                                                        \
	})

#define vec_for_each(pos, v) \
	for ((pos) = (v)->items; (v)->n && (pos) < (v)->items + (v)->n; (pos)++)

#endif
