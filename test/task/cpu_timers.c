/* SPDX-License-Identifier: GPL-2.0-only */
/* timers for the CPU time of threads: each goes on counting that of its own thread, and of no other */
#include <pthread.h>
#include <sys/syscall.h>

#include "victim.h"

enum { NR = 3, LEFT_MS = 40 };

static pthread_t threads[NR];
static int ids[NR];
static volatile int told[NR];
static volatile bool made[NR], work[NR], end;

static void expired(int sig, siginfo_t *info, void *context)
{
	told[info->si_value.sival_int]++;
}

/* Uses CPU time only when it is told to. */
static void *run(void *arg)
{
	int i = (int)(intptr_t)arg;
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = SIGRTMIN + 3,
			       .sigev_value.sival_int = i };
	struct itimerspec spec = { .it_value = { .tv_nsec = LEFT_MS * 1000000 + i * 1000 } };

	if (syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &ev, &ids[i]) < 0 ||
	    syscall(SYS_timer_settime, ids[i], 0, &spec, NULL) < 0)
		abort();
	made[i] = true;
	while (!end) {
		if (!work[i])
			victim_sleep(3);
	}
	return NULL;
}

static bool make(void)
{
	struct sigaction sa = { .sa_sigaction = expired, .sa_flags = SA_SIGINFO | SA_RESTART };

	sigaction(SIGRTMIN + 3, &sa, NULL);
	for (int i = 0; i < NR; i++) {
		if (pthread_create(&threads[i], NULL, run, (void *)(intptr_t)i))
			return false;
		while (!made[i])
			victim_sleep(1);
	}
	return true;
}

static long left_us(int i)
{
	struct itimerspec now;

	if (!expect(syscall(SYS_timer_gettime, ids[i], &now) == 0))
		return -1;
	return now.it_value.tv_sec * 1000000 + now.it_value.tv_nsec / 1000;
}

/* One after the other works until its timer tells it. */
static bool same(void)
{
	for (int i = NR - 1; i >= 0; i--) {
		long before[NR];

		for (int k = 0; k < NR; k++)
			before[k] = left_us(k);
		if (!expect(told[i] == 0) || !expect(before[i] > 0) ||
		    !expect(before[i] <= LEFT_MS * 1000 + i))
			return false;
		work[i] = true;
		for (int n = 0; n < 5000 && !told[i]; n++)
			victim_sleep(1);
		work[i] = false;
		if (!expect(told[i] == 1))
			return false;
		for (int k = 0; k < i; k++)
			if (!expect(told[k] == 0) || !expect(left_us(k) > before[k] - 15000))
				return false;
	}
	end = true;
	for (int i = 0; i < NR; i++)
		pthread_join(threads[i], NULL);
	return true;
}

VICTIM(make, same)
