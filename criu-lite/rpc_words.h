/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RPC_WORDS_H
#define RPC_WORDS_H

#include "images/rpc.pb-c.h"
#include "options.h"
#include "rpc_peer.h"

/* Directories of the client, opened by us; -1: none. */
struct rpc_dirs {
	int images, work;
};

void rpc_dirs_fini(struct rpc_dirs *dirs);

/*
 * What @opts asks for, in the words of the command line: so there is one form of
 * every option, and one place that judges it.  Descriptors of the client become
 * ours: directories are owned by @dirs and stand in the words as "/proc/self/fd/N".
 *
 * @sibling: the server was started by the client, who may name descriptors that
 * it left open for it, and become the parent of what is restored.
 */
int rpc_words(struct arena *a, const CriuOpts *opts, const struct peer *peer, bool sibling,
	      struct rpc_dirs *dirs, struct option_request *q, struct err *err);

/* The same for options that the client adds while a dump runs. */
int rpc_add_external(struct arena *a, const CriuOpts *opts, struct common_opts *o, struct err *err);

#endif
