/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RESTORE_H
#define RESTORE_H

#include "base/err.h"
#include "core/opts.h"

/*
 * Restore the tree that is in the images directory.  On failure nothing is
 * left of it.  Its root is a child of ours, unless opts->sibling; --pidfile and
 * --status-fd have been served before it runs.
 */
int restore_run(const struct restore_opts *opts, struct err *err);

#endif
