/* SPDX-License-Identifier: GPL-2.0-only */
/* relative timeouts go on with what was left of them, they do not begin anew */
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "victim.h"

enum {
	TIMEOUT_MS = 2300,
	BEFORE_MS = 1400, /* already over when anything happens to us */
	SLACK_MS = 900,	  /* for the time that we do not exist */
};

static struct timespec timeout = { TIMEOUT_MS / 1000, TIMEOUT_MS % 1000 * 1000000 }, left;
static int word;

static bool sleep_nanosleep(void)
{
	return nanosleep(&timeout, NULL) == 0;
}

static bool sleep_nanosleep_left(void)
{
	return nanosleep(&timeout, &left) == 0;
}

static bool sleep_clock(void)
{
	return clock_nanosleep(CLOCK_BOOTTIME, 0, &timeout, NULL) == 0;
}

static bool sleep_poll(void)
{
	return poll(NULL, 0, TIMEOUT_MS) == 0;
}

static bool sleep_futex(void)
{
	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &timeout) < 0 && errno == ETIMEDOUT;
}

static struct sleeper {
	const char *name;
	bool (*sleep)(void);
	pthread_t thread;
	bool good;
	long took_ms;
} sleepers[] = {
	{ .name = "nanosleep", .sleep = sleep_nanosleep },
	{ .name = "nanosleep with rest", .sleep = sleep_nanosleep_left },
	{ .name = "clock_nanosleep", .sleep = sleep_clock },
	{ .name = "poll", .sleep = sleep_poll },
	{ .name = "futex", .sleep = sleep_futex },
};

enum { NR = sizeof(sleepers) / sizeof(sleepers[0]) };

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *run(void *arg)
{
	struct sleeper *s = arg;
	long start = now_ms();

	s->good = s->sleep();
	s->took_ms = now_ms() - start;
	return NULL;
}

static bool make(void)
{
	for (int i = 0; i < NR; i++)
		if (pthread_create(&sleepers[i].thread, NULL, run, &sleepers[i]))
			return false;
	victim_sleep(BEFORE_MS);
	return true;
}

static bool same(void)
{
	bool all = true;

	for (int i = 0; i < NR; i++) {
		const struct sleeper *s = &sleepers[i];

		pthread_join(s->thread, NULL);
		if (s->good && s->took_ms >= TIMEOUT_MS - 20 && s->took_ms < TIMEOUT_MS + SLACK_MS)
			continue;
		fprintf(stderr, "%s took %ld ms instead of %d, and %s\n", s->name, s->took_ms,
			TIMEOUT_MS, s->good ? "ended well" : "failed");
		all = false;
	}
	return all;
}

VICTIM(make, same)
