/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pidfds of threads: of our leader, of another thread, of a child's thread, of one that has ended
 *
 * crit: 3.17 does not know pidfds
 */
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

enum { THREAD = O_EXCL, HIGH = 77 };

static int of_leader, of_thread, of_ended, of_childs, end_thread[2], ended[2], told[2];
static volatile pid_t tid;
static volatile bool usr1_in_thread;
static pid_t child, childs_tid;

static int pidfd(pid_t pid, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags | THREAD);
}

static void on_usr1(int sig)
{
	usr1_in_thread = syscall(SYS_gettid) == tid;
}

static void *wait_for_end(void *arg)
{
	char c;

	tid = (pid_t)syscall(SYS_gettid);
	while (read(*(int *)arg, &c, 1) < 0 && errno == EINTR)
		;
	return NULL;
}

static bool start(int *from)
{
	pthread_t t;

	tid = 0;
	if (pthread_create(&t, NULL, wait_for_end, from))
		return false;
	while (!tid)
		victim_sleep(1);
	return true;
}

static void child_main(void)
{
	pid_t it;

	close(ended[1]);
	if (!start(end_thread))
		_exit(1);
	it = tid;
	if (write(told[1], &it, sizeof(it)) != sizeof(it))
		_exit(1);
	for (;;)
		pause();
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static bool wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 10000) == 1;
}

static bool make(void)
{
	struct sigaction sa = { .sa_handler = on_usr1 };

	if (!expect(pipe(end_thread) == 0 && pipe(ended) == 0 && pipe(told) == 0) ||
	    !expect(sigaction(SIGUSR1, &sa, NULL) == 0))
		return false;
	child = fork();
	if (child == 0)
		child_main();
	if (!expect(read(told[0], &childs_tid, sizeof(childs_tid)) == sizeof(childs_tid)) ||
	    !expect((of_childs = pidfd(childs_tid, O_NONBLOCK)) >= 0) || !expect(start(ended)))
		return false;
	of_ended = pidfd(tid, 0);
	if (!expect(close(ended[1]) == 0 && wait_readable(of_ended)) || !expect(start(end_thread)))
		return false;
	of_leader = pidfd(getpid(), 0);
	of_thread = pidfd(tid, 0);
	return expect(of_leader >= 0 && of_thread >= 0) && expect(dup2(of_thread, HIGH) == HIGH) &&
	       expect(fcntl(of_thread, F_SETFD, 0) == 0);
}

static int send(int fd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
}

/* What it is of: the kernel knows no better way to ask. */
static int pid_of(int fd)
{
	char path[64], line[256];
	int pid = -2;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Pid: %d", &pid);
	if (f)
		fclose(f);
	return pid;
}

static bool same(void)
{
	usr1_in_thread = false;
	if (!expect(send(of_thread, SIGUSR1) == 0))
		return false;
	for (int i = 0; i < 1000 && !usr1_in_thread; i++)
		victim_sleep(10);
	return expect(usr1_in_thread) && expect(pid_of(of_thread) == tid) &&
	       expect(pid_of(HIGH) == tid) && expect(pid_of(of_leader) == getpid()) &&
	       expect(pid_of(of_childs) == childs_tid) && expect(pid_of(of_ended) == -1) &&
	       expect(syscall(SYS_kcmp, getpid(), getpid(), 0, of_thread, HIGH) == 0) &&
	       expect(fcntl(of_thread, F_GETFD) == 0) &&
	       expect(fcntl(of_childs, F_GETFD) == FD_CLOEXEC) &&
	       expect(fcntl(of_childs, F_GETFL) == (O_RDWR | O_NONBLOCK | THREAD)) &&
	       expect(is_readable(of_ended) && !is_readable(of_thread)) &&
	       expect(write(end_thread[1], "ab", 2) == 2) && expect(wait_readable(of_thread)) &&
	       expect(wait_readable(of_childs)) && expect(!is_readable(of_leader)) &&
	       expect(kill(child, SIGKILL) == 0) && expect(waitpid(child, NULL, 0) == child);
}

VICTIM(make, same)
