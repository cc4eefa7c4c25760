/* SPDX-License-Identifier: GPL-2.0-only */
/* restartable sequences: still registered, the kernel still writes the number of the CPU */
#include <linux/rseq.h>
#include <pthread.h>
#include <sched.h>
#include <sys/rseq.h>
#include <sys/syscall.h>

#include "victim.h"

static pthread_t thread;
static volatile bool made, look;
static volatile int good;

static volatile struct rseq *own(void)
{
	return (volatile struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

/* After moving to @cpu the area says so, and it cannot be registered once more. */
static bool follows(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return expect(sched_setaffinity(0, sizeof(set), &set) == 0) &&
	       expect((int)own()->cpu_id == cpu) && expect((int)own()->cpu_id_start == cpu);
}

static bool works(void)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);

	return follows(cpus - 1) && follows(0) && follows(cpus - 1) &&
	       expect(syscall(SYS_rseq, own(), 32, 0, RSEQ_SIG) < 0) && expect(errno == EBUSY);
}

static void *run(void *arg)
{
	made = true;
	while (!look)
		victim_sleep(1);
	good = works();
	return NULL;
}

static bool make(void)
{
	if (!__rseq_size)
		skip("libc has not registered rseq");
	if (pthread_create(&thread, NULL, run, NULL))
		return false;
	while (!made)
		victim_sleep(1);
	return true;
}

static bool same(void)
{
	look = true;
	pthread_join(thread, NULL);
	return expect(good) && works();
}

VICTIM(make, same)
