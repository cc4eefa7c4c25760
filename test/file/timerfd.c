/* SPDX-License-Identifier: GPL-2.0-only */
/* timerfds of all clocks, running, expired and disarmed, go on with what was left */
#include <sys/timerfd.h>

#include "victim.h"

static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME,
				    CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM };
enum { CLOCKS = sizeof(clocks) / sizeof(clocks[0]), ALARMS = 3, LEFT = 1000, INTERVAL = 77 };

static int running[CLOCKS], oneshot, disarmed, interval_only, absolute;
static struct timespec wall;

static int timer(clockid_t clock, int flags, struct itimerspec it)
{
	int fd = timerfd_create(clock, TFD_NONBLOCK);

	return fd < 0 || timerfd_settime(fd, flags, &it, NULL) < 0 ? -1 : fd;
}

static bool make(void)
{
	struct itimerspec it = { .it_value = { LEFT, 5 }, .it_interval = { INTERVAL, 999999999 } };
	struct itimerspec none = { 0 }, at = { 0 }, soon = { .it_value = { 0, 1 } };
	int i;

	for (i = 0; i < CLOCKS; i++) {
		running[i] = timer(clocks[i], 0, it);
		/* clocks that wake the machine are not for the root of a user namespace */
		if (!expect(running[i] >= 0 || (errno == EPERM && i >= ALARMS)))
			return false;
	}
	clock_gettime(CLOCK_REALTIME, &at.it_value);
	at.it_value.tv_sec += LEFT;
	wall = at.it_value;
	it.it_value = (struct timespec){ 0, 0 };
	if (!expect((oneshot = timer(CLOCK_MONOTONIC, 0, soon)) >= 0) ||
	    !expect((disarmed = timer(CLOCK_BOOTTIME, 0, none)) >= 0) ||
	    !expect((interval_only = timer(CLOCK_MONOTONIC, 0, it)) >= 0) ||
	    !expect((absolute = timer(CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
				      at)) >= 0))
		return false;
	victim_sleep(2);
	return true;
}

static bool is_left(int fd, time_t most, const struct timespec *interval)
{
	struct itimerspec it;

	return expect(timerfd_gettime(fd, &it) == 0) && expect(it.it_value.tv_sec <= most) &&
	       expect(it.it_value.tv_sec > most - 30) &&
	       expect(it.it_interval.tv_sec == interval->tv_sec) &&
	       expect(it.it_interval.tv_nsec == interval->tv_nsec);
}

static bool is_disarmed(int fd, time_t interval)
{
	struct itimerspec it;
	uint64_t n;

	return expect(timerfd_gettime(fd, &it) == 0) &&
	       expect(!it.it_value.tv_sec && !it.it_value.tv_nsec) &&
	       expect(it.it_interval.tv_sec == interval) && expect(read(fd, &n, sizeof(n)) == -1) &&
	       expect(errno == EAGAIN);
}

/* What is left of it ends at the very time it was set to, whatever happened meanwhile. */
static bool ends_at(int fd, const struct timespec *t)
{
	struct itimerspec it;
	struct timespec now;
	int64_t off = 0;
	int i;

	for (i = 0; i < 50; i++) {
		if (!expect(timerfd_gettime(fd, &it) == 0) ||
		    !expect(clock_gettime(CLOCK_REALTIME, &now) == 0))
			return false;
		off = (now.tv_sec + it.it_value.tv_sec - t->tv_sec) * 1000000000 + now.tv_nsec +
		      it.it_value.tv_nsec - t->tv_nsec;
		if (off > -2000000 && off < 2000000)
			return true;
		victim_sleep(1);
	}
	fprintf(stderr, "off by %" PRId64 " ns\n", off);
	return false;
}

static bool same(void)
{
	struct timespec none = { 0 }, interval = { INTERVAL, 999999999 };
	uint64_t n;
	int i;

	for (i = 0; i < CLOCKS; i++)
		if (running[i] >= 0 && !is_left(running[i], LEFT, &interval))
			return false;
	return expect(read(oneshot, &n, sizeof(n)) == sizeof(n)) && expect(n == 1) &&
	       is_disarmed(oneshot, 0) && is_disarmed(disarmed, 0) &&
	       is_disarmed(interval_only, INTERVAL) && is_left(absolute, LEFT, &none) &&
	       ends_at(absolute, &wall);
}

VICTIM(make, same)
