/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * threads that are in no Landlock domain, though they may do little: of other users, without
 * capabilities, not dumpable, with no_new_privs
 */
#include <linux/capability.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "victim.h"

enum { NR_THREADS = 3 };

static const unsigned int users[NR_THREADS] = { 18943, 0, 18944 };
static volatile int nr_ready;
static volatile bool look;
static bool good[NR_THREADS];

static bool drop(unsigned int user)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { 0 };

	return syscall(SYS_setresgid, user, user, user + 1) == 0 &&
	       syscall(SYS_setresuid, user, user, user) == 0 &&
	       syscall(SYS_capset, &head, none) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static bool is(unsigned int user)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct has[2];
	unsigned int r, e, s;

	return expect(syscall(SYS_getresuid, &r, &e, &s) == 0 && e == user && s == user) &&
	       expect(syscall(SYS_getresgid, &r, &e, &s) == 0 && e == user && s == user + 1) &&
	       expect(syscall(SYS_capget, &head, has) == 0) &&
	       expect(!has[0].permitted && !has[1].permitted) &&
	       expect(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void *run(void *arg)
{
	size_t i = (size_t)arg;

	good[i] = drop(users[i]);
	__atomic_add_fetch(&nr_ready, 1, __ATOMIC_SEQ_CST);
	while (!look)
		victim_sleep(1);
	good[i] = good[i] && is(users[i]);
	return NULL;
}

static pthread_t threads[NR_THREADS];

static bool make(void)
{
	for (size_t i = 0; i < NR_THREADS; i++)
		if (pthread_create(&threads[i], NULL, run, (void *)i))
			return false;
	while (nr_ready < NR_THREADS)
		victim_sleep(1);
	return expect(good[0] && good[1] && good[2]) && expect(prctl(PR_SET_DUMPABLE, 0) == 0);
}

static bool same(void)
{
	look = true;
	for (size_t i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	return expect(good[0] && good[1] && good[2]) && expect(prctl(PR_GET_DUMPABLE) == 0);
}

VICTIM(make, same)
