/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_BARRIER_H
#define CORE_BARRIER_H

#include <sys/types.h>

#include "core/context.h"
#include "core/proc.h"
#include "core/vigil.h"
#include "pie/abi.h"

/*
 * How newborn tasks are kept in step.  They are traced by the coordinator
 * from birth: a task that has done its part sends itself SIGTRAP and stops; the
 * coordinator lets all go on when all have come.  The tracer's death kills
 * them (PTRACE_O_EXITKILL), so nothing half-born outlives us.
 */
struct pid_pair {
	pid_t inside, host;
};

struct barrier {
	pid_list born;		/* every task that was seen, dead ones too */
	pid_list parked;	/* stopped and waiting */
	pid_list released;	/* those that were let go on together last */
	int start;		/* the root task waits for a byte from it */
	unsigned int nr_exited; /* of those that were seen */
	struct vigil vigil;
	vec(struct pid_pair) pairs; /* in a pid namespace, by the number inside; see pids.h */
};

/*
 * In the coordinator: become the tracer of @pid, which must be waiting for us, and of all
 * that it makes with CLONE_PTRACE.
 */
int barrier_adopt(struct restore *r, struct barrier *b, pid_t pid, struct err *err);

/*
 * Wait until @n tasks or threads are parked and @dead zombies have died.  Fails when one of them
 * dies, or does nothing for longer than --timeout (core/vigil.h).
 */
int barrier_wait(struct restore *r, struct barrier *b, unsigned int n, unsigned int dead,
		 struct err *err);

/*
 * Wait until @tid, and nobody else, is parked.  What it costs does not depend
 * on how many there are, as it does when anybody is waited for.
 */
int barrier_wait_for(struct restore *r, struct barrier *b, pid_t tid, struct err *err);

/* Send thread @tid on, which has just been born. */
int barrier_start(struct restore *r, pid_t tid, struct err *err);

/* Send one on that is parked; it does not become one of those that barrier_release() sends on. */
int barrier_send_on(pid_t tid, struct err *err);

/* Let all that are parked go on. */
int barrier_release(struct restore *r, struct barrier *b, struct err *err);

/* Kill @pid, a newborn that is not a task of the tree, and wait until it is dead; its parent must reap it. */
int barrier_end(struct barrier *b, pid_t pid, struct err *err);

/* Kill everybody that was born, and wait until they are gone. */
void barrier_kill(struct restore *r, struct barrier *b);

/* In a task, @page is that of r->shared: arrive, and wait to be let go on. */
void barrier_arrive(struct shared_page *page);

#endif
