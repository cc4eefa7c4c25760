/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_EARLY_PTY_H
#define CORE_EARLY_PTY_H

#include <stdint.h>

#include "core/context.h"

/*
 * Restore: terminals that must be there before their files are opened, as a
 * mount is made of one (/dev/console of a container).  In the coordinator.
 */

/* Make the one with number @index in the devpts at descriptor @dir, and keep its master. */
int early_pty_make(struct restore *r, int dir, uint32_t index, struct err *err);

/* Its master, which is the caller's from now on; -1: there is none.  @ptmx says which devpts. */
int early_pty_take(struct restore *r, const char *ptmx, uint32_t index);

#endif
