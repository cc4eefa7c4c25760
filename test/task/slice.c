/* SPDX-License-Identifier: GPL-2.0-only */
/* time slices of threads, next to their CPUs, timer slack and I/O priority; coredump_filter, autogroup */
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "victim.h"

/* libc and the kernel's headers cannot both be included */
struct sched_attr {
	uint32_t size, sched_policy;
	uint64_t sched_flags;
	int32_t sched_nice;
	uint32_t sched_priority;
	uint64_t sched_runtime, sched_deadline, sched_period;
	uint32_t sched_util_min, sched_util_max;
};

struct attrs {
	cpu_set_t cpus;
	struct sched_attr sched;
	unsigned long slack;
	int io;
};

/* what thread 0 has, and what thread 1 gets; the third one is left alone */
static const struct wish {
	uint64_t slice;
	unsigned long slack;
	int io;
} wishes[] = { { 7100000, 77777, 2 << 13 | 5 }, { 0, 123457, 3 << 13 }, { 0, 0, 0 } };

enum { NR = sizeof(wishes) / sizeof(wishes[0]) };

static struct attrs before[NR], now[NR];
static unsigned int filter;
static int nice_of_group;
static pthread_barrier_t barrier;

static bool get(struct attrs *a)
{
	memset(a, 0, sizeof(*a));
	a->slack = (unsigned long)prctl(PR_GET_TIMERSLACK);
	a->io = (int)syscall(SYS_ioprio_get, 1, 0);
	return expect(sched_getaffinity(0, sizeof(a->cpus), &a->cpus) == 0) &&
	       expect(syscall(SYS_sched_getattr, 0, &a->sched, sizeof(a->sched), 0) == 0);
}

static int last_cpu(void)
{
	cpu_set_t all;
	int cpu = CPU_SETSIZE - 1;

	sched_getaffinity(0, sizeof(all), &all);
	while (cpu > 0 && !CPU_ISSET(cpu, &all))
		cpu--;
	return cpu;
}

static bool want(const struct wish *w)
{
	struct sched_attr a = { .size = sizeof(a), .sched_nice = 3, .sched_runtime = w->slice };
	cpu_set_t one;

	if (!w->slack)
		return true;
	CPU_ZERO(&one);
	CPU_SET(last_cpu(), &one);
	return expect(prctl(PR_SET_TIMERSLACK, w->slack) == 0) &&
	       expect(syscall(SYS_ioprio_set, 1, 0, w->io) == 0) &&
	       expect(sched_setaffinity(0, sizeof(one), &one) == 0) &&
	       expect(syscall(SYS_sched_setattr, 0, &a, 0) == 0);
}

static void *run(void *arg)
{
	intptr_t i = (intptr_t)arg;

	if (!want(&wishes[i]) || !get(&before[i]))
		exit(1);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	get(&now[i]);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static unsigned int get_filter(void)
{
	unsigned int n = 0;
	FILE *f = fopen("/proc/self/coredump_filter", "r");

	if (f) {
		if (fscanf(f, "%x", &n) != 1)
			n = 0;
		fclose(f);
	}
	return n;
}

static int get_autogroup(void)
{
	FILE *f = fopen("/proc/self/autogroup", "r");
	int n = 0;

	if (f) {
		if (fscanf(f, "/autogroup-%*d nice %d", &n) != 1)
			n = 0;
		fclose(f);
	}
	return n;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static bool make(void)
{
	pthread_t t;

	pthread_barrier_init(&barrier, NULL, NR);
	for (intptr_t i = 1; i < NR; i++)
		if (pthread_create(&t, NULL, run, (void *)i))
			return false;
	if (!want(&wishes[0]) || !get(&before[0]))
		return false;
	put("/proc/self/coredump_filter", "0x57");
	put("/proc/self/autogroup", "7");
	filter = get_filter();
	nice_of_group = get_autogroup();
	pthread_barrier_wait(&barrier);
	return true;
}

static bool is_same(const struct attrs *a, const struct attrs *b)
{
	return expect(CPU_EQUAL(&a->cpus, &b->cpus)) && expect(a->slack == b->slack) &&
	       expect(a->io == b->io) && expect(a->sched.sched_nice == b->sched.sched_nice) &&
	       expect(a->sched.sched_runtime == b->sched.sched_runtime) &&
	       expect(a->sched.sched_util_min == b->sched.sched_util_min) &&
	       expect(a->sched.sched_util_max == b->sched.sched_util_max);
}

static bool same(void)
{
	get(&now[0]);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < NR; i++)
		if (!is_same(&now[i], &before[i]))
			return expect(i < 0);
	return expect(get_filter() == filter) && expect(get_autogroup() == nice_of_group);
}

VICTIM(make, same)
