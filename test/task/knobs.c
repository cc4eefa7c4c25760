/* SPDX-License-Identifier: GPL-2.0-only */
/* memory policy, time stamp counter, machine checks of threads; locking and merging of memory to come */
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "victim.h"

enum {
	SET_MEMORY_MERGE = 67, /* Linux 6.4 */
	GET_MEMORY_MERGE = 68,
	NR_NODES = 1024,
	PAGES = 7,
	PAGE = 4096,
};

struct knobs {
	int policy, mce, tsc;
	uint64_t nodes[NR_NODES / 64];
};

static struct knobs before[2], now[2];
static pthread_barrier_t barrier;
static int merge;
static char *lazy;

static void get(struct knobs *k)
{
	memset(k, 0, sizeof(*k));
	syscall(SYS_get_mempolicy, &k->policy, k->nodes, NR_NODES, 0, 0);
	k->mce = prctl(PR_MCE_KILL_GET, 0, 0, 0, 0);
	prctl(PR_GET_TSC, &k->tsc);
}

/* After this, no call that reads the clock without the kernel. */
static void *run(void *arg)
{
	uint64_t nodes = 1;

	syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &nodes, 64);
	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0);
	prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
	get(&before[1]);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	get(&now[1]);
	pthread_barrier_wait(&barrier);
	return NULL;
}

/* Is memory mapped now locked, and there? */
static bool is_locked(const char *p, bool *there_ret)
{
	unsigned char there = 0;

	mincore((void *)(uintptr_t)p, PAGE, &there);
	*there_ret = there & 1;
	return msync((void *)(uintptr_t)p, PAGE, MS_ASYNC | MS_INVALIDATE) < 0 && errno == EBUSY;
}

static char *map(void)
{
	return mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static bool make(void)
{
	uint64_t nodes = 1;
	pthread_t t;

	lazy = map();
	if (!expect(mlock2(lazy, PAGES * PAGE, MLOCK_ONFAULT) == 0))
		return false;
	lazy[2 * PAGE] = 5;

	pthread_barrier_init(&barrier, NULL, 2);
	if (pthread_create(&t, NULL, run, NULL))
		return false;
	pthread_barrier_wait(&barrier);

	syscall(SYS_set_mempolicy, MPOL_PREFERRED, &nodes, 64);
	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
	prctl(SET_MEMORY_MERGE, 1, 0, 0, 0);
	merge = prctl(GET_MEMORY_MERGE, 0, 0, 0, 0);
	get(&before[0]);
	return expect(mlockall(MCL_FUTURE | MCL_ONFAULT) == 0);
}

static bool same(void)
{
	bool there;

	get(&now[0]);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 2; i++)
		if (!expect(now[i].policy == before[i].policy) ||
		    !expect(now[i].mce == before[i].mce) || !expect(now[i].tsc == before[i].tsc) ||
		    !expect(memcmp(now[i].nodes, before[i].nodes, sizeof(now[i].nodes)) == 0))
			return expect(i < 0);

	return expect(is_locked(map(), &there)) && expect(!there) &&
	       expect(is_locked(lazy, &there)) && expect(!there) &&
	       expect(is_locked(lazy + 2 * PAGE, &there)) && expect(there) &&
	       expect(lazy[2 * PAGE] == 5) && expect(prctl(GET_MEMORY_MERGE, 0, 0, 0, 0) == merge);
}

VICTIM(make, same)
