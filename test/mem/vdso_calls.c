/* SPDX-License-Identifier: GPL-2.0-only */
/* every function of the vdso can be called at its old address */
#include <dlfcn.h>
#include <sys/time.h>

#include "victim.h"

static int (*p_clock_gettime)(clockid_t, struct timespec *);
static int (*p_clock_getres)(clockid_t, struct timespec *);
static int (*p_gettimeofday)(struct timeval *, void *);
static time_t (*p_time)(time_t *);
static int (*p_getcpu)(unsigned int *, unsigned int *, void *);
static struct timespec start;

static bool make(void)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);

	if (!vdso)
		skip("this machine has no linux-vdso.so.1");
	p_clock_gettime = dlsym(vdso, "__vdso_clock_gettime");
	p_clock_getres = dlsym(vdso, "__vdso_clock_getres");
	p_gettimeofday = dlsym(vdso, "__vdso_gettimeofday");
	p_time = dlsym(vdso, "__vdso_time");
	p_getcpu = dlsym(vdso, "__vdso_getcpu");
	return expect(p_clock_gettime && p_clock_getres && p_gettimeofday && p_time && p_getcpu) &&
	       expect(p_clock_gettime(CLOCK_MONOTONIC, &start) == 0);
}

static bool same(void)
{
	struct timespec mono, real, res;
	struct timeval tv;
	unsigned int cpu = 9999, node;

	return expect(p_clock_gettime(CLOCK_MONOTONIC, &mono) == 0 && mono.tv_sec >= start.tv_sec &&
		      mono.tv_sec < start.tv_sec + 100) &&
	       expect(clock_gettime(CLOCK_REALTIME, &real) == 0) &&
	       expect(p_gettimeofday(&tv, NULL) == 0) &&
	       expect(labs(tv.tv_sec - real.tv_sec) <= 1) &&
	       expect(labs(p_time(NULL) - real.tv_sec) <= 1) &&
	       expect(p_clock_getres(CLOCK_MONOTONIC, &res) == 0 && res.tv_nsec == 1) &&
	       expect(p_getcpu(&cpu, &node, NULL) == 0 && cpu < 9999);
}

VICTIM(make, same)
