/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PIE_RESTORER_H
#define PIE_RESTORER_H

#include <linux/sched.h>
#include <stddef.h>
#include <stdint.h>

#include "pie/abi.h"

/*
 * The parts of the restorer.  Whatever fails ends the whole process through
 * restorer_fail(); functions that return an int return 0.
 *
 * The order of things is in restorer.c.
 */

/* Tell the coordinator, if nobody was faster, what failed, and end.  @ret is a negative errno. */
_Noreturn void restorer_fail(struct restorer_args *args, enum restorer_op op, long ret,
			     uint64_t arg);

/* restorer_fail() if @ret is negative; returns @ret. */
long restorer_check(struct restorer_args *args, long ret, enum restorer_op op, uint64_t arg);

/* Stop, by SIGTRAP, until the coordinator lets this thread go on; see barrier_arrive(). */
void restorer_stop(struct restorer_args *args);

/*
 * clone3() whose child runs @fn(@arg) on the stack in @ca, and ends when it
 * returns.  Returns the pid, or a negative errno.  From arch/CPU/.
 */
long restorer_clone(struct clone_args *ca, void (*fn)(void *arg), void *arg);

/* Put vvar and vdso, as one block, at @addr.  From arch/CPU/. */
long restorer_map_vdso(uint64_t addr);

/* remap.c: nothing but the region is left; then every area is as it was, with its content. */
int restore_memory(struct restorer_args *args);

/* aio.c: what is in that memory becomes an AIO ring. */
void restore_ring(struct restorer_args *args, const struct restorer_vma *v);

/* threads.c: the other threads are made; each runs restore_thread() and stops. */
int restore_threads(struct restorer_args *args);

/* threads.c: what each thread has of its own; for the leader too, as its last step. */
int restore_thread(struct restorer_thread *t);

/* signals.c: actions, and what is pending for the process and its leader. */
int restore_signals(struct restorer_args *args);

/* signals.c: what is pending for a thread; it must be the one that runs. */
int restore_thread_signals(struct restorer_thread *t);

/* timers.c: POSIX timers and itimers. */
int restore_timers(struct restorer_args *args);

/* creds.c */
int restore_rlimits(struct restorer_args *args);
int restore_creds(struct restorer_thread *t);

/* In knobs.c: what a process, or a thread, has set about itself. */
void restore_task_knobs(struct restorer_args *args);
void restore_thread_knobs(struct restorer_thread *t);

#endif
