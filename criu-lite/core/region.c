/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * region - the memory that outlives us in a newborn task
 */
#include <errno.h>

#include "core/region.h"

void *region_alloc(struct region *g, size_t size, struct err *err)
{
	char *piece = g->start + g->used;

	size = (size + 15) & ~(size_t)15;
	if (g->size - g->used < size) {
		err_set(err, ENOMEM,
			"cannot pack %zu bytes more for the restorer, %zu of %zu are used", size,
			g->used, g->size);
		return NULL;
	}
	g->used += size;
	return piece;
}
