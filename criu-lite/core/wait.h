/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_WAIT_H
#define CORE_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/context.h"
#include "core/task.h"

/*
 * Calls that wait for at most so long (nanosleep, poll, futex ...), and what is
 * left of that time.  Nothing here fails for a task: what is not known is left
 * out, and then the call begins anew.
 */

/* Freeze, right before @t is stopped: what its threads wait in, and since when. */
void waits_note(struct dump *d, struct task *t);

/* Freeze, right after: how long they have waited. */
void waits_stop(struct dump *d, struct task *t);

/* Drain: the call that restart_syscall() stands for, in @th that was stopped in it; -1: unknown. */
long wait_restarted(const struct task *t, const struct thread *th);

/* Drain: nanoseconds that are left of the call @th was stopped in; false: unknown, or there is none. */
bool wait_left(const struct task *t, const struct thread *th, uint64_t *left_ret);

/*
 * Resume: threads of @t, whose memory is complete and who still have their
 * region, enter their calls once more with the time that is left, and are
 * interrupted there, which makes the kernel remember the end of that time.
 * Fills th->entered and th->entered_result.
 */
int waits_enter(struct restore *r, struct task *t, struct err *err);

#endif
