/* SPDX-License-Identifier: GPL-2.0-only */
/* clocks that only go forward do so, whoever reads them, by the vdso or a system call, whatever happens */
#include <pthread.h>
#include <sys/syscall.h>

#include "victim.h"

static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW,
				    CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME };
enum { NR = sizeof(clocks) / sizeof(clocks[0]), LONGEST = 60 };

static pthread_t thread;
static volatile bool stop, made;
static volatile int backwards = -1;
static int64_t first[NR];

static int64_t now(clockid_t clock, bool by_vdso)
{
	struct timespec t;

	if (by_vdso)
		clock_gettime(clock, &t);
	else
		syscall(SYS_clock_gettime, clock, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void *watch(void *arg)
{
	int64_t last[NR] = { 0 };

	for (unsigned int n = 0; !stop; n++) {
		for (int i = 0; i < NR; i++) {
			int64_t t = now(clocks[i], n % 3);

			if (t < last[i])
				backwards = i;
			last[i] = t;
		}
		made = true;
	}
	return NULL;
}

static bool make(void)
{
	for (int i = 0; i < NR; i++)
		first[i] = now(clocks[i], true);
	if (pthread_create(&thread, NULL, watch, NULL))
		return false;
	while (!made)
		victim_sleep(1);
	return true;
}

static bool same(void)
{
	stop = true;
	pthread_join(thread, NULL);
	for (int i = 0; i < NR; i++) {
		int64_t passed = now(clocks[i], false) - first[i];

		if (!expect(passed > 0) || !expect(passed < LONGEST * 1000000000ll))
			return false;
	}
	return expect(backwards == -1);
}

VICTIM(make, same)
