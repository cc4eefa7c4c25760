/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_KEEPER_H
#define CORE_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum { RUN_ID_SIZE = 40 };

/* What remembers which pages of a task have been written, from one run to the next. */
struct kept {
	pid_t pid;	/* in our pid namespace */
	uint64_t start; /* when it was born, as /proc/PID/stat has it */
	int pidfd;
	int uffd;
	char run[RUN_ID_SIZE]; /* the dump since which they are remembered, "": none */
};

/*
 * A keeper is a process that holds such descriptors after we have ended.  It ends
 * when all of its tasks have, or when they have been taken from it.  If it is
 * killed, the kernel forgets what was written, and the next dump is a whole one.
 *
 * keeper_take: @k->pid and @k->start are given; fills uffd and run, and the keeper
 * has it no more.  False: nobody has it.
 *
 * keeper_leave: to a new keeper.  The descriptors are closed here, whatever
 * comes of it.  Call it when no task is stopped: it forks.
 */
bool keeper_take(struct kept *k);
int keeper_leave(struct kept *kept, size_t n, struct err *err);

/* Closes both; -1 is allowed. */
void kept_close(struct kept *k);

#endif
