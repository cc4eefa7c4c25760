/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "core/context.h"

/*
 * Everything that can be refused before anything is made: pids in use,
 * sessions that cannot come true, what each kind cannot restore here.  Touches
 * nothing.  Files have owners and levels afterwards.
 */
int plan_run(struct restore *r, struct err *err);

#endif
