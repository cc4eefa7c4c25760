/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_FORK_H
#define CORE_FORK_H

#include "core/context.h"

/*
 * Coordinator: create the root task with its old pid; it creates its children,
 * and so on.  Returns when all tasks exist, have their sessions, and wait.
 */
int fork_tree(struct restore *r, struct err *err);

#endif
