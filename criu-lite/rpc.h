/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RPC_H
#define RPC_H

#include "options.h"

/*
 * Serve the client at the other end of @sock until it goes away, or asks for
 * something after which there is nothing more.  @base are the options that we
 * were started with; NULL: we are a service, and the client is not our parent.
 *
 * Returns the exit status: of failure, if the last request failed.  The client is
 * told why, or stderr, if he cannot be.
 */
int rpc_serve(int sock, const struct options *base);

#endif
