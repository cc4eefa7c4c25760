/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_SHARED_H
#define CORE_SHARED_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "core/context.h"
#include "pie/abi.h"

/*
 * Memory that the coordinator and all newborn tasks see, from fork until
 * resume: the first error, and where each task has put the files it opened.
 * Its first page (struct shared_page, pie/abi.h) goes on into the restorers.
 */
struct shared {
	struct shared_page page;
	struct err err;	  /* the first failure of any task */
	uint32_t nr_files;
	int32_t file_fd[]; /* by file->link order: number in its owner, -1 */
};

int shared_new(struct restore *r, struct err *err);

/* A task failed: the first one to say so is heard. */
void shared_fail(struct shared *s, const struct err *err);

#endif
