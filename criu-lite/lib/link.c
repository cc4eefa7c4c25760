/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * link - the connection of a program to criu-lite
 *
 * A server of our own is started for each request.  Its pid comes over the
 * socket, so that it is known also if it is not our child.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"

/* ---- a service ---- */

static int connect_to(const char *address)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock;

	if (strlen(address) >= sizeof(addr.sun_path))
		return -ECONNREFUSED;
	strcpy(addr.sun_path, address);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -ECONNREFUSED;
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(sock);
		return -ECONNREFUSED;
	}
	return sock;
}

/* ---- a server of our own ---- */

static void become_server(const char *binary, int sock, int failed) __attribute__((noreturn));
static void become_server(const char *binary, int sock, int failed)
{
	int pid = getpid(), code;
	char number[16];

	snprintf(number, sizeof(number), "%d", sock);
	if (write(sock, &pid, sizeof(pid)) == sizeof(pid) && fcntl(sock, F_SETFD, 0) == 0) {
		execlp(binary ? binary : "criu-lite", binary ? binary : "criu-lite", "swrk", number,
		       NULL);
		if (!binary && errno == ENOENT)
			execlp("criu", "criu", "swrk", number, NULL);
	}
	code = errno;
	if (write(failed, &code, sizeof(code)) < 0)
		_exit(2);
	_exit(1);
}

/* In the child.  @failed: where to say that there is no such program. */
static void start_server(const criu_opts *opts, int sock, int failed, bool as_stranger)
{
	if (as_stranger) {
		setsid();
		if (fork() != 0)
			_exit(0);
	}
	become_server(opts->binary, sock, failed);
}

static bool has_started(int failed)
{
	int code;
	ssize_t n;

	do
		n = read(failed, &code, sizeof(code));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return true;
	errno = code;
	return false;
}

static void wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int fork_server(struct link *l, const criu_opts *opts, bool as_stranger)
{
	int ends[2], failed[2], pid = -1;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -ECONNREFUSED;
	if (pipe2(failed, O_CLOEXEC) < 0) {
		close(ends[0]);
		close(ends[1]);
		return -ECONNREFUSED;
	}
	child = fork();
	if (child == 0)
		start_server(opts, ends[1], failed[1], as_stranger);
	close(ends[1]);
	close(failed[1]);
	l->sock = ends[0];
	if (child > 0 && as_stranger)
		wait_for(child);
	if (child > 0 && has_started(failed[0]) && read(l->sock, &pid, sizeof(pid)) == sizeof(pid))
		l->pid = as_stranger ? 0 : pid;
	else if (child > 0 && !as_stranger)
		wait_for(child);
	close(failed[0]);
	if (pid > 0)
		return 0;
	close(l->sock);
	return -ECONNREFUSED;
}

/* ---- either ---- */

int link_open(struct link *l, const criu_opts *opts, bool as_stranger)
{
	l->pid = 0;
	switch (opts->comm) {
	case CRIU_COMM_SK:
		l->sock = connect_to(opts->address);
		return l->sock < 0 ? l->sock : 0;
	case CRIU_COMM_FD:
		l->sock = opts->fd;
		return l->sock < 0 ? -ECONNREFUSED : 0;
	case CRIU_COMM_BIN:
		break;
	}
	return fork_server(l, opts, as_stranger);
}

void link_close(struct link *l, criu_opts *opts)
{
	int code = errno;

	close(l->sock);
	if (opts->comm == CRIU_COMM_FD)
		opts->fd = -1;
	if (l->pid > 0)
		wait_for(l->pid);
	errno = code;
}

/* ---- messages ---- */

int link_send(const struct link *l, const CriuReq *req)
{
	size_t len = criu_req__get_packed_size(req);
	uint8_t *buf = malloc(len);
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	criu_req__pack(req, buf);
	do
		n = send(l->sock, buf, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	free(buf);
	return n < 0 ? -ECOMM : 0;
}

static int take_fd(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int link_receive(const struct link *l, CriuResp **resp_ret, int *fd_ret)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { 0 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	CriuResp *resp = NULL;
	ssize_t n;

	do
		n = recv(l->sock, NULL, 0, MSG_PEEK | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -ECOMM;
	iov.iov_base = malloc((size_t)n);
	iov.iov_len = (size_t)n;
	if (!iov.iov_base)
		return -ENOMEM;
	n = recvmsg(l->sock, &msg, MSG_CMSG_CLOEXEC);
	if (n > 0) {
		*fd_ret = take_fd(&msg);
		resp = criu_resp__unpack(NULL, (size_t)n, iov.iov_base);
	}
	free(iov.iov_base);
	*resp_ret = resp;
	return resp ? 0 : -ECOMM;
}
