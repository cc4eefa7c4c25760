/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * page_link - a connection with a page server
 *
 * Sends and receives wait a second at a time, so that a request to end is heard;
 * whether the peer is still there is found out by TCP itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/guard.h"
#include "core/page_link.h"
#include "core/tls.h"

/* Seconds without a sign of life. */
enum { PATIENCE = 30, KEEP_IDLE = 10, KEEP_INTERVAL = 5, KEEP_COUNT = 4 };

struct page_link {
	int fd;
	struct tls *tls;  /* NULL: none */
	bool is_borrowed; /* --ps-socket: somebody else goes on with it */
	const char *hint;
	char peer[80];
};

/* ---- sockets ---- */

static void set_number(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

/* A socket of another family knows no such options, and needs none. */
static void make_attentive(int fd)
{
	const struct timeval second = { .tv_sec = 1 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE);
	set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL);
	set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
	set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, PATIENCE * 1000);
	set_number(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static void name_peer(struct page_link *l)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char host[48], port[8];

	if (getpeername(l->fd, (struct sockaddr *)&addr, &len) == 0 && addr.ss_family != AF_UNIX &&
	    getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(l->peer, sizeof(l->peer), "%s:%s", host, port);
	else
		snprintf(l->peer, sizeof(l->peer), "socket %d", l->fd);
}

/* Takes @fd, unless it is --ps-socket. */
static int begin(struct arena *a, const struct remote_opts *o, int fd, bool server,
		 struct page_link **link_ret, struct err *err)
{
	struct page_link *l = arena_new(a, struct page_link);

	l->fd = fd;
	l->hint = "see what happened to the program at the other end";
	l->is_borrowed = fd == o->socket;
	name_peer(l);
	make_attentive(fd);
	/* a client of CRIU leaves it out there */
	if (o->tls && (server || !l->is_borrowed) &&
	    tls_start(a, o, fd, server, &l->tls, err) < 0) {
		page_link_close(l, false);
		return err_in(err, "%s", l->peer);
	}
	*link_ret = l;
	return 0;
}

static int check_ps_socket(int fd, struct err *err)
{
	int type;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM)
		return 0;
	err_set(err, errno == ENOTSOCK || errno == EBADF ? errno : EPROTOTYPE,
		"cannot use --ps-socket %d", fd);
	return err_hint(err, "it must be a connected stream socket that criu-lite inherits");
}

static int no_server(const struct remote_opts *o, int code, struct err *err)
{
	err_set(err, code, "cannot reach a page server at %s:%u", o->address ? o->address : "",
		o->port);
	return err_hint(err, "start criu-lite page-server there first, or correct --address and "
			     "--port");
}

static int connect_any(const struct remote_opts *o, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *all, *ai;
	int code = ECONNREFUSED, ret;
	scoped_fd fd = -1;
	char port[12];

	snprintf(port, sizeof(port), "%u", o->port);
	ret = getaddrinfo(o->address, port, &hints, &all);
	if (ret) {
		no_server(o, EHOSTUNREACH, err);
		return err_why(err, "%s", gai_strerror(ret));
	}
	for (ai = all; ai && fd < 0; ai = ai->ai_next) {
		scoped_fd sock = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		const struct timeval patience = { .tv_sec = PATIENCE };

		/* of a socket that connects this is the limit, too */
		setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		if (sock < 0 || connect(sock, ai->ai_addr, ai->ai_addrlen) < 0)
			code = errno == EINPROGRESS ? ETIMEDOUT : errno;
		else
			fd = take_fd(&sock);
	}
	freeaddrinfo(all);
	return fd < 0 ? no_server(o, code, err) : take_fd(&fd);
}

int page_link_connect(struct arena *a, const struct remote_opts *o, struct page_link **link_ret,
		      struct err *err)
{
	int fd = o->socket;

	if (fd >= 0 ? check_ps_socket(fd, err) < 0 : (fd = connect_any(o, err)) < 0)
		return -err->code;
	return begin(a, o, fd, false, link_ret, err);
}

static int bind_here(const struct remote_opts *o, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_PASSIVE | AI_NUMERICHOST };
	struct addrinfo *ai;
	scoped_fd sock = -1;
	char port[12];
	int ret;

	snprintf(port, sizeof(port), "%u", o->port);
	ret = getaddrinfo(o->address ? o->address : "0.0.0.0", port, &hints, &ai);
	if (ret) {
		err_set(err, EINVAL, "cannot listen at --address %s", o->address);
		err_why(err, "%s", gai_strerror(ret));
		return err_hint(err, "give a numeric address of this machine");
	}
	sock = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	set_number(sock, SOL_SOCKET, SO_REUSEADDR, 1);
	ret = sock < 0 || bind(sock, ai->ai_addr, ai->ai_addrlen) < 0 || listen(sock, 1) < 0
		      ? -errno
		      : 0;
	freeaddrinfo(ai);
	if (ret == 0)
		return take_fd(&sock);
	err_set(err, -ret, "cannot listen at %s:%u", o->address ? o->address : "0.0.0.0", o->port);
	return err_hint(err, "give another --port, and an --address of this machine");
}

int page_link_listen(const struct remote_opts *o, unsigned int *port_ret, struct err *err)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);
	scoped_fd sock = bind_here(o, err);

	if (sock < 0)
		return sock;
	if (getsockname(sock, (struct sockaddr *)&addr, &len) < 0)
		return err_sys(err, "cannot find out the port of the page server");
	/* at the same place in both families */
	*port_ret = ntohs(((struct sockaddr_in *)&addr)->sin_port);
	return take_fd(&sock);
}

