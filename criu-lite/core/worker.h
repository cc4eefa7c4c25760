/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_WORKER_H
#define CORE_WORKER_H

#include "core/context.h"

/*
 * The life of a newborn task from fork until its restorer takes over: session,
 * children, group, files, memory plan.  Between two stages it waits for all
 * others (barrier_arrive()).
 */
void worker_main(struct restore *r, struct task *t) __attribute__((noreturn));

/* Fork those children that are born before (or after) their parent's setsid(). */
int worker_fork_children(struct restore *r, bool born_before, struct err *err);

/* How many barriers stage open has: one for each level, then take, link and the end. */
unsigned int worker_open_steps(const struct restore *r);

#endif
