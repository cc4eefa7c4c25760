/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SERVICE_H
#define SERVICE_H

#include "options.h"

/*
 * Listen at the socket o->address, and serve everybody whom the file system lets
 * connect to it, each in a process of its own.  Does not return but on failure.
 */
int service_run(struct options *o, struct err *err);

#endif
