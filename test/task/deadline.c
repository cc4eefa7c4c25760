/* SPDX-License-Identifier: GPL-2.0-only */
/* SCHED_DEADLINE of a thread and of a task: runtime, deadline and period */
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

/* libc and the kernel's headers cannot both be included */
struct sched_attr {
	uint32_t size, sched_policy;
	uint64_t sched_flags;
	int32_t sched_nice;
	uint32_t sched_priority;
	uint64_t sched_runtime, sched_deadline, sched_period;
};

enum { DEADLINE = 6, RESET_ON_FORK = 1 };

static const struct sched_attr wishes[2] = {
	{ .size = sizeof(wishes[0]),
	  .sched_policy = DEADLINE,
	  .sched_runtime = 1000003,
	  .sched_deadline = 20000017,
	  .sched_period = 50000021 },
	{ .size = sizeof(wishes[0]),
	  .sched_policy = DEADLINE,
	  .sched_flags = RESET_ON_FORK,
	  .sched_runtime = 2000003,
	  .sched_deadline = 30000019,
	  .sched_period = 30000019 },
};

static pthread_t thread;
static volatile pid_t tid, child;
static volatile bool end, look;
static volatile long rounds;

static void *run(void *arg)
{
	tid = (pid_t)syscall(SYS_gettid);
	while (!end) {
		victim_sleep(2);
		rounds++;
	}
	return NULL;
}

static bool make(void)
{
	if (pthread_create(&thread, NULL, run, NULL))
		return false;
	child = fork();
	if (child == 0)
		for (;;)
			pause();
	while (!tid)
		victim_sleep(1);
	if (syscall(SYS_sched_setattr, tid, &wishes[0], 0) < 0 &&
	    (errno == EPERM || errno == ENOSYS || errno == EBUSY))
		skip("SCHED_DEADLINE is not allowed here");
	return expect(syscall(SYS_sched_setattr, child, &wishes[1], 0) == 0);
}

static bool has(pid_t who, const struct sched_attr *wish)
{
	struct sched_attr now = { .size = sizeof(now) };

	return expect(syscall(SYS_sched_getattr, who, &now, sizeof(now), 0) == 0) &&
	       expect(now.sched_policy == DEADLINE) &&
	       expect(now.sched_flags == wish->sched_flags) &&
	       expect(now.sched_runtime == wish->sched_runtime) &&
	       expect(now.sched_deadline == wish->sched_deadline) &&
	       expect(now.sched_period == wish->sched_period);
}

static bool same(void)
{
	long before = rounds;

	victim_sleep(200);
	if (!expect(rounds > before) || !has(tid, &wishes[0]) || !has(child, &wishes[1]))
		return false;
	end = true;
	pthread_join(thread, NULL);
	return expect(kill(child, SIGKILL) == 0) && expect(waitpid(child, NULL, 0) == child);
}

VICTIM(make, same)
