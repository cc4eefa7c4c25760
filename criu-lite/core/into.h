/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_INTO_H
#define CORE_INTO_H

#include "core/context.h"

/*
 * Restore --into: a process that is there already becomes the root task.  The
 * tree goes on with the pid, the start time and the parent that it has, in its
 * namespaces (ns.h).
 *
 * into_begin: before a mould of the root task is forked.
 * into_become: the process becomes what @mould is, a child of ours that nobody
 *	traces and that waits in a system call, or is on its way to that: memory,
 *	descriptors, directories, registers.  The mould ends, in any case.
 *	The process is traced by us then, as a newborn (barrier_adopt()), and runs.
 */
struct into;
int into_begin(struct restore *r, struct into **ret, struct err *err);
int into_become(struct into *in, pid_t mould, struct err *err);

#endif
