/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_VIGIL_H
#define CORE_VIGIL_H

#include <stdint.h>
#include <sys/types.h>

#include "core/context.h"
#include "core/proc.h"

/*
 * Newborn tasks are waited for as long as they get on, which may be hours, but
 * not for ever.  One that neither reads, writes nor takes memory during
 * --timeout does nothing.
 */
struct vigil {
	uint64_t seen;	/* what it looked like, */
	uint64_t since; /* and since when (ms) */
	unsigned int looks;
};

/* From now on system calls that wait are interrupted (EINTR) now and then. */
void vigil_begin(struct vigil *v);

/* They are not any more. */
void vigil_end(void);

/*
 * To be called after each interruption.  Fails if somebody asked us to end, or
 * if none of @born has done anything for too long; those in @parked are waiting
 * for us.
 */
int vigil_look(struct restore *r, struct vigil *v, const pid_list *born, const pid_list *parked,
	       struct err *err);

#endif
