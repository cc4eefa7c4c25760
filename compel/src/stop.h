/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef COMPEL_SRC_STOP_H
#define COMPEL_SRC_STOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "compel.h"

/*
 * Threads under ptrace, one at a time.  "Parked" is the stop where compel
 * leaves every thread: PTRACE_EVENT_STOP, inside the kernel's get_signal().
 * From there it looks for signals and restarts system calls according to the
 * registers that it finds when it is let go; no other stop does both.
 *
 * Results are 0 or a negative errno; -ESRCH: the thread is dead or dying.
 */

/* Waits that burn no CPU: some yields, then growing sleeps. */
struct patience {
	uint64_t end; /* in ns; 0: for ever */
	uint64_t yield_end;
	unsigned int sleeps;
};
struct patience patience_of(unsigned int timeout_ms);
/* For the next thing to wait for, within the same time. */
void patience_renew(struct patience *p);
/* Wait a little; false: the time is over. */
bool patience_wait(struct patience *p);

/* The next stop of @tid as a wait status; -ETIMEDOUT. */
int stop_wait(pid_t tid, struct patience *p, int *status_ret);

bool stop_is_parked(int status);
/* SIGSTOP and the like if the thread is parked in a group stop, or 0. */
int stop_group_signal(int status);
/* The signal that was about to be delivered, to be passed on; 0 at other stops. */
int stop_signal(int status);
/* A signal that the thread's own instructions have raised. */
bool stop_is_fault(int status);

/*
 * Park @tid, which runs.  Signals that come first are passed on: they get
 * their handler's frame, or their effect, before the thread parks.  The second
 * function is for a thread that has been sent PTRACE_INTERRUPT; a further one
 * would be remembered and stop it once more.
 */
int thread_park(pid_t tid, struct patience *p, int *status_ret);
int thread_wait_parked(pid_t tid, struct patience *p, int *status_ret);
/* Park @tid, which is at some other stop, dropping the signal that is at hand there. */
int thread_park_quietly(pid_t tid);

int thread_get_regs(pid_t tid, struct compel_regs *regs);
int thread_set_regs(pid_t tid, const struct compel_regs *regs);
int thread_get_sigmask(pid_t tid, uint64_t *mask_ret);
int thread_set_sigmask(pid_t tid, uint64_t mask);

/* Let a parked thread run its registers with nothing but SIGKILL and SIGSTOP getting through. */
int thread_run(pid_t tid, const struct compel_regs *regs);
/* Give a parked thread back what it had. */
int thread_reset(const struct compel_thread *t);

/*
 * Let a stopped thread execute the one instruction that @regs are at; wait until it has. It
 * is at the delivery of SIGTRAP then, which must be neither blocked nor ignored.
 */
int thread_step(pid_t tid, const struct compel_regs *regs);
int thread_wait_stepped(pid_t tid);

/*
 * Execute the system call that @regs are set up for; @tid is parked before and
 * after.  The rest of its registers is garbage then.  With @interrupt, a stop
 * is pending from its beginning on.
 */
int thread_call(pid_t tid, const struct compel_regs *regs, bool interrupt, long *result_ret);

/* Keep the system call user dispatch of a parked thread, and switch it off; give it back. */
int thread_dispatch_off(struct compel_thread *t);
void thread_dispatch_on(const struct compel_thread *t);

/* Open a file below /proc, wherever that is: "12/status".  -1 with errno. */
int proc_open(const char *path, int flags);

/* State letter of /proc, or 0 if there is no such thread. */
char thread_state(pid_t tid);
/* One line of /proc/TID/@name without its newline; "?" if it cannot be read. */
const char *thread_text(pid_t tid, const char *name, char *buf, size_t size);

#endif
