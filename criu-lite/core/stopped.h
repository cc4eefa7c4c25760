/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_STOPPED_H
#define CORE_STOPPED_H

#include "core/context.h"

/*
 * Resume: tasks that were stopped (by SIGSTOP or a terminal) are stopped again,
 * still traced and in their restorers, before anything could run.
 */
int stopped_stop(struct restore *r, struct err *err);

/*
 * Resume, after that: what stopping its children has told @t is taken from it,
 * as far as it had seen it before the dump.
 */
int stopped_forget(struct restore *r, struct task *t, struct err *err);

#endif
