/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clocks with a start of their own go on, and never back
 *
 * inside: pt */
#include <sys/syscall.h>

#include "victim.h"

enum { AHEAD = 1000000 }; /* seconds; see test/inside.c */

static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME };
static struct timespec start[2];

static bool make(void)
{
	return expect(clock_gettime(clocks[0], &start[0]) == 0) &&
	       expect(clock_gettime(clocks[1], &start[1]) == 0) &&
	       expect(start[0].tv_sec >= AHEAD) && expect(start[1].tv_sec >= 2 * AHEAD);
}

/* By way of the vdso, and without it. */
static bool goes_on(clockid_t id, const struct timespec *from)
{
	struct timespec vdso, kernel;

	return expect(clock_gettime(id, &vdso) == 0) &&
	       expect(syscall(SYS_clock_gettime, id, &kernel) == 0) &&
	       expect(vdso.tv_sec >= from->tv_sec) && expect(vdso.tv_sec < from->tv_sec + 1000) &&
	       expect(kernel.tv_sec - vdso.tv_sec <= 5) && expect(kernel.tv_sec >= vdso.tv_sec);
}

static bool same(void)
{
	return goes_on(clocks[0], &start[0]) && goes_on(clocks[1], &start[1]);
}

VICTIM(make, same)
