/* SPDX-License-Identifier: GPL-2.0-only */
/* policies, priorities and niceness of threads */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "victim.h"

/* libc and the kernel's headers cannot both be included */
struct sched_attr {
	uint32_t size, sched_policy;
	uint64_t sched_flags;
	int32_t sched_nice;
	uint32_t sched_priority;
	uint64_t sched_runtime, sched_deadline, sched_period;
};

enum { RESET_ON_FORK = 1 };

static const struct wish {
	uint32_t policy, priority;
	int32_t nice;
	bool reset;
} wishes[] = {
	{ SCHED_OTHER, 0, 3, false }, { SCHED_BATCH, 0, 7, true }, { SCHED_IDLE, 0, 11, false },
	{ SCHED_RR, 13, 0, true },    { SCHED_FIFO, 2, 0, false }, { SCHED_OTHER, 0, -9, false },
};

enum { NR = sizeof(wishes) / sizeof(wishes[0]) };

static pid_t tids[NR];
static struct sched_attr before[NR];
static pthread_barrier_t barrier;

static void *run(void *arg)
{
	int i = (int)(intptr_t)arg;

	tids[i] = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
	return NULL;
}

static bool get(int i, struct sched_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	return expect(syscall(SYS_sched_getattr, tids[i], attr, sizeof(*attr), 0) == 0);
}

static bool make(void)
{
	pthread_t t;

	pthread_barrier_init(&barrier, NULL, NR);
	for (int i = 1; i < NR; i++)
		if (pthread_create(&t, NULL, run, (void *)(intptr_t)i))
			return false;
	tids[0] = getpid();
	pthread_barrier_wait(&barrier);

	for (int i = 0; i < NR; i++) {
		struct sched_attr attr = {
			.size = sizeof(attr),
			.sched_policy = wishes[i].policy,
			.sched_nice = wishes[i].nice,
			.sched_priority = wishes[i].priority,
			.sched_flags = wishes[i].reset ? RESET_ON_FORK : 0,
		};

		/* real-time policies may be forbidden by the cgroup */
		if (syscall(SYS_sched_setattr, tids[i], &attr, 0) && !attr.sched_priority)
			return false;
		if (!get(i, &before[i]))
			return false;
	}
	return true;
}

static bool same(void)
{
	for (int i = 0; i < NR; i++) {
		struct sched_attr now;

		if (!get(i, &now) || !expect(now.sched_policy == before[i].sched_policy) ||
		    !expect(now.sched_nice == before[i].sched_nice) ||
		    !expect(now.sched_priority == before[i].sched_priority) ||
		    !expect(now.sched_flags == before[i].sched_flags))
			return expect(i < 0);
	}
	return true;
}

VICTIM(make, same)
