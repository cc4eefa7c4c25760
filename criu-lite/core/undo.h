/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_UNDO_H
#define CORE_UNDO_H

#include "core/context.h"

/*
 * What a restore makes and what would outlive its tasks, such as System V
 * segments and the names of sockets, must go if the tree does not come to life,
 * also if criu-lite is killed.  So kinds say in advance how to remove it.
 */

/*
 * Removes @what, if @maker (our pid, as who forked the tree) has made it; it may
 * not be there.  All tasks have ended.
 */
typedef void undo_function(const void *what, pid_t maker);

/* Plan: @f(@what) is to be called if the restore fails; @what must live as long as the run. */
void undo_add(struct restore *r, undo_function *f, const void *what);

/* Before anything is made: from now on a process of its own sees to it when we are killed. */
int undo_begin(struct restore *r, struct err *err);

/* It does not any more. */
void undo_dismiss(struct restore *r);

/* Nothing came of it: remove it all. */
void undo_all(struct restore *r);

#endif
