/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_SCRIPT_H
#define CORE_SCRIPT_H

#include <sys/types.h>

#include "base/err.h"
#include "core/opts.h"

/*
 * Who started us over a socket, and is told of actions before scripts are.
 * @fd goes along with the message, -1: none.  A negative result is a refusal, as
 * that of a script is.
 */
struct script_listener {
	void *self;
	int (*tell)(void *self, const char *action, pid_t root_pid, int fd, struct err *err);
};

/*
 * Tell the listener and nobody else: query-ext-files, orphan-pts-master.  @fd
 * is borrowed, -1: none.  Without a listener nothing happens.
 */
int script_tell(const struct common_opts *opts, const char *action, int fd, struct err *err);

/*
 * Tell the listener, and run the scripts of --action-script, the last given first,
 * and wait for each.
 * They find @action, the images and, once it is known (else 0), the pid of the
 * root task in CRTOOLS_SCRIPT_ACTION, CRTOOLS_IMAGE_DIR and CRTOOLS_INIT_PID.
 *
 * The first one that fails ends it: -ECANCELED.  The exit status of post-dump
 * becomes that of the program (err->exit_status).  Without scripts nothing happens.
 *
 * The actions of CRIU that we have, and when:
 *	dump	 pre-dump (before anything), network-lock (the tree has stopped, and has a
 *		 network namespace of its own), post-dump (images complete),
 *		 network-unlock (it goes on)
 *	restore	 pre-restore, setup-namespaces (all tasks exist),
 *		 post-setup-namespaces, post-restore (all is there, stopped),
 *		 network-unlock (if there is such a namespace), pre-resume, post-resume
 *		 (too late to stop anything)
 */
int script_run(const struct common_opts *opts, const char *action, int images_dirfd, pid_t root_pid,
	       struct err *err);

#endif
