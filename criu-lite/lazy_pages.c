/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lazy pages - the daemon that gives a restored tree its memory
 *
 * A userfaultfd that is closed too early leaves zeros where memory is missing. So
 * there are two processes that have them all: one serves, the other one, who was
 * started by the user, guards. Whichever is killed, the other one is there; if it
 * is the one who serves, or if that cannot go on, the tasks are stopped, and a
 * third process keeps what is missing missing until they have been ended.
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/guard.h"
#include "core/lazy_socket.h"
#include "core/page_link.h"
#include "lazy_pages.h"
#include "lazy_serve.h"
#include "run.h"

enum { BACKLOG = 10, SECOND = 1000 };

struct daemon {
	struct options *o;
	struct lazy_serve s;
	vec(int) pidfds;
};

/* ---- the restore ---- */

static int listen_here(struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = LAZY_SOCKET };
	scoped_fd sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	/* only a socket makes way for another one */
	if (lstat(LAZY_SOCKET, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(LAZY_SOCKET);
	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(sock, BACKLOG) < 0) {
		err_sys(err, "cannot listen at " LAZY_SOCKET);
		return err_hint(err, "give a work directory by -W that can be written to");
	}
	return take_fd(&sock);
}

/* Until there is something to read at @fd. */
static int wait_for(int fd, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, SECOND) <= 0)
		if (guard_check(err) < 0)
			return -err->code;
	return 0;
}

static int restore_failed(struct err *err)
{
	err_set(err, EPIPE, "cannot serve a restore that has failed");
	return err_hint(err, "see its log");
}

static int recv_pid(int sock, int32_t *pid_ret, struct err *err)
{
	size_t got = 0;

	while (got < sizeof(*pid_ret)) {
		ssize_t n;

		if (wait_for(sock, err) < 0)
			return -err->code;
		n = read(sock, (char *)pid_ret + got, sizeof(*pid_ret) - got);
		if (n <= 0)
			return restore_failed(err);
		got += (size_t)n;
	}
	return 0;
}

/* CRIU sends no pidfd. */
static int recv_fds(int sock, int *uffd_ret, int *pidfd_ret, struct err *err)
{
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fds[2] = { -1, -1 };
	const struct cmsghdr *c;

	if (wait_for(sock, err) < 0)
		return -err->code;
	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return restore_failed(err);
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len > CMSG_LEN(0))
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	if (fds[0] < 0)
		return err_set(err, EPROTO, "cannot understand the restore: it sends no memory");
	*uffd_ret = fds[0];
	*pidfd_ret = fds[1];
	return 0;
}

static int recv_task(struct daemon *d, struct err *err)
{
	int uffd = -1, pidfd = -1;
	int32_t pid;

	if (recv_pid(d->s.restore, &pid, err) < 0)
		return -err->code;
	if (pid < 0)
		return 0;
	if (recv_fds(d->s.restore, &uffd, &pidfd, err) < 0)
		return -err->code;
	if (pidfd >= 0)
		*vec_add(d->s.arena, &d->pidfds) = pidfd;
	return lazy_serve_add(&d->s, pid, uffd, err);
}

static int accept_restore(struct daemon *d, int sock, struct err *err)
{
	scoped_fd listening = sock;
	size_t i;

	if (wait_for(listening, err) < 0)
		return -err->code;
	d->s.restore = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	if (d->s.restore < 0)
		return err_sys(err, "cannot accept the restore");
	unlink(LAZY_SOCKET);
	for (i = 0; i < page_images_tasks(d->s.images)->n; i++)
		if (recv_task(d, err) < 0)
			return -err->code;
	log_info("%zu tasks have lazy memory", i);
	return 0;
}

/* ---- when it fails ---- */

/* Anything that this process could map tells whether it is still there. */
static bool is_gone(int uffd)
{
	struct uffdio_zeropage zero = {
		.range = { arch_task_size() - PAGE_BYTES, PAGE_BYTES },
	};

	return ioctl(uffd, UFFDIO_ZEROPAGE, &zero) < 0 && errno == ESRCH;
}

static bool all_gone(const struct daemon *d)
{
	const struct lazy_memory *m;

	list_for_each(m, &d->s.memories, link)
		if (!is_gone(m->uffd))
			return false;
	return true;
}

