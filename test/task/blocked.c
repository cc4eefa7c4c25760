/* SPDX-License-Identifier: GPL-2.0-only */
/* system calls that wait go on waiting: none of them returns before it is told to, least of all EINTR */
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "victim.h"

static int event, ep, word;
static struct pollfd pfd;
static struct timespec long_time = { 3600, 0 };

/* Each waits for the eventfd, for "word", or for a signal; returns what the call did. */
static long wait_poll(void)
{
	return poll(&pfd, 1, 3600 * 1000);
}

static long wait_poll_ever(void)
{
	return poll(&pfd, 1, -1);
}

static long wait_ppoll(void)
{
	struct timespec t = long_time;
	sigset_t set;

	sigemptyset(&set);
	return ppoll(&pfd, 1, &t, &set);
}

static long wait_select(void)
{
	struct timeval t = { 3600, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(event, &set);
	return select(event + 1, &set, NULL, NULL, &t);
}

static long wait_epoll(void)
{
	struct epoll_event e;

	return epoll_wait(ep, &e, 1, 3600 * 1000);
}

static long wait_epoll_pwait(void)
{
	struct epoll_event e;
	sigset_t set;

	sigemptyset(&set);
	return epoll_pwait(ep, &e, 1, -1, &set);
}

static long wait_futex(void)
{
	while (!__atomic_load_n(&word, __ATOMIC_SEQ_CST))
		if (syscall(SYS_futex, &word, FUTEX_WAIT, 0, &long_time) < 0 && errno != EAGAIN)
			return -1;
	return 1;
}

static long wait_futex_ever(void)
{
	while (!__atomic_load_n(&word, __ATOMIC_SEQ_CST))
		if (syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL) < 0 && errno != EAGAIN)
			return -1;
	return 1;
}

static long wait_signal(void)
{
	struct timespec t = long_time;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return sigtimedwait(&set, NULL, &t) == SIGUSR1 ? 1 : -1;
}

static long wait_nanosleep(void)
{
	struct timespec t = { 2, 500000000 };

	return nanosleep(&t, NULL) == 0 ? 1 : -1;
}

static long wait_clock_nanosleep(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += 2;
	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == 0 ? 1 : -1;
}

static struct waiter {
	const char *name;
	long (*wait)(void);
	pthread_t thread;
	volatile long result;
	volatile int error;
	volatile bool done;
	bool by_signal, by_itself;
} waiters[] = {
	{ .name = "poll", .wait = wait_poll },
	{ .name = "poll for ever", .wait = wait_poll_ever },
	{ .name = "ppoll", .wait = wait_ppoll },
	{ .name = "select", .wait = wait_select },
	{ .name = "epoll_wait", .wait = wait_epoll },
	{ .name = "epoll_pwait", .wait = wait_epoll_pwait },
	{ .name = "futex", .wait = wait_futex },
	{ .name = "futex for ever", .wait = wait_futex_ever },
	{ .name = "sigtimedwait", .wait = wait_signal, .by_signal = true },
	{ .name = "nanosleep", .wait = wait_nanosleep, .by_itself = true },
	{ .name = "clock_nanosleep", .wait = wait_clock_nanosleep, .by_itself = true },
};

enum { NR = sizeof(waiters) / sizeof(waiters[0]) };

static void *run(void *arg)
{
	struct waiter *w = arg;

	w->result = w->wait();
	w->error = errno;
	w->done = true;
	return NULL;
}

static bool make(void)
{
	struct epoll_event e = { .events = EPOLLIN };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	event = eventfd(0, 0);
	ep = epoll_create1(0);
	pfd = (struct pollfd){ .fd = event, .events = POLLIN };
	if (epoll_ctl(ep, EPOLL_CTL_ADD, event, &e))
		return false;
	for (int i = 0; i < NR; i++)
		if (pthread_create(&waiters[i].thread, NULL, run, &waiters[i]))
			return false;
	victim_sleep(50);
	return true;
}

static void tell(void)
{
	uint64_t one = 1;

	__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &word, FUTEX_WAKE, 100, NULL);
	if (write(event, &one, sizeof(one)) != sizeof(one))
		perror("write");
	for (int i = 0; i < NR; i++)
		if (waiters[i].by_signal)
			pthread_kill(waiters[i].thread, SIGUSR1);
}

static bool same(void)
{
	bool good = true;

	for (int i = 0; i < NR; i++)
		if (waiters[i].done && !waiters[i].by_itself)
			good = expect(!"done") &&
			       (fprintf(stderr, "%s: too early\n", waiters[i].name), false);
	tell();
	for (int i = 0; i < NR; i++) {
		pthread_join(waiters[i].thread, NULL);
		if (waiters[i].result == 1)
			continue;
		fprintf(stderr, "%s: %ld, %s\n", waiters[i].name, waiters[i].result,
			strerror(waiters[i].error));
		good = false;
	}
	return good;
}

VICTIM(make, same)
