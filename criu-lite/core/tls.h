/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_TLS_H
#define CORE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "core/opts.h"

struct tls;

/*
 * TLS over @fd (borrowed), with certificates on both sides.  GnuTLS is loaded
 * only now: whoever needs none does not pay for it.
 */
int tls_start(struct arena *a, const struct remote_opts *o, int fd, bool server,
	      struct tls **tls_ret, struct err *err);

/* As send() and recv(): a count, 0 at the end, or -errno; -EAGAIN may be tried again. */
ssize_t tls_send(struct tls *t, const void *buf, size_t len);
ssize_t tls_recv(struct tls *t, void *buf, size_t len);

/* Bytes that have come and were not asked for yet. */
bool tls_pending(const struct tls *t);

/* What went wrong, if -EPROTO was the result. */
const char *tls_problem(const struct tls *t);

/* Say good-bye; @wait for that of the peer.  The descriptor stays open. */
void tls_end(struct tls *t, bool wait);

#endif
