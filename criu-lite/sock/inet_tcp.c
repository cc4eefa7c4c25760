/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_tcp - what only TCP sockets have
 *
 * Listening ones and those that are not connected are here, connections in
 * inet_stream.c, those that wait to be accepted in inet_waiting.c.  TCP_INFO of a
 * listener tells how many connections may wait and how many do.
 *
 * refused   connections without --tcp-established; --skip-in-flight drops those that
 *           wait
 */
#include <errno.h>

#include "core/sockopt.h"
#include "sock/inet.h"

static const char *state_name(uint8_t state)
{
	static const char *const names[] = {
		[INET_ESTABLISHED] = "established", [TCP_SYN_SENT] = "connecting",
		[TCP_SYN_RECV] = "connecting",	    [TCP_FIN_WAIT1] = "half-closed",
		[TCP_FIN_WAIT2] = "half-closed",    [INET_TIME_WAIT] = "closing",
		[TCP_CLOSE_WAIT] = "half-closed",   [TCP_LAST_ACK] = "closing",
		[TCP_CLOSING] = "closing",
	};

	return state < sizeof(names) / sizeof(names[0]) && names[state] ? names[state]
									: "in an unknown state";
}

static int refuse_connection(struct dump *d, const InetSkEntry *e, uint8_t state, struct err *err)
{
	union inet_addr src, dst;
	socklen_t len;

	if (inet_addr_src(e, &src, &len, err) < 0 || inet_addr_dst(e, &dst, &len, err) < 0)
		return -err->code;
	err_set(err, EOPNOTSUPP, "cannot dump the TCP connection from %s to %s",
		inet_addr_text(d->arena, &src), inet_addr_text(d->arena, &dst));
	err_why(err, "it is %s", state_name(state));
	return err_hint(err, "give --tcp-established to keep it, --tcp-close to have it closed");
}

static int check_waiting(struct dump *d, const InetSkEntry *e, uint32_t waiting, struct err *err)
{
	union inet_addr src;
	socklen_t len;

	if (!waiting || d->opts->skip_in_flight)
		return 0;
	if (inet_addr_src(e, &src, &len, err) < 0)
		return -err->code;
	err_set(err, EOPNOTSUPP, "cannot dump %u connection%s waiting to be accepted at %s",
		waiting, waiting == 1 ? "" : "s", inet_addr_text(d->arena, &src));
	return err_hint(err,
			"give --tcp-established to keep what waits, --skip-in-flight to drop it");
}

/* Numbers that differ from those of a new socket. */
static void collect_options(int fd, int fresh, TcpOptsEntry *o)
{
	const struct {
		int name;
		uint32_t *value;
		protobuf_c_boolean *has;
	} numbers[] = {
		{ TCP_KEEPCNT, &o->keepcnt, &o->has_keepcnt },
		{ TCP_KEEPIDLE, &o->keepidle, &o->has_keepidle },
		{ TCP_KEEPINTVL, &o->keepintvl, &o->has_keepintvl },
	};
	int value, usual;
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (sockopt_get_int(fd, SOL_TCP, numbers[i].name, &value) < 0 ||
		    sockopt_get_int(fresh, SOL_TCP, numbers[i].name, &usual) < 0 || value == usual)
			continue;
		*numbers[i].has = true;
		*numbers[i].value = (uint32_t)value;
	}
	o->has_cork = o->cork = sockopt_get_int(fd, SOL_TCP, TCP_CORK, &value) == 0 && value;
	o->has_nodelay = o->nodelay = sockopt_get_int(fd, SOL_TCP, TCP_NODELAY, &value) == 0 &&
				      value;
}

int inet_tcp_collect(struct dump *d, int fd, int fresh, InetSkEntry *e, struct err *err)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_TCP, TCP_INFO, &info, &len) < 0)
		return err_sys(err, "cannot ask for the state of a TCP socket");
	collect_options(fd, fresh, e->tcp_opts);
	e->state = info.tcpi_state;
	if (e->state == INET_CLOSED)
		return inet_closed_collect(d, fd, e, err);
	if (e->state != INET_LISTEN &&
	    (d->opts->common.tcp_established || d->opts->common.tcp_close))
		return inet_stream_collect(d, fd, e, err);
	if (e->state != INET_LISTEN)
		return refuse_connection(d, e, info.tcpi_state, err);

	/* of a listener these two mean something else */
	e->backlog = info.tcpi_sacked;
	if (d->opts->common.tcp_established && !d->opts->skip_in_flight)
		return inet_waiting_note(d, fd, e, err);
	return check_waiting(d, e, info.tcpi_unacked, err);
}

static int apply_options(int fd, const TcpOptsEntry *o, struct err *err)
{
	if ((o->has_keepcnt && sockopt_set_int(fd, SOL_TCP, TCP_KEEPCNT, (int)o->keepcnt) < 0) ||
	    (o->has_keepidle && sockopt_set_int(fd, SOL_TCP, TCP_KEEPIDLE, (int)o->keepidle) < 0) ||
	    (o->has_keepintvl &&
	     sockopt_set_int(fd, SOL_TCP, TCP_KEEPINTVL, (int)o->keepintvl) < 0) ||
	    (o->has_cork && sockopt_set_int(fd, SOL_TCP, TCP_CORK, o->cork) < 0) ||
	    (o->has_nodelay && sockopt_set_int(fd, SOL_TCP, TCP_NODELAY, o->nodelay) < 0))
		return err_sys(err, "cannot set the options of a TCP socket");
	return 0;
}

int inet_tcp_options(int fd, const InetSkEntry *e, struct err *err)
{
	return e->tcp_opts ? apply_options(fd, e->tcp_opts, err) : 0;
}

int inet_tcp_open(int fd, const InetSkEntry *e, struct err *err)
{
	if (inet_tcp_options(fd, e, err) < 0)
		return -err->code;
	if (e->state == INET_LISTEN && listen(fd, (int)e->backlog) < 0)
		return err_sys(err, "cannot listen at port %u", e->src_port);
	return 0;
}
