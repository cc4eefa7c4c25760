/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * outside - the one who stays in the namespaces we came from
 *
 * A fork of the coordinator: functions are where they are in both, so a request
 * is an address, what it works on, and perhaps a descriptor.  It ends when the
 * coordinator does.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/outside.h"

struct outside {
	int pidfd, socket;
	pthread_mutex_t *one; /* who talks to it; whoever dies meanwhile has ended the restore */
};

struct message {
	outside_fn *fn;
	int ret;
	struct err err;
	size_t len;
	char args[OUTSIDE_ARGS_MAX];
};

static int send_message(int socket, const struct message *m, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec iov = { (void *)m, offsetof(struct message, args) + m->len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c = (struct cmsghdr *)control;

		hdr.msg_control = control;
		hdr.msg_controllen = sizeof(control);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(socket, &hdr, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_message(int socket, struct message *m, int *fd)
{
	char control[CMSG_SPACE(sizeof(*fd))] = { 0 };
	struct iovec iov = { m, sizeof(*m) };
	struct msghdr hdr = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(socket, &hdr, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*fd = -1;
	if (n < (ssize_t)offsetof(struct message, args))
		return n < 0 ? -errno : -EPIPE;
	c = CMSG_FIRSTHDR(&hdr);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return 0;
}

static void serve(struct restore *r, int socket) __attribute__((noreturn));
static void serve(struct restore *r, int socket)
{
	static struct message m;
	int fd;

	while (receive_message(socket, &m, &fd) == 0) {
		int given = fd;

		memset(&m.err, 0, sizeof(m.err));
		m.ret = m.fn(r, m.args, &fd, &m.err);
		if (send_message(socket, &m, fd == given ? -1 : fd) < 0)
			break;
		if (fd >= 0 && fd != given)
			close(fd);
		if (given >= 0)
			close(given);
	}
	_exit(0);
}

/* Nobody's child, so that who waits for newborn tasks does not wait for it. */
static int fork_orphan(struct restore *r, int socket, int other_end)
{
	pid_t between = fork(), pid;
	int status;

	if (between == 0) {
		pid = fork();
		if (pid != 0)
			_exit(pid < 0 ? errno : 0);
		close(other_end);
		prctl(PR_SET_NAME, "criu-lite:out");
		pid = getpid();
		if (write(socket, &pid, sizeof(pid)) == sizeof(pid))
			serve(r, socket);
		_exit(1);
	}
	if (between < 0 || waitpid(between, &status, 0) < 0)
		return -errno;
	return status ? -WEXITSTATUS(status) : 0;
}

static pthread_mutex_t *new_mutex(struct restore *r)
{
	pthread_mutex_t *m = restore_shared_new(r, pthread_mutex_t);
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(m, &attr);
	pthread_mutexattr_destroy(&attr);
	return m;
}

int *outside_socket(struct restore *r)
{
	return r->outside ? &r->outside->socket : NULL;
}

int outside_begin(struct restore *r, struct err *err)
{
	struct outside *o = arena_new(r->arena, struct outside);
	int ends[2], ret;
	pid_t pid = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "cannot make a socket pair");
	ret = fork_orphan(r, ends[1], ends[0]);
	close(ends[1]);
	if (ret == 0 && read(ends[0], &pid, sizeof(pid)) == sizeof(pid))
		o->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (!pid || o->pidfd < 0) {
		close(ends[0]);
		return err_set(err, ret ? -ret : ESRCH,
			       "cannot leave a process outside of the namespaces");
	}
	o->socket = ends[0];
	o->one = new_mutex(r);
	r->outside = o;
	return 0;
}

int outside_run(struct restore *r, outside_fn *fn, void *args, size_t len, int *fd, struct err *err)
{
	static struct message m;
	int none = -1, ret;

	if (!fd)
		fd = &none;
	if (!r->outside)
		return fn(r, args, fd, err);

	m = (struct message){ .fn = fn, .len = len };
	if (len)
		memcpy(m.args, args, len);
	pthread_mutex_lock(r->outside->one);
	ret = send_message(r->outside->socket, &m, *fd);
	if (ret == 0)
		ret = receive_message(r->outside->socket, &m, fd);
	pthread_mutex_unlock(r->outside->one);
	if (ret < 0)
		return err_set(err, -ret, "cannot talk to the process outside of the namespaces");
	if (len)
		memcpy(args, m.args, len);
	if (m.ret < 0)
		*err = m.err;
	return m.ret;
}

/* ---- in a network namespace ---- */

struct order {
	outside_fn *fn;
	pid_t coordinator;
	int net;
	char args[OUTSIDE_ARGS_MAX - 32];
};

static int run_there(struct restore *r, struct order *o, int *fd, struct err *err)
{
	char link[48];

	snprintf(link, sizeof(link), "%d/fd/%d", o->coordinator, o->net);
	scoped_fd net = openat(r->proc, link, O_RDONLY | O_CLOEXEC);

	if (net < 0 || setns(net, CLONE_NEWNET) < 0)
		return err_sys(err, "cannot enter the network namespace of the tree");
	return o->fn(r, o->args, fd, err);
}

/* Outside: in a child, whose namespace does not matter to us. */
static int obey(struct restore *r, void *args, int *fd, struct err *err)
{
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "cannot make a pipe");
	pid = fork();
	if (pid == 0) {
		int ret = run_there(r, args, fd, err);

		_exit(ret < 0 && io_write(ends[1], err, sizeof(*err)) == 0 ? 1 : ret < 0 ? 2 : 0);
	}
	close(ends[1]);

	scoped_fd from = ends[0];

	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return err_sys(err, "cannot run a program");
	if (status == 0)
		return 0;
	if (io_read(from, err, sizeof(*err)) < 0 || err->code <= 0)
		return err_set(err, ECANCELED, "cannot run a program");
	return -err->code;
}

int outside_run_in_net(struct restore *r, int net, outside_fn *fn, const void *args, size_t len,
		       int fd, struct err *err)
{
	struct order o = { .fn = fn, .coordinator = getpid(), .net = net };

	memcpy(o.args, args, len);
	return outside_run(r, obey, &o, offsetof(struct order, args) + len, &fd, err);
}

void outside_end(struct restore *r)
{
	struct outside *o = r->outside;
	struct pollfd ended;

	if (!o)
		return;
	close(o->socket);
	ended = (struct pollfd){ .fd = o->pidfd, .events = POLLIN };
	while (poll(&ended, 1, -1) < 0 && errno == EINTR)
		;
	close(o->pidfd);
	r->outside = NULL;
}
