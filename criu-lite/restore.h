/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RESTORE_H
#define RESTORE_H

#include "base/err.h"
#include "core/opts.h"

/*
 * Restore the tree that is in the images directory.  On failure nothing is
 * left of it.  Its root is a child of ours, unless opts->sibling; --pidfile and
 * --status-fd have been served before it runs.  *@root_ret is its pid, as soon as
 * it runs; after a dry run there is none.
 */
int restore_run(const struct restore_opts *opts, pid_t *root_ret, struct err *err);

#endif
