/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_FREEZER_H
#define CORE_FREEZER_H

#include <stdbool.h>

#include "core/context.h"

/*
 * --freeze-cgroup: the control group stands still while its tasks are being
 * told to stop, so that none is born or ends meanwhile.  It may have been frozen
 * before, by an engine that has paused a container, and is so again when the
 * tasks live on.
 */

/* Open and freeze it, and wait until it is frozen; makes d->freezer. */
int freezer_freeze(struct dump *d, struct err *err);

/* Tasks have been told to stop, or all is lost: let them go as far as that. */
int freezer_thaw(struct dump *d, struct err *err);

/* Freeze it again if it was frozen before us. */
void freezer_end(struct dump *d);

/* Is @group (a descriptor) the one that we froze?  Then what was it before? */
bool freezer_is(const struct dump *d, int group);
bool freezer_was_frozen(const struct dump *d);

#endif
