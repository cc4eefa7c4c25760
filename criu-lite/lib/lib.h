/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef CRIU_LITE_LIB_LIB_H
#define CRIU_LITE_LIB_LIB_H

#include <criu/criu.h>

/* What the parts of the library share. */
struct criu_opts {
	CriuOpts *rpc; /* what is sent; owned */
	int (*notify)(char *, criu_notify_arg_t);

	enum criu_service_comm comm;
	char *address; /* CRIU_COMM_SK; owned */
	char *binary;  /* CRIU_COMM_BIN; owned, NULL: criu-lite, or criu */
	int fd;	       /* CRIU_COMM_FD */
};

/* The options of the functions that take none. */
extern criu_opts *criu_global __attribute__((visibility("hidden")));

#define HIDDEN __attribute__((visibility("hidden")))

/* A connection to whoever serves. */
struct link {
	int sock;
	int pid; /* of the server that we have started, 0: somebody else did */
};

/*
 * Connect as @opts says.  @as_stranger: the server must not be our child, as a
 * tree with it cannot be dumped.  -ECONNREFUSED.
 */
HIDDEN int link_open(struct link *l, const criu_opts *opts, bool as_stranger);

/* The server that we have started ends before this does. */
HIDDEN void link_close(struct link *l, criu_opts *opts);

/* One message; @fd_ret is a descriptor that came with it, or -1.  -ECOMM */
HIDDEN int link_send(const struct link *l, const CriuReq *req);
HIDDEN int link_receive(const struct link *l, CriuResp **resp_ret, int *fd_ret);

#endif
