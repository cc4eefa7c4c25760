/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_NETLINK_H
#define CORE_NETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/*
 * Requests and answers over netlink.  A socket stays in the network namespace
 * in which it was opened.
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

/* The same among @size bytes of attributes: in a nested one. */
const void *netlink_find(const void *attrs, size_t size, uint16_t type, size_t min,
			 size_t *len_ret);

/* The text of an attribute, which may or may not end in a NUL, in @a; NULL stays NULL. */
const char *netlink_text(struct arena *a, const void *text, size_t len);

/*
 * A request with attributes.
 *
 *	struct netlink_request q;
 *	netlink_begin(&q, &fixed, sizeof(fixed));
 *	netlink_put_text(&q, IFLA_IFNAME, "eth0");
 *	netlink_do(nl, RTM_NEWLINK, NLM_F_CREATE, &q, err);
 */
struct netlink_request {
	_Alignas(struct nlmsghdr) char data[16 * 1024];
	size_t len;
	bool is_full; /* something did not fit: netlink_do() fails */
};

void netlink_begin(struct netlink_request *q, const void *fixed, size_t len);
void netlink_put(struct netlink_request *q, uint16_t type, const void *value, size_t len);
void netlink_put_u32(struct netlink_request *q, uint16_t type, uint32_t value);
void netlink_put_text(struct netlink_request *q, uint16_t type, const char *value);
/* Attributes that are ready. */
void netlink_append(struct netlink_request *q, const void *data, size_t len);
/* What is put until the end, with the result of the beginning, is inside of it. */
size_t netlink_nest(struct netlink_request *q, uint16_t type);
void netlink_nest_end(struct netlink_request *q, size_t at);

/* Send it and wait for the kernel's verdict. */
int netlink_do(int nl, uint16_t type, uint16_t flags, const struct netlink_request *q,
	       struct err *err);

#endif
