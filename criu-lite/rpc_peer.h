/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RPC_PEER_H
#define RPC_PEER_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/vec.h"
#include "core/opts.h"
#include "base/err.h"
#include "images/rpc.pb-c.h"

/* Who is at the other end of a socket, and what is said over it. */
struct peer {
	int sock;
	struct ucred cred;
	int proc; /* /proc/PID of the client, -1: we cannot see it */
};

/* @sock is borrowed. */
int peer_init(struct peer *p, int sock, struct err *err);
void peer_fini(struct peer *p);

/* The client's descriptor @n, opened anew with @flags.  The caller owns it. */
int peer_open_fd(const struct peer *p, int n, int flags, struct err *err);

/*
 * The next request, all of it in @a; NULL if the client has gone.  What is no
 * request is -EBADMSG.  Somebody who asks us to end (guard.h) is heard meanwhile.
 */
int peer_recv(const struct peer *p, struct arena *a, CriuReq **req_ret, struct err *err);

/* @fd goes along, -1: none. */
int peer_send(const struct peer *p, const CriuResp *resp, int fd, struct err *err);

/* From now on we may do what the client may, and nothing else. */
int peer_become(const struct peer *p, struct err *err);

#endif
