/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_SCRIPT_H
#define CORE_SCRIPT_H

#include <sys/types.h>

#include "base/err.h"
#include "core/opts.h"

/*
 * Run the scripts of --action-script, the last given first, and wait for each.
 * They find @action, the images and, once it is known (else 0), the pid of the
 * root task in CRTOOLS_SCRIPT_ACTION, CRTOOLS_IMAGE_DIR and CRTOOLS_INIT_PID.
 *
 * The first one that fails ends it: -ECANCELED, and its exit status is in
 * err->exit_status.  Without scripts nothing happens.
 *
 * The actions of CRIU that we have, and when; all but post-resume may stop the run:
 *	dump	 pre-dump (before anything), network-lock (frozen), network-unlock
 *		 (before tasks run again), post-dump (images complete)
 *	restore	 pre-restore, setup-namespaces (root task exists), post-setup-namespaces,
 *		 post-restore (all is there, stopped), network-unlock, pre-resume, post-resume
 */
int script_run(const struct common_opts *opts, const char *action, int images_dirfd, pid_t root_pid,
	       struct err *err);

#endif
