/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_INJECT_H
#define CORE_INJECT_H

#include "base/err.h"

/*
 * A place where a test can make things go wrong.  In test builds an
 * environment variable (see inject.c) names one and what happens there:
 *
 *	kill:NAME	this process ends by SIGKILL
 *	stop:NAME	it stops, until somebody sends SIGCONT
 *	fail:NAME	the result is -ECANCELED, with @err filled
 *
 * Otherwise, and in all other builds, the result is 0.  Stages have three:
 * NAME when they begin, NAME:end behind them, NAME:back when they are undone.
 */
int inject_point(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
