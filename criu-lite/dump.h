/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DUMP_H
#define DUMP_H

#include "base/err.h"
#include "core/opts.h"
#include "core/refuse.h"

/*
 * Dump the tree below opts->pid into the images directory.  On failure the
 * tree goes on as if nothing had happened and the images are taken away.  If
 * the tree is what it failed for, @refused has all that was found, and @err the
 * first of it; otherwise @refused is empty.
 */
int dump_run(const struct dump_opts *opts, struct refusals *refused, struct err *err);

/*
 * Save the memory of the tree below opts->pid, which hardly stops for it, so that the
 * dump that follows, with this one as its parent, has less to save. opts->leave_running
 * must be set. Failures as above.
 */
int predump_run(const struct dump_opts *opts, struct refusals *refused, struct err *err);

struct dump_report {
	size_t tasks;
	uint64_t stopped_us;
};

/*
 * Everything that would keep a dump with these options from working, without
 * writing anything.  opts->leave_running must be set.  To refuse is a success.
 */
int dump_check(const struct dump_opts *opts, struct refusals *refused, struct dump_report *report,
	       struct err *err);

#endif
