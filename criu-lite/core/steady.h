/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_STEADY_H
#define CORE_STEADY_H

#include "base/err.h"

/*
 * Call @f so that it comes to its end even if we are killed meanwhile: what it
 * makes for a moment does not stay.  It has our memory and our descriptors; a
 * working directory or root that it enters is its own.  The result is that of @f.
 */
int steady_run(int (*f)(void *arg, struct err *err), void *arg, struct err *err);

#endif
