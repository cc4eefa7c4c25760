/* SPDX-License-Identifier: GPL-2.0-only */
/* mutexes, a condition and a semaphore that processes and threads share: who waits goes on waiting */
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

static struct {
	pthread_mutex_t held, guard, recursive;
	pthread_cond_t changed;
	sem_t sem;
	volatile int value, seen, got, posted;
} * s;

static pthread_t thread;
static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
static volatile int thread_got;
static pid_t children[3];

static void *wait_for_own(void *arg)
{
	pthread_mutex_lock(&own);
	thread_got = 13;
	pthread_mutex_unlock(&own);
	return NULL;
}

static void wait_held(void)
{
	s->seen++;
	pthread_mutex_lock(&s->held);
	s->got++;
	pthread_mutex_unlock(&s->held);
	_exit(0);
}

static void wait_changed(void)
{
	pthread_mutex_lock(&s->guard);
	s->seen++;
	while (s->value != 31)
		pthread_cond_wait(&s->changed, &s->guard);
	pthread_mutex_unlock(&s->guard);
	_exit(0);
}

static void wait_sem(void)
{
	__atomic_add_fetch(&s->seen, 1, __ATOMIC_RELAXED);
	while (sem_wait(&s->sem) < 0)
		;
	s->posted++;
	_exit(0);
}

static pid_t child_new(void (*run)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		run();
	while (pid > 0 && s->seen == 0)
		victim_sleep(1);
	s->seen = 0;
	return pid;
}

static bool mutex_init(pthread_mutex_t *m, int type)
{
	pthread_mutexattr_t a;

	return pthread_mutexattr_init(&a) == 0 && pthread_mutexattr_settype(&a, type) == 0 &&
	       pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) == 0 &&
	       pthread_mutex_init(m, &a) == 0;
}

static bool make(void)
{
	pthread_condattr_t a;

	s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED || !mutex_init(&s->held, PTHREAD_MUTEX_NORMAL) ||
	    !mutex_init(&s->guard, PTHREAD_MUTEX_NORMAL) ||
	    !mutex_init(&s->recursive, PTHREAD_MUTEX_RECURSIVE) || pthread_condattr_init(&a) ||
	    pthread_condattr_setpshared(&a, PTHREAD_PROCESS_SHARED) ||
	    pthread_cond_init(&s->changed, &a) || sem_init(&s->sem, 1, 0))
		return false;
	pthread_mutex_lock(&s->held);
	pthread_mutex_lock(&s->recursive);
	pthread_mutex_lock(&s->recursive);
	pthread_mutex_lock(&own);
	children[0] = child_new(wait_held);
	children[1] = child_new(wait_changed);
	children[2] = child_new(wait_sem);
	if (pthread_create(&thread, NULL, wait_for_own, NULL))
		return false;
	victim_sleep(20);
	return true;
}

static bool ended(pid_t pid)
{
	int status;

	return expect(waitpid(pid, &status, 0) == pid) && expect(status == 0);
}

static bool same(void)
{
	victim_sleep(20);
	if (!expect(s->got == 0) || !expect(s->posted == 0) || !expect(thread_got == 0) ||
	    !expect(pthread_mutex_trylock(&s->held) == EBUSY))
		return false;
	pthread_mutex_unlock(&s->held);
	pthread_mutex_unlock(&own);
	pthread_join(thread, NULL);
	pthread_mutex_lock(&s->guard);
	s->value = 31;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->guard);
	sem_post(&s->sem);
	return ended(children[0]) && ended(children[1]) && ended(children[2]) &&
	       expect(s->got == 1) && expect(s->posted == 1) && expect(thread_got == 13) &&
	       expect(pthread_mutex_unlock(&s->recursive) == 0) &&
	       expect(pthread_mutex_unlock(&s->recursive) == 0) &&
	       expect(pthread_mutex_unlock(&s->recursive) == EPERM);
}

VICTIM(make, same)
