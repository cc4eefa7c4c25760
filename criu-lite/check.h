/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CHECK_H
#define CHECK_H

#include "base/err.h"
#include "core/opts.h"
#include "core/refuse.h"

/*
 * Tell on stdout whether this kernel has what is needed: one feature, or all
 * that core and kinds ask for and, if wanted, what only some trees need.
 * -EOPNOTSUPP if something is missing, -EINVAL if there is no such feature.
 */
int check_run(const struct check_opts *opts, struct err *err);

/*
 * Stop the tree below opts->pid for a moment, let it go on, and tell on stdout
 * what would keep a dump with these options from working; as JSON, if wanted.
 */
int check_tree(const struct dump_opts *opts, bool json, struct refusals *refused, bool *works_ret,
	       struct err *err);

/* The names of the features, on stdout, each with a blank in front. */
void check_print_features(void);

#endif
