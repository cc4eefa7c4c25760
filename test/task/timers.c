/* SPDX-License-Identifier: GPL-2.0-only */
/* POSIX timers: numbers with holes, all kinds of notice, intervals, one whose signal is pending */
#include <pthread.h>
#include <sys/syscall.h>

#include "victim.h"

enum { NR = 12 };

static int ids[NR]; /* the kernel's; -1: deleted */
static int deleted;
static volatile int ticks, value_seen;

static void tick(int sig, siginfo_t *info, void *context)
{
	ticks++;
	value_seen = info->si_value.sival_int;
}

static int create(clockid_t clock, int notify, int sig, int value)
{
	struct sigevent ev = { .sigev_notify = notify, .sigev_signo = sig };
	int id = -1;

	ev.sigev_value.sival_int = value;
	if (notify == SIGEV_THREAD_ID)
		ev._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	return syscall(SYS_timer_create, clock, &ev, &id) ? -1 : id;
}

static bool set(int id, long sec, long nsec, long isec, long insec)
{
	struct itimerspec s = { { isec, insec }, { sec, nsec } };

	return expect(syscall(SYS_timer_settime, id, 0, &s, NULL) == 0);
}

static bool make(void)
{
	struct sigaction sa = { .sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t blocked;

	for (int i = 0; i < NR; i++)
		ids[i] = create(i % 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME, SIGEV_SIGNAL,
				SIGRTMIN + i, 900 + i);
	for (int i = 0; i < NR; i++)
		if (i % 3 == 1) {
			deleted = ids[i];
			syscall(SYS_timer_delete, deleted);
			ids[i] = -1;
		}
	syscall(SYS_timer_delete, ids[0]);
	ids[0] = create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGRTMIN + 13, 4242);
	syscall(SYS_timer_delete, ids[2]);
	ids[2] = create(CLOCK_BOOTTIME, SIGEV_NONE, 0, 0);
	syscall(SYS_timer_delete, ids[3]);
	ids[3] = create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR2, 5);

	sigaction(SIGRTMIN + 13, &sa, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGRTMIN + 5);
	sigaddset(&blocked, SIGRTMIN + 6);
	sigprocmask(SIG_BLOCK, &blocked, NULL);

	/* 0 ticks, 2 and 3 wait, 5 and 6 have fired, 8 waits for long, 9 and 11 were never started */
	if (!set(ids[0], 0, 5000000, 0, 5000000) || !set(ids[2], 700, 1, 3, 5) ||
	    !set(ids[3], 900, 0, 1, 7) || !set(ids[5], 0, 1000000, 0, 7000000) ||
	    !set(ids[6], 0, 1000000, 0, 0) || !set(ids[8], 800, 0, 0, 0))
		return false;
	victim_sleep(30);
	return true;
}

static bool is_left(int id, long least, long most, long isec, long insec)
{
	struct itimerspec s;

	return expect(syscall(SYS_timer_gettime, id, &s) == 0) &&
	       expect(s.it_value.tv_sec >= least) && expect(s.it_value.tv_sec <= most) &&
	       expect(s.it_interval.tv_sec == isec) && expect(s.it_interval.tv_nsec == insec);
}

/* Take @sig of a timer; with its value, and number. */
static bool take(int sig, int value, int id, long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	while (sigtimedwait(&set, &info, &t) < 0)
		if (!expect(errno == EINTR))
			return false;
	return expect(info.si_code == SI_TIMER) && expect(info.si_value.sival_int == value) &&
	       expect(info.si_timerid == id);
}

static bool took_nothing(int sig)
{
	struct timespec none = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	return expect(sigtimedwait(&set, NULL, &none) < 0);
}

static bool ticks_on(void)
{
	int start = ticks;

	for (int i = 0; i < 1000 && ticks < start + 5; i++)
		victim_sleep(5);
	return expect(ticks >= start + 5) && expect(value_seen == 4242);
}

static bool numbers_are_same(void)
{
	struct itimerspec s;

	for (int i = 0; i < NR; i++)
		if (ids[i] >= 0 && !expect(syscall(SYS_timer_gettime, ids[i], &s) == 0))
			return false;
	return expect(syscall(SYS_timer_gettime, deleted, &s) < 0);
}

static bool same(void)
{
	return numbers_are_same() && ticks_on() && is_left(ids[2], 600, 700, 3, 5) &&
	       is_left(ids[3], 800, 900, 1, 7) && is_left(ids[8], 700, 800, 0, 0) &&
	       is_left(ids[9], 0, 0, 0, 0) && take(SIGRTMIN + 6, 906, ids[6], 0) &&
	       took_nothing(SIGRTMIN + 6) && take(SIGRTMIN + 5, 905, ids[5], 0) &&
	       take(SIGRTMIN + 5, 905, ids[5], 1000) && take(SIGRTMIN + 5, 905, ids[5], 1000);
}

VICTIM(make, same)
