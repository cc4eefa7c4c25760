/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_FREEZE_H
#define CORE_FREEZE_H

#include "compel.h"
#include "core/context.h"

/*
 * Stop the tree below opts->pid: every task and thread of it, those born
 * meanwhile included, and make d->tree of it.  On failure some may be stopped;
 * tree_thaw() is called in any case.
 */
int tree_freeze(struct dump *d, struct err *err);

/* Let go of everything that tree_freeze() stopped. */
int tree_thaw(struct dump *d, enum compel_end end, struct err *err);

/* Something failed: if a task has been killed meanwhile, that is why, and @err says so now. */
void tree_explain(struct dump *d, struct err *err);

#endif
