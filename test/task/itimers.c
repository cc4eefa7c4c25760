/* SPDX-License-Identifier: GPL-2.0-only */
/* interval timers: one ticks, one waits, one whose signal is pending ticks on when it is taken */
#include <sys/time.h>

#include "victim.h"

static volatile int ticks, profs;

static void tick(int sig)
{
	ticks++;
}

static void prof(int sig)
{
	profs++;
}

static bool make(void)
{
	struct itimerval fast = { { 0, 3000 }, { 0, 3000 } }, cpu = { { 5, 77 }, { 500, 999 } };
	struct itimerval virt = { { 0, 4000 }, { 0, 4000 } };
	sigset_t set;

	signal(SIGALRM, tick);
	signal(SIGVTALRM, prof);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (setitimer(ITIMER_REAL, &fast, NULL) || setitimer(ITIMER_PROF, &cpu, NULL) ||
	    setitimer(ITIMER_VIRTUAL, &virt, NULL))
		return false;
	victim_sleep(20); /* now its signal is pending and the kernel has stopped it */
	return true;
}

static void wait_for(volatile int *what, int n)
{
	time_t end = time(NULL) + 5;

	for (int start = *what; *what < start + n && time(NULL) < end;)
		;
}

static bool same(void)
{
	struct itimerval now;
	sigset_t set;

	sigpending(&set);
	if (!expect(sigismember(&set, SIGALRM)) || !expect(ticks == 0))
		return false;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	wait_for(&ticks, 5);
	wait_for(&profs, 3);
	getitimer(ITIMER_PROF, &now);
	return expect(ticks >= 5) && expect(profs >= 3) && expect(now.it_interval.tv_sec == 5) &&
	       expect(now.it_interval.tv_usec == 77) &&
	       expect(now.it_value.tv_sec >= 480 && now.it_value.tv_sec <= 500);
}

VICTIM(make, same)
