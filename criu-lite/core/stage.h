/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_STAGE_H
#define CORE_STAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* One step of a run; @end is called for every stage that was tried, last one first. */
struct stage {
	const char *name;
	int (*run)(void *run, struct err *err);
	int (*end)(void *run, bool ok, struct err *err); /* @ok: nothing has failed so far */
	void (*explain)(void *run, struct err *err);	 /* it failed: may give a better reason */
};

/*
 * Run the stages in order.  From the first failure on, or after the last
 * stage, call the end of every stage that was tried, last one first.  The
 * first error, of a stage or of an end, is the result, with the stage's name
 * in front; later ones go to the log.  A request to end (guard.h) is noticed
 * before each stage.  Where tests can interrupt: see inject.h.
 */
int stages_run(const struct stage *stages, size_t n, void *run, struct err *err);

#endif
