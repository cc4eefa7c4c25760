/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_udp - what all sockets have that are not TCP: UDP, UDP-Lite, raw, ping
 *
 * Those that are connected are connected again, to an address that need not
 * answer.  What was not read is kept by inet_queue.c.
 *
 * Which directions are shut is asked of poll(), and of sock_diag if only sending
 * is: that shows nowhere else.
 *
 * not kept  that only sending was shut, of raw and ping sockets; an error that was
 *           not told yet
 *
 * refused   data that waits for the end of UDP_CORK or MSG_MORE: nobody can look at
 *           it
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/cleanup.h"
#include "core/netlink.h"
#include "core/sockopt.h"
#include "sock/inet.h"

/* What was sent may be on its way through a device for a moment. */
static int check_corked(int fd, const InetSkEntry *e, struct err *err)
{
	const struct timespec wait = { .tv_nsec = 1000000 };
	int queued = 0, i;

	for (i = 0; i < 100; i++) {
		/* ping sockets send everything at once */
		if (ioctl(fd, SIOCOUTQ, &queued) < 0)
			return errno == ENOTTY
				       ? 0
				       : err_sys(err, "cannot ask what a socket has to send");
		if (!queued)
			return 0;
		nanosleep(&wait, NULL);
	}
	err_set(err, EOPNOTSUPP, "cannot dump a %s socket with data that is not sent yet",
		inet_is_udp(e) ? "UDP" : "raw");
	err_why(err, "it is held back by UDP_CORK or MSG_MORE");
	return err_hint(err, "dump again when the program has sent it");
}

static int take_shutdown(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct inet_diag_msg *msg = netlink_payload(h, sizeof(*msg));
	InetSkEntry *e = arg;
	const uint8_t *shut;

	if (!msg || msg->idiag_inode != e->ino)
		return 0;
	shut = netlink_attr(h, sizeof(*msg), INET_DIAG_SHUTDOWN, 1, NULL);
	e->shutdown = shut ? *shut & 3 : 0;
	return 0;
}

/* udp_diag takes the remote address for the local one, and may do better one day: both are tried. */
static int ask_shutdown(int nl, InetSkEntry *e, bool swapped, struct err *err)
{
	struct inet_diag_req_v2 req = {
		.sdiag_family = (uint8_t)e->family,
		.sdiag_protocol = (uint8_t)e->proto,
		.idiag_states = ~0u,
		.id = { .idiag_sport = htons((uint16_t)(swapped ? e->dst_port : e->src_port)),
			.idiag_dport = htons((uint16_t)(swapped ? e->src_port : e->dst_port)),
			.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } },
	};

	memcpy(req.id.idiag_src, swapped ? e->dst_addr : e->src_addr, e->n_src_addr * 4);
	memcpy(req.id.idiag_dst, swapped ? e->src_addr : e->dst_addr, e->n_src_addr * 4);
	if (netlink_ask(nl, SOCK_DIAG_BY_FAMILY, 0, &req, sizeof(req), take_shutdown, e, err) < 0) {
		if (err->code != ENOENT)
			return err_in(err, "UDP socket %u", e->ino);
		memset(err, 0, sizeof(*err));
	}
	return 0;
}

static int collect_shutdown(int fd, InetSkEntry *e, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	if (poll(&p, 1, 0) > 0 && p.revents & POLLHUP)
		e->shutdown = SK_SHUTDOWN__BOTH;
	else if (p.revents & POLLRDHUP)
		e->shutdown = SK_SHUTDOWN__READ;
	else if (e->state == INET_ESTABLISHED && inet_is_udp(e)) {
		scoped_fd nl = netlink_open(NETLINK_SOCK_DIAG, err);

		if (nl < 0 || ask_shutdown(nl, e, true, err) < 0 ||
		    (!e->shutdown && ask_shutdown(nl, e, false, err) < 0))
			return -err->code;
	}
	e->has_shutdown = e->shutdown != SK_SHUTDOWN__NONE;
	return 0;
}

int inet_udp_collect(struct dump *d, int fd, InetSkEntry *e, struct err *err)
{
	if (check_corked(fd, e, err) < 0)
		return -err->code;
	if (collect_shutdown(fd, e, err) < 0)
		return -err->code;
	if (inet_is_udp(e) && inet_queue_collect(d, fd, e, err) < 0)
		return -err->code;
	return inet_group_collect(d, kind_state(d->kinds, &inet_kind), fd, e, err);
}

int inet_udp_open(int fd, const InetSkEntry *e, struct err *err)
{
	union inet_addr dst;
	socklen_t len;

	if (e->state == INET_ESTABLISHED) {
		if (inet_addr_dst(e, &dst, &len, err) < 0)
			return -err->code;
		if (connect(fd, &dst.any, len) < 0) {
			err_sys(err, "cannot connect a socket to port %u", e->dst_port);
			return err_hint(err, "this host must have a route there");
		}
	}
	/* one that is not connected is shut all the same, but says that it is not connected */
	if (e->has_shutdown && e->shutdown && shutdown(fd, (int)e->shutdown - 1) < 0 &&
	    errno != ENOTCONN)
		return err_sys(err, "cannot shut a socket");
	return 0;
}
