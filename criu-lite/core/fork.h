/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_FORK_H
#define CORE_FORK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/context.h"

struct birth;

/*
 * Coordinator: create the root task with its old pid, in the namespaces that
 * @flags say (CLONE_NEWPID); it waits.
 */
int fork_root(struct restore *r, uint64_t flags, struct err *err);

/*
 * The root creates its children, and so on.  Returns when all tasks exist, have
 * their parents, sessions and groups, and wait.
 */
int fork_tree(struct restore *r, struct err *err);

/* In a newborn: fork one who is born of it. */
int worker_fork(struct restore *r, const struct birth *b, struct err *err);

/* Is it the pid of a task or thread of the tree, or of who helps to make it? */
bool fork_wants_pid(const struct restore *r, pid_t pid);

/* fork() with a pid; 0 in the child. */
pid_t fork_with_pid(pid_t pid, uint64_t flags, int exit_signal);

#endif
