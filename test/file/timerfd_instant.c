/* SPDX-License-Identifier: GPL-2.0-only */
/* timers expire all the time while they are dumped: each does so once, none never */
#include <poll.h>
#include <sys/timerfd.h>

#include "victim.h"

enum { TIMERS = 900, GAP_US = 1700 };

static int timers[TIMERS], periodic;

static bool make(void)
{
	struct itimerspec it = { .it_value = { 0, 1 }, .it_interval = { 0, 300000 } };
	int i;

	periodic = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	if (!expect(periodic >= 0) || !expect(timerfd_settime(periodic, 0, &it, NULL) == 0))
		return false;
	for (i = 0; i < TIMERS; i++) {
		long us = (i + 1L) * GAP_US;

		it = (struct itimerspec){ .it_value = { us / 1000000, us % 1000000 * 1000 } };
		timers[i] = timerfd_create(i % 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME, TFD_NONBLOCK);
		if (!expect(timers[i] >= 0) ||
		    !expect(timerfd_settime(timers[i], 0, &it, NULL) == 0))
			return false;
	}
	return true;
}

static bool fires(int fd, uint64_t most)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n = 0;

	return expect(poll(&p, 1, 3000) == 1) && expect(read(fd, &n, sizeof(n)) == sizeof(n)) &&
	       expect(n >= 1) && expect(n <= most);
}

static bool same(void)
{
	int i;

	if (!fires(periodic, UINT64_MAX) || !fires(periodic, UINT64_MAX))
		return false;
	for (i = 0; i < TIMERS; i++)
		if (!fires(timers[i], 1)) {
			fprintf(stderr, "timer %d\n", i);
			return false;
		}
	return true;
}

VICTIM(make, same)
