/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DUMP_H
#define DUMP_H

#include "base/err.h"
#include "core/opts.h"

/*
 * Dump the tree below opts->pid into the images directory.  On failure the
 * tree goes on as if nothing had happened and the images are taken away.
 */
int dump_run(const struct dump_opts *opts, struct err *err);

#endif
