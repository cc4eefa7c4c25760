/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_GUARD_H
#define CORE_GUARD_H

#include "base/err.h"

/*
 * Whatever happens to us, the victims go on.  Most of that is the kernel's
 * doing: a tracer that dies lets its tracees go, and the parasite cures itself
 * when its socket closes.  The guard sees to it that a polite request to end
 * (SIGINT, SIGTERM, SIGHUP) finds us at a place where we can clean up: the
 * signals are held back until guard_check().  And we do not run out of
 * descriptors in the middle, as far as that is up to us.
 */
void guard_begin(void);
void guard_end(void);

/* -EINTR, with @err, if somebody asked us to end. */
int guard_check(struct err *err);

#endif
