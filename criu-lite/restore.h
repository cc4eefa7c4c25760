/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RESTORE_H
#define RESTORE_H

#include "base/err.h"
#include "core/opts.h"

/*
 * Restore the tree that is in the images directory.  On failure nothing is
 * left of it.  *@root_ret is the pid of the root task, running (or stopped, if
 * so asked), and a child of ours unless opts->sibling.
 */
int restore_run(const struct restore_opts *opts, pid_t *root_ret, struct err *err);

#endif
