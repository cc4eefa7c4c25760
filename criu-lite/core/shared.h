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
 * resume: the first error, where each task has put the files it opened, and
 * where its region lies.  Its first page goes on into the restorers.
 */
enum { NR_KEPT = 5 }; /* coordinator, proc, store, outside, log */

struct shared_task {
	uint64_t region, region_size;
	uint64_t page;	      /* of its own view of the shared page, in the region */
	uint64_t insn;	      /* a system call instruction in the region */
	int32_t fds[NR_KEPT]; /* where it has put those of its descriptors that are ours */
	int32_t carrier;      /* of who is adopted: the pid between it and its father */
};

struct shared {
	struct shared_page page;
	_Alignas(4096) struct err err; /* the first failure of any task, outside of restorers */
	uint32_t has_err;
	uint32_t nr_tasks;
	int32_t root_host_pid;	   /* of the root task, as we see it outside */
	int32_t last_pid;	   /* the last that was tried for a helper with any pid */
	int32_t *file_fd;	   /* by file->slot: number in its owner, -1: not open */
	struct shared_task *tasks; /* by task->index; those of helpers come last */
};

/* Make r->shared, for all files and tasks of the run. */
int shared_new(struct restore *r, struct err *err);

/* A task failed: the first one to say so is heard. */
void shared_fail(struct shared *s, const struct err *err);

/* In test builds: tell inject_counts() which operations the restorers have done. */
int shared_count(const struct shared *s, struct err *err);

/* What went wrong first, in a task or in a restorer; false: nothing did. */
bool shared_failure(const struct shared *s, struct err *err_ret);

#endif
