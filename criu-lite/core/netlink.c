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
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	return fd < 0 ? err_sys(err, "cannot open a netlink socket of protocol %d", protocol) : fd;
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

/* Returns 1 when the answer is complete. */
static int take_message(const struct nlmsghdr *h, netlink_each *each, void *arg, struct err *err)
{
	int ret;

	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		return err_set(err, EAGAIN, "cannot list by netlink: the list is changing");
	if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
		ret = error_of(h);
		return ret < 0 ? err_set(err, -ret, "the kernel refuses a netlink request") : 1;
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

const void *netlink_attr(const struct nlmsghdr *h, size_t fixed, uint16_t type, size_t min,
			 size_t *len_ret)
{
	size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(fixed);

	while (at + NLA_HDRLEN <= h->nlmsg_len) {
		const struct nlattr *a = (const void *)((const char *)h + at);
		size_t len = a->nla_len;

		if (len < NLA_HDRLEN || len > h->nlmsg_len - at)
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
