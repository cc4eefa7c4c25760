/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_OUTSIDE_H
#define CORE_OUTSIDE_H

#include "core/context.h"

/*
 * A restore that makes namespaces goes into them.  One copy of us stays where
 * we came from and does what can only be done there: scripts, files of the
 * user, id maps, devices of the host's network.
 *
 * outside_begin: from then on there is one, with the memory of this moment.
 * outside_run: it runs @fn, with a copy of @args that comes back changed, and
 *	waits for it.  *@fd: a descriptor handed over (-1: none; stays the
 *	caller's), and one that came back (-1: none; the caller owns it).
 *	@fn returns 0 or a negative errno with @err filled; so does outside_run.
 *	Newborn tasks may call it too, one at a time.  Without outside_begin()
 *	it is a plain call.
 * outside_run_in_net: @fn is run by a child of it, which is in the network namespace
 *	behind @net, a descriptor of the coordinator.  Only its failure comes back.
 * outside_end: it ends.
 * outside_socket: our descriptor of the connection, to be kept; NULL: none.
 */
typedef int outside_fn(struct restore *r, void *args, int *fd, struct err *err);

enum { OUTSIDE_ARGS_MAX = 16 * 1024 };

int outside_begin(struct restore *r, struct err *err);
int outside_run(struct restore *r, outside_fn *fn, void *args, size_t len, int *fd,
		struct err *err);
int outside_run_in_net(struct restore *r, int net, outside_fn *fn, const void *args, size_t len,
		       int fd, struct err *err);
void outside_end(struct restore *r);
int *outside_socket(struct restore *r);

#endif
