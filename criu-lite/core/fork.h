/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_FORK_H
#define CORE_FORK_H

#include "core/context.h"

/*
 * Coordinator: create the root task with its old pid; it creates its children,
 * and so on.  Returns when all tasks exist, have their parents, sessions and groups,
 * and wait.
 */
int fork_tree(struct restore *r, struct err *err);

/* In a newborn: fork those who are born of it before, or after, its setsid(). */
int worker_fork(struct restore *r, bool before, struct err *err);

#endif
