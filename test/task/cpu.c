/* SPDX-License-Identifier: GPL-2.0-only */
/* on which CPU a thread may run, its I/O priority and timer slack, each thread its own */
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "victim.h"

enum { WHO_PROCESS = 1, IDLE_CLASS = 3 << 13, BEST_EFFORT_6 = 2 << 13 | 6 };

static pthread_barrier_t barrier;
static pthread_t thread;
static int last_cpu;

static bool only_runs_on(int cpu)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1 &&
	       CPU_ISSET(cpu, &set);
}

static bool choose(int cpu, int ioprio, unsigned long slack)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return expect(sched_setaffinity(0, sizeof(set), &set) == 0) &&
	       expect(syscall(SYS_ioprio_set, WHO_PROCESS, 0, ioprio) == 0) &&
	       expect(prctl(PR_SET_TIMERSLACK, slack) == 0);
}

static bool is(int cpu, int ioprio, int slack)
{
	return expect(only_runs_on(cpu)) &&
	       expect(syscall(SYS_ioprio_get, WHO_PROCESS, 0) == ioprio) &&
	       expect(prctl(PR_GET_TIMERSLACK) == slack);
}

static void *run(void *arg)
{
	bool ok = choose(last_cpu, IDLE_CLASS, 7);

	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return (void *)(long)(ok && is(last_cpu, IDLE_CLASS, 7));
}

static bool make(void)
{
	cpu_set_t set;
	int first = -1;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return false;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set)) {
			first = first < 0 ? i : first;
			last_cpu = i;
		}
	if (first == last_cpu)
		skip("this machine has only one CPU");

	pthread_barrier_init(&barrier, NULL, 2);
	if (!expect(pthread_create(&thread, NULL, run, NULL) == 0))
		return false;
	pthread_barrier_wait(&barrier);
	return choose(first, BEST_EFFORT_6, 123457);
}

static bool same(void)
{
	int first = last_cpu;
	void *ok;

	for (int i = last_cpu; i >= 0; i--)
		first = only_runs_on(i) ? i : first;
	pthread_barrier_wait(&barrier);
	pthread_join(thread, &ok);
	return is(first, BEST_EFFORT_6, 123457) && expect(first != last_cpu) && expect(ok);
}

VICTIM(make, same)