static int stop_tasks(const struct daemon *d)
{
	const int *fd;
	int n = 0;

	vec_for_each(fd, &d->pidfds)
		n += syscall(SYS_pidfd_send_signal, *fd, SIGSTOP, NULL, 0) == 0;
	return n;
}

/* Who touches what is missing waits for as long as we are here. */
static void keep_missing(const struct daemon *d)
{
	if (fork() != 0)
		return;
	setsid();
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	while (!all_gone(d))
		poll(NULL, 0, SECOND);
	_exit(0);
}

static int give_up(const struct daemon *d, struct err *err)
{
	int n = stop_tasks(d);

	if (all_gone(d))
		return -err->code;
	keep_missing(d);
	err->hint[0] = '\0';
	return err_hint(err,
			"%d restored tasks are stopped: part of their memory is missing. End "
			"them by SIGKILL, and restore again from a whole dump",
			n);
}

/* ---- who serves, and who guards ---- */

static _Noreturn void serve(struct daemon *d)
{
	struct err err = { 0 };
	int ret = lazy_serve(&d->s, &err);

	if (ret < 0)
		io_write(d->s.guardian, &err, sizeof(err));
	_exit(ret < 0 ? 1 : 0);
}

/* A byte with a userfaultfd, or the error with which it ends. */
static bool hear_worker(struct daemon *d, int sock, struct err *err)
{
	struct lazy_memory *m;
	char byte;
	int fd;

	if (io_recv_fd(sock, &byte, 1, &fd) < 0)
		return false;
	if (fd >= 0) {
		m = arena_new(d->s.arena, struct lazy_memory);
		m->uffd = fd;
		list_add_tail(&d->s.memories, &m->link);
		return true;
	}
	memcpy(err, &byte, 1);
	io_read(sock, (char *)err + 1, sizeof(*err) - 1);
	return false;
}

static int guard(struct daemon *d, pid_t worker, int sock, struct err *err)
{
	int status;

	do {
		if (wait_for(sock, err) < 0) {
			kill(worker, SIGKILL);
			break;
		}
	} while (hear_worker(d, sock, err));
	while (waitpid(worker, &status, 0) < 0 && errno == EINTR)
		;
	if (!err->code && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!err->code) {
		err_set(err, ECHILD, "cannot go on serving memory");
		err_why(err, "the process that did it was killed by signal %d", WTERMSIG(status));
	}
	return give_up(d, err);
}

static int serve_guarded(struct daemon *d, struct err *err)
{
	int pair[2];
	pid_t worker;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "cannot make a socket");
	scoped_fd ours = pair[0], theirs = pair[1];
	worker = fork();
	if (worker < 0)
		return err_sys(err, "cannot fork");
	if (worker == 0) {
		close(take_fd(&ours));
		d->s.guardian = take_fd(&theirs);
		serve(d);
	}
	close(take_fd(&theirs));
	close(take_fd(&d->s.restore));
	/* the page server shall see the end of who talks to it */
	if (d->s.link)
		close(page_link_fd(d->s.link));
	return guard(d, worker, ours, err);
}

/* ---- the command ---- */

static int run(struct daemon *d, struct err *err)
{
	const struct remote_opts *m = &d->o->common.remote;
	scoped_fd sock = -1;

	if (page_images_open(d->s.arena, d->o->common.images_fd, &d->s.images, err) < 0)
		return -err->code;
	if (m->page_server && page_link_connect(d->s.arena, m, &d->s.link, err) < 0)
		return -err->code;
	sock = listen_here(err);
	if (sock < 0)
		return sock;
	if (d->o->restore.detach && daemon(1, 0) < 0)
		return err_sys(err, "cannot go into the background");
	if (run_announce(d->o, err) < 0 || accept_restore(d, take_fd(&sock), err) < 0)
		return -err->code;
	return serve_guarded(d, err);
}

int lazy_pages_run(struct options *o, struct err *err)
{
	struct arena a;
	struct daemon d = { .o = o, .s = { .arena = &a, .restore = -1 } };
	int ret;

	arena_init(&a);
	list_init(&d.s.memories);
	guard_begin();
	ret = run(&d, err);
	guard_end();
	arena_fini(&a);
	return ret;
}
