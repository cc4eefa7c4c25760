/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_PIDS_H
#define CORE_PIDS_H

#include "core/context.h"

struct task;

/*
 * Restore into a pid namespace: newborns count from 1 inside, and we see other
 * numbers.  All these do nothing if the tree has our pid namespace.
 *
 * pids_learn: all newborns are parked; their host_pid, those of helpers too.
 * pids_learn_threads: the same for the threads of @t.
 * pids_host: our number of somebody that pids_learn() has seen, by his own;
 *	-1: nobody.
 */
int pids_learn(struct restore *r, struct err *err);
int pids_learn_threads(struct restore *r, struct task *t, struct err *err);
pid_t pids_host(const struct restore *r, pid_t inside);

#endif
