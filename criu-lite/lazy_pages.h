/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LAZY_PAGES_H
#define LAZY_PAGES_H

#include "options.h"

/*
 * The command lazy-pages, after run_enter() and run_open_log(): the memory of one
 * restore --lazy-pages is served until all of it is there.
 */
int lazy_pages_run(struct options *o, struct err *err);

#endif