static int accept_one(int sock, struct err *err)
{
	const struct timeval second = { .tv_sec = 1 };
	int fd;

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	while ((fd = accept4(sock, NULL, NULL, SOCK_CLOEXEC)) < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			return err_sys(err, "cannot accept a connection");
		if (guard_check(err) < 0)
			return -err->code;
	}
	return fd;
}

int page_link_accept(struct arena *a, const struct remote_opts *o, int sock,
		     struct page_link **link_ret, struct err *err)
{
	scoped_fd listening = sock;
	int fd = listening < 0 ? o->socket : accept_one(listening, err);

	if (fd < 0 || (listening < 0 && check_ps_socket(fd, err) < 0))
		return -err->code;
	return begin(a, o, fd, true, link_ret, err);
}

void page_link_close(struct page_link *l, bool ok)
{
	if (!l)
		return;
	if (l->tls)
		tls_end(l->tls, ok);
	if (!l->is_borrowed)
		close(l->fd);
}

void page_link_set_hint(struct page_link *l, const char *hint)
{
	l->hint = hint;
}

const char *page_link_peer(const struct page_link *l)
{
	return l->peer;
}

int page_link_fd(const struct page_link *l)
{
	return l->fd;
}

bool page_link_pending(const struct page_link *l)
{
	return l->tls && tls_pending(l->tls);
}

/* ---- bytes ---- */

static ssize_t send_some(struct page_link *l, const void *buf, size_t len, bool more)
{
	ssize_t n;

	if (l->tls)
		return tls_send(l->tls, buf, len);
	n = send(l->fd, buf, len, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
	return n < 0 ? -errno : n;
}

static ssize_t recv_some(struct page_link *l, void *buf, size_t len)
{
	ssize_t n;

	if (l->tls)
		return tls_recv(l->tls, buf, len);
	n = recv(l->fd, buf, len, 0);
	return n < 0 ? -errno : n;
}

/* May what has failed with @ret be tried again? */
static bool goes_on(ssize_t ret, struct err *err)
{
	return (ret == -EAGAIN || ret == -EINTR) && guard_check(err) == 0;
}

static int failed(const struct page_link *l, ssize_t ret, struct err *err)
{
	if (err->code)
		return -err->code;
	err_set(err, (int)-ret, "cannot go on with the connection to %s", l->peer);
	if (ret == -EPROTO && l->tls)
		err_why(err, "%s", tls_problem(l->tls));
	return err_hint(err, "%s", l->hint);
}

int page_link_write(struct page_link *l, const void *buf, size_t len, bool more, struct err *err)
{
	const char *p = buf;

	while (len) {
		ssize_t n = send_some(l, p, len, more);

		if (n < 0 && !goes_on(n, err))
			return failed(l, n, err);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* *@got_ret: how many there were before the end. */
static int read_some(struct page_link *l, void *buf, size_t len, size_t *got_ret, struct err *err)
{
	char *p = buf;

	*got_ret = 0;
	while (*got_ret < len) {
		ssize_t n = recv_some(l, p + *got_ret, len - *got_ret);

		if (n == 0)
			return 0;
		if (n < 0 && !goes_on(n, err))
			return failed(l, n, err);
		if (n > 0)
			*got_ret += (size_t)n;
	}
	return 0;
}

static int ended(const struct page_link *l, struct err *err)
{
	failed(l, -ENODATA, err);
	return err_why(err, "it was closed in the middle");
}

int page_link_read(struct page_link *l, void *buf, size_t len, struct err *err)
{
	size_t got;

	if (read_some(l, buf, len, &got, err) < 0)
		return -err->code;
	return got < len ? ended(l, err) : 0;
}

/* ---- messages ---- */

int page_link_send(struct page_link *l, enum page_cmd cmd, uint32_t flags, uint64_t nr_pages,
		   uint64_t addr, uint64_t object, bool more, struct err *err)
{
	const struct page_msg m = {
		.cmd = flags << 16 | cmd, .nr_pages = nr_pages, .addr = addr, .object = object
	};

	return page_link_write(l, &m, sizeof(m), more, err);
}

int page_link_recv(struct page_link *l, struct page_msg *m, bool *found_ret, struct err *err)
{
	size_t got;

	if (read_some(l, m, sizeof(*m), &got, err) < 0)
		return -err->code;
	*found_ret = got > 0;
	return got && got < sizeof(*m) ? ended(l, err) : 0;
}

int page_link_ask(struct page_link *l, enum page_cmd cmd, uint64_t object, void *answer, size_t len,
		  struct err *err)
{
	if (page_link_send(l, cmd, 0, 0, 0, object, false, err) < 0)
		return -err->code;
	return page_link_read(l, answer, len, err);
}

int page_link_finish(struct page_link *l, struct err *err)
{
	int32_t status = -1;
	int ret = page_link_ask(l, l->is_borrowed ? PAGE_FORCE_CLOSE : PAGE_CLOSE, 0, &status,
				sizeof(status), err);

	if (ret == 0 && status) {
		ret = err_set(err, EIO, "cannot finish with the page server at %s", l->peer);
		err_why(err, "it says %d", status);
		err_hint(err, "%s", l->hint);
	}
	page_link_close(l, ret == 0);
	return ret;
}
