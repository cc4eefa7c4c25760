/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * timers - POSIX timers with their old numbers, and interval timers
 *
 * A timer whose signal was pending is started so that it fires at once: only a
 * signal that the timer itself has queued makes it go on when it is delivered.
 */
#include <asm/unistd.h>

#include "pie/restorer.h"
#include "sys.h"

enum {
	PR_TIMER_CREATE_RESTORE_IDS_ = 77, /* Linux 6.15 */
	TIMER_ABSTIME_ = 1,
	ITIMER_REAL_ = 0,
	NR_ITIMERS = 3,
	NSEC_PER_SEC = 1000000000,
	EINVAL_ = 22,
};

struct timespec {
	int64_t sec, nsec;
};

struct itimerspec {
	struct timespec interval, value;
};

/* struct sigevent of the kernel */
struct sigevent {
	uint64_t value;
	int32_t signo, notify, tid;
	int32_t pad[11];
};

static int64_t to_ns(struct timespec t)
{
	return t.sec * NSEC_PER_SEC + t.nsec;
}

static struct timespec from_ns(int64_t ns)
{
	return (struct timespec){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };
}

static long create(const struct restorer_timer *t, int32_t *id)
{
	struct sigevent ev = {
		.value = t->sival,
		.signo = t->signo,
		.notify = t->notify,
		.tid = t->notify_tid,
	};

	return sys3(__NR_timer_create, t->clock, (long)&ev, (long)id);
}

/*
 * Older kernels count: numbers that come before the wanted one are used up.
 * The timers are sorted by number.
 */
static long create_by_counting(const struct restorer_timer *t)
{
	int32_t id = -1;
	long ret;

	while ((ret = create(t, &id)) == 0 && id < t->id)
		sys1(__NR_timer_delete, id);
	return ret == 0 && id != t->id ? -EINVAL_ : ret;
}

static long create_with_id(const struct restorer_timer *t)
{
	int32_t id = t->id;

	return create(t, &id);
}

/*
 * When the expiry was whose signal is pending.  A clock that is younger than
 * one interval has no such moment, and then one nanosecond from now must do.
 */
static long fire_at_once(const struct restorer_timer *t, struct itimerspec *spec)
{
	struct timespec now;
	int64_t at;

	if (sys2(__NR_clock_gettime, t->clock, (long)&now) < 0)
		now = (struct timespec){ 0, 0 };
	at = to_ns(now) + to_ns(spec->value) - to_ns(spec->interval);

	if (to_ns(spec->interval) && at > 0) {
		spec->value = from_ns(at);
		return sys4(__NR_timer_settime, t->id, TIMER_ABSTIME_, (long)spec, 0);
	}
	spec->value = from_ns(1);
	return sys4(__NR_timer_settime, t->id, 0, (long)spec, 0);
}

static long start(const struct restorer_timer *t)
{
	struct itimerspec spec = {
		.interval = { (int64_t)t->interval_sec, (int64_t)t->interval_nsec },
		.value = { (int64_t)t->value_sec, (int64_t)t->value_nsec },
	};

	if (t->fired)
		return fire_at_once(t, &spec);
	if (!to_ns(spec.value) && !to_ns(spec.interval))
		return 0;
	/* Caught at the moment of its expiry: zero would disarm it. */
	if (!to_ns(spec.value))
		spec.value = from_ns(1);
	return sys4(__NR_timer_settime, t->id, 0, (long)&spec, 0);
}

static void restore_posix_timers(struct restorer_args *args)
{
	const struct restorer_timer *timers = (const struct restorer_timer *)args->timers;
	bool ids;

	if (!args->nr_timers)
		return;

	ids = sys5(__NR_prctl, PR_TIMER_CREATE_RESTORE_IDS_, 1, 0, 0, 0) == 0;
	for (uint64_t i = 0; i < args->nr_timers; i++) {
		const struct restorer_timer *t = &timers[i];
		long ret = ids ? create_with_id(t) : create_by_counting(t);

		restorer_check(args, ret, RST_TIMER, (uint64_t)t->id);
		restorer_check(args, start(t), RST_TIMER, (uint64_t)t->id);
	}
	if (ids)
		sys5(__NR_prctl, PR_TIMER_CREATE_RESTORE_IDS_, 0, 0, 0, 0);
}

static bool is_zero(const struct parasite_itimer *t)
{
	return !t->interval_sec && !t->interval_usec && !t->value_sec && !t->value_usec;
}

/*
 * The kernel stops a periodic ITIMER_REAL while its SIGALRM is pending and then
 * shows it with no time left, which would disarm it.  Firing once more merges
 * with the pending signal, and the timer is as it was.
 */
static void restore_itimers(struct restorer_args *args)
{
	for (int i = 0; i < NR_ITIMERS; i++) {
		struct parasite_itimer *t = &args->itimers[i];

		if (is_zero(t))
			continue;
		if (i == ITIMER_REAL_ && !t->value_sec && !t->value_usec)
			t->value_usec = 1;
		restorer_check(args, sys3(__NR_setitimer, i, (long)t, 0), RST_ITIMER, (uint64_t)i);
	}
}

int restore_timers(struct restorer_args *args)
{
	restore_posix_timers(args);
	restore_itimers(args);
	return 0;
}
