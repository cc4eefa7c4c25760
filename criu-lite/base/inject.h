/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BASE_INJECT_H
#define BASE_INJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * A place where a test can make things go wrong.  In test builds an
 * environment variable, CRIU_LITE_INJECT, names one and what happens there:
 *
 *	kill:NAME	the process that comes by ends by SIGKILL
 *	main:NAME	criu-lite itself does, also if it is a newborn task that comes by
 *	behead:NAME	so it does, and who comes by goes on
 *	stop:NAME	it stops, until somebody sends SIGCONT
 *	hang:NAME	it does nothing any more
 *	fail:NAME	the result is -ECANCELED, with @err filled
 *	ENOSPC:NAME	that error; also EIO and ENOMEM
 *	count:FILE	nothing; "main NAME" or, from a newborn task, "task NAME" is
 *			added to FILE
 *
 * Otherwise, and in all other builds, the result is 0.
 *
 *	STAGE STAGE:end STAGE:back	it begins, is behind us, is undone
 *	STAGE:KIND		before each function of a kind (read:pipe)
 *	call:N:before ...	around and inside (:inside) a parasite command
 *	create:FILE write:FILE	before an image is made and before bytes go into it
 *	steady:WHAT		something is made for a moment (core/steady.h)
 *	restorer:N		behind each operation N (enum restorer_op) of a restorer
 *
 * Of many that have one name the first is hit.
 */
int inject_point(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* For code that cannot ask itself, because it runs inside others. */
struct inject_wish {
	int code;   /* the error it is to report, positive; 0: none */
	bool hang;  /* it is to go on no more */
	pid_t kill; /* this process is to be killed, -1: the one that comes by, 0: none */
};

/* Is anything wished for this place? */
bool inject_wished(struct inject_wish *wish_ret, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Does somebody count the places? */
bool inject_counts(void);

#endif
