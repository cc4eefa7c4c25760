/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netlink - requests and answers
 */
#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "core/netlink.h"

int netlink_open(int protocol, struct err *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), on = 1;

	if (fd < 0)
		return err_sys(err, "cannot open a netlink socket of protocol %d", protocol);
	/* refusals then have a reason in words; before Linux 4.12 they have not */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	return fd;
}

static int send_request(int nl, const struct nlmsghdr *h, const void *payload, size_t len,
			struct err *err)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct iovec iov[] = {
		{ .iov_base = (void *)h, .iov_len = sizeof(*h) },
		{ .iov_base = (void *)payload, .iov_len = len },
	};
	struct msghdr msg = {
		.msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = iov, .msg_iovlen = 2
	};

	if (sendmsg(nl, &msg, 0) < 0)
		return err_sys(err, "cannot send a netlink request");
	return 0;
}

/* The errno that stands in an error message and, for dumps, in the last message. */
static int error_of(const struct nlmsghdr *h)
{
	const int *code = netlink_payload(h, sizeof(*code));

	if (!code)
		return h->nlmsg_type == NLMSG_ERROR ? -EPROTO : 0;
	return *code < 0 ? *code : 0;
}

/* What the kernel says of a refusal, behind the request that it returns. */
static const char *reason_of(const struct nlmsghdr *h, int *len_ret)
{
	const struct nlmsgerr *e = netlink_payload(h, sizeof(*e));
	size_t skip = sizeof(*e), len;
	const char *text;

	if (h->nlmsg_type != NLMSG_ERROR || !e || !(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(h->nlmsg_flags & NLM_F_CAPPED) && e->msg.nlmsg_len > NLMSG_HDRLEN)
		skip += e->msg.nlmsg_len - NLMSG_HDRLEN;
	text = netlink_attr(h, skip, NLMSGERR_ATTR_MSG, 1, &len);
	*len_ret = text ? (int)strnlen(text, len) : 0;
	return text;
}

static int refused(const struct nlmsghdr *h, int code, struct err *err)
{
	int len;
	const char *reason = reason_of(h, &len);

	err_set(err, code, "the kernel refuses a netlink request");
	return reason ? err_why(err, "%.*s", len, reason) : -code;
}

/* Returns 1 when the answer is complete. */
static int take_message(const struct nlmsghdr *h, netlink_each *each, void *arg, struct err *err)
{
	int ret;

	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		return err_set(err, EAGAIN, "cannot list by netlink: the list is changing");
	if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
		ret = error_of(h);
		return ret < 0 ? refused(h, -ret, err) : 1;
	}
	if (!each || h->nlmsg_type < NLMSG_MIN_TYPE)
		return 0;
	ret = each(h, arg, err);
	return ret < 0 ? ret : 0;
}

static int take_answer(int nl, netlink_each *each, void *arg, struct err *err)
{
	_Alignas(struct nlmsghdr) char buf[32 * 1024];
	const struct nlmsghdr *h;
	ssize_t n;
	int ret;

	do
		n = recv(nl, buf, sizeof(buf), MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "cannot receive from netlink");
	if ((size_t)n > sizeof(buf))
		return err_set(err, EMSGSIZE, "cannot receive %zd bytes from netlink at once", n);

	for (h = (const void *)buf; NLMSG_OK(h, (uint32_t)n); h = NLMSG_NEXT(h, n)) {
		ret = take_message(h, each, arg, err);
		if (ret != 0)
			return ret;
	}
	return 0;
}

int netlink_ask(int nl, uint16_t type, uint16_t flags, const void *payload, size_t len,
		netlink_each *each, void *arg, struct err *err)
{
	struct nlmsghdr h = {
		.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len),
		.nlmsg_type = type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
	};
	int ret;

	if ((flags & NLM_F_DUMP) != NLM_F_DUMP)
		h.nlmsg_flags |= NLM_F_ACK;
	if (send_request(nl, &h, payload, len, err) < 0)
		return -err->code;

	do
		ret = take_answer(nl, each, arg, err);
	while (ret == 0);
	return ret < 0 ? ret : 0;
}

int sock_diag_each(int nl, const void *req, size_t len, netlink_each *each, void *arg,
		   struct err *err)
{
	return netlink_ask(nl, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, req, len, each, arg, err);
}

const void *netlink_payload(const struct nlmsghdr *h, size_t len)
{
	return h->nlmsg_len >= NLMSG_HDRLEN + len ? (const char *)h + NLMSG_HDRLEN : NULL;
}

const void *netlink_find(const void *attrs, size_t size, uint16_t type, size_t min, size_t *len_ret)
{
	size_t at = 0;

	while (at + NLA_HDRLEN <= size) {
		const struct nlattr *a = (const void *)((const char *)attrs + at);
		size_t len = a->nla_len;

		if (len < NLA_HDRLEN || len > size - at)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type && len - NLA_HDRLEN >= min) {
			if (len_ret)
				*len_ret = len - NLA_HDRLEN;
			return (const char *)a + NLA_HDRLEN;
		}
		at += NLA_ALIGN(len);
	}
	return NULL;
}

const void *netlink_attr(const struct nlmsghdr *h, size_t fixed, uint16_t type, size_t min,
			 size_t *len_ret)
{
	size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(fixed);

	if (at > h->nlmsg_len)
		return NULL;
	return netlink_find((const char *)h + at, h->nlmsg_len - at, type, min, len_ret);
}

const char *netlink_text(struct arena *a, const void *text, size_t len)
{
	return text ? arena_printf(a, "%.*s", (int)len, (const char *)text) : NULL;
}

/* ---- requests ---- */

void netlink_begin(struct netlink_request *q, const void *fixed, size_t len)
{
	memset(q, 0, sizeof(*q));
	memcpy(q->data, fixed, len);
	q->len = NLMSG_ALIGN(len);
}

void netlink_put(struct netlink_request *q, uint16_t type, const void *value, size_t len)
{
	struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = type };

	if (len > UINT16_MAX - NLA_HDRLEN || q->len + NLA_ALIGN(a.nla_len) > sizeof(q->data)) {
		q->is_full = true;
		return;
	}
	memcpy(q->data + q->len, &a, sizeof(a));
	if (len)
		memcpy(q->data + q->len + NLA_HDRLEN, value, len);
	q->len += NLA_ALIGN(a.nla_len);
}

void netlink_put_u32(struct netlink_request *q, uint16_t type, uint32_t value)
{
	netlink_put(q, type, &value, sizeof(value));
}

void netlink_put_text(struct netlink_request *q, uint16_t type, const char *value)
{
	netlink_put(q, type, value, strlen(value) + 1);
}

void netlink_append(struct netlink_request *q, const void *data, size_t len)
{
	if (q->len + NLMSG_ALIGN(len) > sizeof(q->data)) {
		q->is_full = true;
		return;
	}
	memcpy(q->data + q->len, data, len);
	q->len += NLMSG_ALIGN(len);
}

size_t netlink_nest(struct netlink_request *q, uint16_t type)
{
	size_t at = q->len;

	netlink_put(q, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void netlink_nest_end(struct netlink_request *q, size_t at)
{
	struct nlattr *a = (void *)(q->data + at);

	if (!q->is_full)
		a->nla_len = (uint16_t)(q->len - at);
}

int netlink_do(int nl, uint16_t type, uint16_t flags, const struct netlink_request *q,
	       struct err *err)
{
	if (q->is_full)
		return err_set(err, EMSGSIZE, "cannot send so large a netlink request");
	return netlink_ask(nl, type, flags, q->data, q->len, NULL, NULL, err);
}
