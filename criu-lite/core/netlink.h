/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_NETLINK_H
#define CORE_NETLINK_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Requests and answers over netlink, in our own network namespace.
 *
 *	scoped_fd nl = netlink_open(NETLINK_SOCK_DIAG, err);
 *	struct unix_diag_req req = { .sdiag_family = AF_UNIX, ... };
 *	sock_diag_each(nl, &req, sizeof(req), add_unix, &sockets, err);
 */

/* One message of the answer; a negative result, with @err filled, ends the request. */
typedef int netlink_each(const struct nlmsghdr *h, void *arg, struct err *err);

/* A socket of ours for @protocol; the caller closes it. */
int netlink_open(int protocol, struct err *err);

/*
 * Send a request of @type with @flags (NLM_F_DUMP: all there are) and hand every
 * message of the answer to @each (may be NULL).  A refusal of the kernel comes
 * back as its errno.  After any other failure part of the answer may still be
 * on its way: close the socket.
 */
int netlink_ask(int nl, uint16_t type, uint16_t flags, const void *payload, size_t len,
		netlink_each *each, void *arg, struct err *err);

/*
 * All sockets that @req (struct unix_diag_req, inet_diag_req_v2 ...) asks for.
 * -ENOENT: this kernel has no diag module for them.
 */
int sock_diag_each(int nl, const void *req, size_t len, netlink_each *each, void *arg,
		   struct err *err);

/* The payload of @h, NULL if it is shorter than @len. */
const void *netlink_payload(const struct nlmsghdr *h, size_t len);

/*
 * An attribute behind the fixed part (@fixed bytes) of the payload, or NULL if
 * there is none of at least @min bytes.  *len_ret (may be NULL) is its length.
 */
const void *netlink_attr(const struct nlmsghdr *h, size_t fixed, uint16_t type, size_t min,
			 size_t *len_ret);

#endif
