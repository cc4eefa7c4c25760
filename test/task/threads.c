/* SPDX-License-Identifier: GPL-2.0-only */
/* threads: tids, names, thread-local memory, masks and alternate stacks of their own */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "victim.h"

enum { NR = 5, STACK = 32768 };

struct one {
	pthread_t thread;
	pid_t tid;
	char name[16];
	char stack[STACK];
	sigset_t mask;
	volatile bool good;
};

static struct one all[NR];
static __thread uint64_t local[7];
static pthread_barrier_t made, look;

static uint64_t invented(int i, int n)
{
	return 0x9e3779b97f4a7c15ull * (uint64_t)(i * 100 + n + 1);
}

static void make_one(struct one *o)
{
	stack_t sas = { .ss_sp = o->stack, .ss_size = STACK - 512 * (size_t)(o - all) };

	o->tid = (pid_t)syscall(SYS_gettid);
	snprintf(o->name, sizeof(o->name), "victim thread %d", (int)(o - all));
	prctl(PR_SET_NAME, o->name);
	for (int n = 0; n < 7; n++)
		local[n] = invented((int)(o - all), n);
	sigaltstack(&sas, NULL);
	sigemptyset(&o->mask);
	sigaddset(&o->mask, SIGRTMIN + (int)(o - all));
	sigaddset(&o->mask, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &o->mask, NULL);
}

static bool is_same(struct one *o)
{
	sigset_t mask;
	char name[16] = "";
	stack_t sas;

	prctl(PR_GET_NAME, name);
	for (int n = 0; n < 7; n++)
		if (!expect(local[n] == invented((int)(o - all), n)))
			return false;
	sigaltstack(NULL, &sas);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	return expect(o->tid == (pid_t)syscall(SYS_gettid)) && expect(strcmp(name, o->name) == 0) &&
	       expect(sas.ss_sp == o->stack) &&
	       expect(sas.ss_size == STACK - 512 * (size_t)(o - all)) &&
	       expect(memcmp(&mask, &o->mask, 8) == 0);
}

static void *run(void *arg)
{
	struct one *o = arg;

	make_one(o);
	pthread_barrier_wait(&made);
	pthread_barrier_wait(&look);
	o->good = is_same(o);
	return NULL;
}

static bool make(void)
{
	pthread_barrier_init(&made, NULL, NR);
	pthread_barrier_init(&look, NULL, NR);
	make_one(&all[0]);
	for (int i = 1; i < NR; i++)
		if (pthread_create(&all[i].thread, NULL, run, &all[i]))
			return false;
	pthread_barrier_wait(&made);
	return true;
}

/* A new thread can be made too: all that libc keeps of itself still holds. */
static void *nothing(void *arg)
{
	local[0] = 1;
	return &all[3];
}

static bool same(void)
{
	bool good = is_same(&all[0]);
	pthread_t t;
	void *ret;

	pthread_barrier_wait(&look);
	for (int i = 1; i < NR; i++) {
		pthread_join(all[i].thread, NULL);
		good = expect(all[i].good) && good;
	}
	return good && expect(pthread_create(&t, NULL, nothing, NULL) == 0) &&
	       expect(pthread_join(t, &ret) == 0) && expect(ret == &all[3]);
}

VICTIM(make, same)
