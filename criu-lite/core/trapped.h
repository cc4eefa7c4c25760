/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_TRAPPED_H
#define CORE_TRAPPED_H

#include <stdbool.h>

#include "core/context.h"

/* SIGTRAP waits to be delivered to @t: it must not be stepped from trapped_queue() on. */
bool trapped_is_waiting(const struct task *t);

/*
 * Resume, in the coordinator, while the region of @t is there: it waits again.  Restorers
 * cannot do that, because they stop by this signal.
 */
int trapped_queue(struct restore *r, struct task *t, struct err *err);

#endif
