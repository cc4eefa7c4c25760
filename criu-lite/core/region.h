/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_REGION_H
#define CORE_REGION_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "pie/abi.h"

/*
 * Stage map, in the newborn task: the one piece of memory that outlives us in
 * it.  It lies where neither we nor the task to be have anything, and holds the
 * restorer's code, its arguments and its stacks.  Zeroed; never freed singly.
 */
struct region {
	char *start;
	size_t size, used;
	struct restorer_args *args;
	struct restorer_thread *threads; /* as many as the task has */
	struct restorer_thread *leader;	 /* the first of them, or one that is to exit */
};

/* A piece of @size bytes, aligned to 16; NULL with @err if the region is full (its size was estimated too low). */
void *region_alloc(struct region *g, size_t size, struct err *err);

#endif
