/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OCI_HOOK_KEPT_H
#define OCI_HOOK_KEPT_H

#include "oci-hook/call.h"

/*
 * Verbs of the runtime that are more for a container annotated as keep.h says.
 * What does not concern it, or fails, is for the runtime: *done_ret is false then,
 * with @err if there is something to tell.  Else *done_ret is true, and the
 * result is that of the verb: 0, a status, or a negative errno.
 *
 * kept_kill	with its stop signal: it is checkpointed, and has ended thereby
 * kept_create	there is a checkpoint: a container that waits for it
 * kept_start	that waits: it is restored
 */
int kept_kill(struct call *c, char *const *argv, bool *done_ret, struct err *err);
int kept_create(struct call *c, char *const *argv, bool *done_ret, struct err *err);
int kept_start(struct call *c, char *const *argv, bool *done_ret, struct err *err);

#endif
