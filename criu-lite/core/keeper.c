/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * keeper - holds what remembers written pages between one dump and the next
 *
 * For each task there is a socket with an abstract name, made of its pid and of
 * when it was born, so a pid that is used again finds nothing.  Whoever connects
 * to it is given the descriptor and becomes its only owner: if that one dies, the
 * kernel forgets what it knew, and nobody trusts what is old.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/keeper.h"

void kept_close(struct kept *k)
{
	if (k->pidfd >= 0)
		close(take_fd(&k->pidfd));
	if (k->uffd >= 0)
		close(take_fd(&k->uffd));
}

/* ---- names ---- */

/* A pid means something only in its namespace. */
static ino_t our_pid_ns(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

static socklen_t name_of(const struct kept *k, struct sockaddr_un *ret)
{
	int n;

	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	n = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1,
		     "criu-lite:written:%ju:%d:%" PRIu64, (uintmax_t)our_pid_ns(), k->pid,
		     k->start);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

/* Anybody may connect to a name, and anybody may have taken it. */
static bool is_one_of_us(int sock)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == geteuid();
}

/* ---- taking ---- */

bool keeper_take(struct kept *k)
{
	const struct timeval patience = { .tv_sec = 10 };
	struct sockaddr_un name;
	socklen_t len = name_of(k, &name);
	char run[RUN_ID_SIZE];
	int fd;

	scoped_fd sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&name, len) < 0 || !is_one_of_us(sock))
		return false;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (io_recv_fd(sock, run, sizeof(run), &fd) < 0 || fd < 0)
		return false;
	memcpy(k->run, run, sizeof(run));
	k->run[sizeof(run) - 1] = '\0';
	k->uffd = fd;
	return true;
}

/* ---- the keeper ---- */

struct keeper {
	struct kept *kept;
	struct pollfd *polls; /* two for each: its socket, its pidfd */
	size_t n;
};

static void drop(struct keeper *kp, size_t i)
{
	close(kp->polls[2 * i].fd);
	kp->polls[2 * i].fd = kp->polls[2 * i + 1].fd = -1;
	kept_close(&kp->kept[i]);
}

/* The name is free before the other one has the descriptor: he may want to leave it with a keeper. */
static void give(struct keeper *kp, size_t i)
{
	struct kept *k = &kp->kept[i];
	scoped_fd sock = accept4(kp->polls[2 * i].fd, NULL, NULL, SOCK_CLOEXEC);
	scoped_fd uffd = -1;

	if (sock < 0 || !is_one_of_us(sock))
		return;
	uffd = take_fd(&k->uffd);
	drop(kp, i);
	io_send_fd(sock, k->run, sizeof(k->run), uffd);
}

static bool serve(struct keeper *kp)
{
	bool any = false;
	size_t i;

	if (poll(kp->polls, 2 * kp->n, -1) < 0 && errno != EINTR)
		return false;
	for (i = 0; i < kp->n; i++) {
		if (kp->polls[2 * i].fd >= 0 && kp->polls[2 * i + 1].revents)
			drop(kp, i);
		if (kp->polls[2 * i].fd >= 0 && kp->polls[2 * i].revents)
			give(kp, i);
		any = any || kp->polls[2 * i].fd >= 0;
	}
	return any;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Everything that is not ours to keep: terminals, logs, sockets of who started us. */
static void close_others(const struct keeper *kp)
{
	scoped_ptr int *fds = calloc(3 * kp->n, sizeof(*fds));
	int next = 0;
	size_t i;

	if (!fds)
		_exit(1);
	for (i = 0; i < kp->n; i++) {
		fds[3 * i] = kp->polls[2 * i].fd;
		fds[3 * i + 1] = kp->polls[2 * i + 1].fd;
		fds[3 * i + 2] = kp->kept[i].uffd;
	}
	qsort(fds, 3 * kp->n, sizeof(*fds), by_number);
	for (i = 0; i < 3 * kp->n; i++) {
		if (fds[i] > next)
			syscall(SYS_close_range, next, fds[i] - 1, 0);
		next = fds[i] < 0 ? next : fds[i] + 1;
	}
	syscall(SYS_close_range, next, ~0u, 0);
}

static void keep(struct keeper *kp) __attribute__((noreturn));
static void keep(struct keeper *kp)
{
	sigset_t none;
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	close_others(kp);
	prctl(PR_SET_NAME, "criu-lite:keep");
	if (chdir("/") < 0)
		_exit(1);
	while (serve(kp))
		;
	_exit(0);
}

/* Nobody's child: who started us waits for us only. */
static int fork_keeper(struct keeper *kp)
{
	pid_t between = fork(), pid;
	int status;

	if (between == 0) {
		pid = fork();
		if (pid == 0)
			keep(kp);
		_exit(pid < 0 ? errno : 0);
	}
	if (between < 0 || waitpid(between, &status, 0) < 0)
		return -errno;
	return status ? -ECHILD : 0;
}

static int listen_for(const struct kept *k)
{
	struct sockaddr_un name;
	socklen_t len = name_of(k, &name);
	scoped_fd sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (sock < 0 || bind(sock, (struct sockaddr *)&name, len) < 0 || listen(sock, 1) < 0)
		return -1;
	return take_fd(&sock);
}

/* Those whose name can be had. */
static void keeper_init(struct keeper *kp, struct kept *kept, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		int sock = listen_for(&kept[i]);

		if (sock < 0) {
			log_warn("cannot remember what task %d writes: %s", kept[i].pid,
				 strerror(errno));
			kept_close(&kept[i]);
			continue;
		}
		kp->polls[2 * kp->n] = (struct pollfd){ .fd = sock, .events = POLLIN };
		kp->polls[2 * kp->n + 1] = (struct pollfd){ .fd = kept[i].pidfd, .events = POLLIN };
		kp->kept[kp->n++] = kept[i];
	}
}

int keeper_leave(struct kept *kept, size_t n, struct err *err)
{
	scoped_ptr struct pollfd *polls = calloc(2 * n + 1, sizeof(*polls));
	struct keeper kp = { .kept = kept, .polls = polls };
	int ret = 0;
	size_t i;

	if (!polls)
		return err_set(err, ENOMEM, "cannot remember which pages are written");
	keeper_init(&kp, kept, n);
	if (kp.n)
		ret = fork_keeper(&kp);
	for (i = 0; i < kp.n; i++)
		drop(&kp, i);
	return ret < 0 ? err_set(err, -ret, "cannot fork who remembers which pages are written")
		       : 0;
}
