/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_CONTEXT_H
#define CORE_CONTEXT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "core/opts.h"
#include "images/image.h"

struct kernel;
struct kinds;
struct store;
struct tree;
struct files;
struct stats;
struct task;
struct shared;

/* Everything a run of dump knows. */
struct dump {
	const struct dump_opts *opts;
	struct arena *arena; /* lives as long as the run */
	struct kernel *kernel;
	struct kinds *kinds;
	struct store *store;
	struct tree *tree;
	struct files *files;
	struct stats *stats;
	int proc; /* /proc as we see it */
};

/*
 * Everything a run of restore knows.  The coordinator fills it up to the end of
 * plan; then every newborn task has its own copy, made by fork.
 */
struct restore {
	const struct restore_opts *opts;
	struct arena *arena;
	struct kernel *kernel;
	struct kinds *kinds;
	struct store *store;
	struct tree *tree;
	struct files *files;
	struct stats *stats;
	struct shared *shared; /* the page all tasks see: stage, first error, where files are */
	struct task *self;     /* the task we are, NULL in the coordinator */
	struct region *region; /* where self packs what its restorer needs (stage map) */
	int proc;	       /* /proc as we see it */
	int coordinator;       /* in tasks: a pidfd of the coordinator, see restore_borrow_fd() */
};

/*
 * In a task: a copy of descriptor @n of the coordinator (what was opened while
 * nothing had been forked: ghost files, inherited descriptors).  The caller owns it.
 */
int restore_borrow_fd(struct restore *r, int n, struct err *err);

#endif
