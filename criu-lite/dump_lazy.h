/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DUMP_LAZY_H
#define DUMP_LAZY_H

#include "core/context.h"

/*
 * dump --lazy-pages, when all images are there: wait for a lazy-pages daemon, and
 * send it the memory of the tree, which stands still, until it has all.  If it goes
 * away before, and may have let the tree run elsewhere, d->stays_stopped.
 */
int dump_lazy_serve(struct dump *d, struct err *err);

#endif
