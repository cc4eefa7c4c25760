/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_udp - what only UDP sockets have
 *
 * Those that are connected are connected again, to an address that need not
 * answer.  What was not read is kept by inet_queue.c.
 *
 * not kept  that only sending was shut; an error that was not told yet
 *
 * refused   data that waits for the end of UDP_CORK or MSG_MORE: nobody can look at
 *           it
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>

#include "core/sockopt.h"
#include "sock/inet.h"

/* What was sent may be on its way through a device for a moment. */
static int check_corked(int fd, struct err *err)
{
	const struct timespec wait = { .tv_nsec = 1000000 };
	int queued = 0, i;

	for (i = 0; i < 100; i++) {
		if (ioctl(fd, SIOCOUTQ, &queued) < 0)
			return err_sys(err, "cannot ask what a UDP socket has to send");
		if (!queued)
			return 0;
		nanosleep(&wait, NULL);
	}
	err_set(err, EOPNOTSUPP, "cannot dump a UDP socket with data that is not sent yet");
	err_why(err, "it is held back by UDP_CORK or MSG_MORE");
	return err_hint(err, "dump again when the program has sent it");
}

static void collect_shutdown(int fd, InetSkEntry *e)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	if (poll(&p, 1, 0) <= 0)
		return;
	if (p.revents & POLLHUP)
		e->shutdown = SK_SHUTDOWN__BOTH;
	else if (p.revents & POLLRDHUP)
		e->shutdown = SK_SHUTDOWN__READ;
	e->has_shutdown = e->shutdown != SK_SHUTDOWN__NONE;
}

int inet_udp_collect(struct dump *d, int fd, InetSkEntry *e, struct err *err)
{
	if (check_corked(fd, err) < 0)
		return -err->code;
	collect_shutdown(fd, e);
	if (inet_queue_collect(d, fd, e, err) < 0)
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
			err_sys(err, "cannot connect a UDP socket to port %u", e->dst_port);
			return err_hint(err, "this host must have a route there");
		}
	}
	/* one that is not connected is shut all the same, but says that it is not connected */
	if (e->has_shutdown && e->shutdown && shutdown(fd, (int)e->shutdown - 1) < 0 &&
	    errno != ENOTCONN)
		return err_sys(err, "cannot shut a UDP socket");
	return 0;
}
