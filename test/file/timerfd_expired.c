/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * a periodic timerfd that has expired when it is dumped, and was not read,
 * counts on and fires again
 */
#include <poll.h>
#include <sys/timerfd.h>

#include "victim.h"

enum { SLOW_MS = 300, FAST_MS = 1 };

static int slow, fast;
static struct timespec begin;

static long ms_since(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - t->tv_sec) * 1000 + (now.tv_nsec - t->tv_nsec) / 1000000;
}

static int periodic(long ms)
{
	struct itimerspec it = { .it_value = { 0, 1 }, .it_interval = { 0, ms * 1000000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

	return fd < 0 || timerfd_settime(fd, 0, &it, NULL) < 0 ? -1 : fd;
}

static bool make(void)
{
	if (!expect((slow = periodic(SLOW_MS)) >= 0) || !expect((fast = periodic(FAST_MS)) >= 0))
		return false;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	victim_sleep(2 * SLOW_MS + 10);
	return true;
}

/* It expired at least three times; the next is a period away at most. */
static bool goes_on(int fd, long ms, uint64_t least)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n;

	return expect(read(fd, &n, sizeof(n)) == sizeof(n)) && expect(n >= least) &&
	       expect((long)n <= ms_since(&begin) / ms + 2) &&
	       expect(poll(&p, 1, (int)ms + 100) == 1) &&
	       expect(read(fd, &n, sizeof(n)) == sizeof(n)) && expect(n >= 1) &&
	       expect(poll(&p, 1, (int)ms + 100) == 1);
}

static bool same(void)
{
	return goes_on(slow, SLOW_MS, 3) && goes_on(fast, FAST_MS, 2 * SLOW_MS / FAST_MS);
}

VICTIM(make, same)
