/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_LEADER_H
#define CORE_LEADER_H

#include "core/context.h"

/*
 * Restore, when all newborn threads have come to their last stop: leaders that
 * had exited exit, and are zombies that wait for their other threads.
 */
int leaders_exit(struct restore *r, struct err *err);

#endif
