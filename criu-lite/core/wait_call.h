/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_WAIT_CALL_H
#define CORE_WAIT_CALL_H

/* Private to wait.c and wait_note.c. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/vec.h"

enum { NSEC_PER_SEC = 1000000000, NSEC_PER_MSEC = 1000000 };

/* A call that waits; all that is wanted of it stands in its arguments. */
struct wait_call {
	long nr;
	uint64_t args[6];
};

/* Where a call has its timeout: the number of an argument, -1 where there is none. */
struct wait_place {
	int timespec, msec; /* a pointer to it, or itself */
	int left;	    /* a pointer to where the kernel writes what is left */
};

/* False: the call does not wait for a relative time, or does so without a restart block. */
bool wait_find_timeout(const struct wait_call *c, struct wait_place *ret);

/* When a thread was seen asleep, in nanoseconds. */
struct wait_note {
	pid_t tid;
	struct wait_call call;
	long sleeps_in;	   /* of restart_syscall(): the call it stands for, -1: unknown */
	uint64_t switches; /* how often it had given up its CPU */
	uint64_t slept;	   /* for how long it was asleep already */
	uint64_t seen;	   /* CLOCK_MONOTONIC */
};

/* A timer that wakes somebody. */
struct wait_timer {
	uint64_t address; /* a hash of it */
	uint64_t end;	  /* CLOCK_MONOTONIC */
};

typedef vec(struct wait_timer) wait_timer_list;

/* How far the clock of a CPU is behind CLOCK_MONOTONIC. */
struct wait_clock {
	int cpu;
	int64_t behind;
};

struct wait_clocks {
	vec(struct wait_clock) list;
};

struct waits {
	vec(struct wait_note) notes;
	wait_timer_list timers; /* before the freeze; after it, those that are gone */
};

#endif
