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

/* How many barriers stage open has: one for each level, then take, link and the end. */
unsigned int worker_open_steps(const struct restore *r);

/* End this process as wait() says that another one has ended: exit status or signal, never a core file. */
void exit_like(int status) __attribute__((noreturn));

#endif
