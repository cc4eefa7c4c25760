/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OCI_HOOK_KEEP_H
#define OCI_HOOK_KEEP_H

#include "oci-hook/container.h"

/*
 * Containers that are annotated
 *
 *	org.criu-lite.checkpoint	on-stop
 *	org.criu-lite.path		a directory: checkpoints are in PATH/1, PATH/2, ...
 *	org.criu-lite.keep		so many of them stay, 1 if it is not given
 *	org.criu-lite.stop-signal	which ends it, TERM if it is not given
 *	org.criu-lite.tcp-established, .file-locks, .ext-unix-sk: true, as options
 *
 * keep_read: *wanted_ret is false if it is not annotated; what makes no sense is an
 *	error.
 */
struct keep {
	const char *path;
	unsigned long keep;
	int signal;
};
int keep_read(struct call *c, const struct json *config, struct keep *k, bool *wanted_ret,
	      struct err *err);

/* A directory for a new checkpoint; then it is one, or goes again. Old ones go. */
int keep_begin(struct call *c, const struct keep *k, const char **dir_ret, struct err *err);
int keep_finish(struct call *c, const struct keep *k, const char *dir, struct err *err);
void keep_abandon(struct call *c, const char *dir);

/* The last one, of a container that runs the same program; NULL: there is none. */
const char *keep_last(struct call *c, const struct keep *k, const struct json *config);

/* 0: no name or number of a signal. */
int keep_signal(const char *name);

#endif
