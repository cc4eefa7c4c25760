/* SPDX-License-Identifier: GPL-2.0-only */
/* PR_SET_PDEATHSIG of the root and its threads is kept, and the end of criu-lite is no death of a parent */
#include <pthread.h>
#include <sys/prctl.h>

#include "victim.h"

static pthread_barrier_t barrier;
static pthread_t thread;

static void *run(void *arg)
{
	int sig = 0;

	prctl(PR_SET_PDEATHSIG, SIGUSR2);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	prctl(PR_GET_PDEATHSIG, &sig);
	return (void *)(long)(sig == SIGUSR2);
}

static bool make(void)
{
	/* who has started us is about to end, and would be taken at his word */
	for (int i = 0; getppid() != 1 && i < 2000; i++)
		victim_sleep(1);
	pthread_barrier_init(&barrier, NULL, 2);
	if (!expect(pthread_create(&thread, NULL, run, NULL) == 0))
		return false;
	pthread_barrier_wait(&barrier);
	return expect(prctl(PR_SET_PDEATHSIG, SIGHUP) == 0);
}

static bool same(void)
{
	int sig = 0;
	void *ok;

	pthread_barrier_wait(&barrier);
	pthread_join(thread, &ok);
	prctl(PR_GET_PDEATHSIG, &sig);
	return expect(ok) && expect(sig == SIGHUP);
}

VICTIM(make, same)
