/* SPDX-License-Identifier: GPL-2.0-only */
/* a robust mutex: its owner, who ends after the restore, is noticed */
#include <pthread.h>

#include "victim.h"

static pthread_mutex_t mutex;
static pthread_t owner;
static volatile bool locked, end;

static void *own(void *arg)
{
	pthread_mutex_lock(&mutex);
	locked = true;
	while (!end)
		victim_sleep(1);
	return NULL;
}

static bool make(void)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&mutex, &a);
	if (pthread_create(&owner, NULL, own, NULL))
		return false;
	while (!locked)
		victim_sleep(1);
	return true;
}

static bool same(void)
{
	if (!expect(pthread_mutex_trylock(&mutex) == EBUSY))
		return false;
	end = true;
	pthread_join(owner, NULL);
	return expect(pthread_mutex_lock(&mutex) == EOWNERDEAD) &&
	       expect(pthread_mutex_consistent(&mutex) == 0) &&
	       expect(pthread_mutex_unlock(&mutex) == 0);
}

VICTIM(make, same)
