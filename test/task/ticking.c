/* SPDX-License-Identifier: GPL-2.0-only */
/* timers so fast that every dump catches them at the instant of expiry: all of them tick on */
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "victim.h"

enum { FAST_NS = 400000, WAIT_MS = 2000 };

static volatile long handled, alarms, taken, paused;
static bool stop;

static void on_timer(int sig)
{
	handled++;
}

static void on_alarm(int sig)
{
	alarms++;
}

static int start(int sig, int notify, long ns)
{
	struct sigevent ev = { .sigev_notify = notify, .sigev_signo = sig };
	struct itimerspec spec = { { 0, ns }, { 0, ns } };
	int id;

	ev._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id) ||
	    syscall(SYS_timer_settime, id, 0, &spec, NULL))
		return -1;
	return id;
}

/* A timer whose signal is never handled but taken. */
static void *take(void *arg)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 4);
	start(SIGRTMIN + 4, SIGEV_THREAD_ID, FAST_NS);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		if (sigwait(&set, &sig) == 0)
			taken++;
	return NULL;
}

/* pause() ends by the signal, also if it comes while we do not exist. */
static void *pauses(void *arg)
{
	struct itimerspec once = { { 0, 0 }, { 0, 300000 } };
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 5 };
	sigset_t open;
	int id;

	ev._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id);
	pthread_sigmask(SIG_BLOCK, NULL, &open);
	sigdelset(&open, SIGRTMIN + 5);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		syscall(SYS_timer_settime, id, 0, &once, NULL);
		sigsuspend(&open);
		paused++;
	}
	return NULL;
}

static bool make(void)
{
	struct itimerval fast = { { 0, FAST_NS / 1000 }, { 0, FAST_NS / 1000 } };
	struct sigaction sa = { .sa_handler = on_timer, .sa_flags = SA_RESTART };
	pthread_t t;
	sigset_t set;

	sigaction(SIGRTMIN + 3, &sa, NULL);
	sigaction(SIGRTMIN + 5, &sa, NULL);
	sa.sa_handler = on_alarm;
	sigaction(SIGALRM, &sa, NULL);

	/* only the first thread handles them, and only when it wants to */
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	if (pthread_create(&t, NULL, take, NULL) || pthread_create(&t, NULL, pauses, NULL))
		return false;
	if (start(SIGRTMIN + 3, SIGEV_SIGNAL, FAST_NS) < 0 || setitimer(ITIMER_REAL, &fast, NULL))
		return false;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 4);
	sigaddset(&set, SIGRTMIN + 5);
	sigprocmask(SIG_SETMASK, &set, NULL);
	return true;
}

static bool goes_on(volatile long *n)
{
	long before = *n;

	for (int i = 0; i < WAIT_MS && *n < before + 3; i++)
		victim_sleep(1);
	return *n >= before + 3;
}

static bool same(void)
{
	bool good = expect(goes_on(&handled));

	good = expect(goes_on(&alarms)) && good;
	good = expect(goes_on(&taken)) && good;
	return expect(goes_on(&paused)) && good;
}

VICTIM(make, same)
