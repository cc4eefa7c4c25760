/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * timerfd - a clock that can be read
 *
 * collect   all of it is in fdinfo, as what is left until the timer expires
 * drain     a timer that looked disarmed is looked at once more: perhaps it
 *           was due and its interrupt had not come yet
 * open      armed with what is left, then the expirations nobody has read
 *
 * A periodic timer does not go on by itself: it stops when it expires and is
 * moved on by whoever reads it or asks for its time.  In between fdinfo shows
 * zero left, as it does for a disarmed one, and the phase is known only after
 * asking.  So an expired one is asked, which counts the periods that a read()
 * would have counted and starts it again.
 *
 * What is left goes on at restore, also of absolute times, because clocks since
 * boot differ between machines.  The wall clock does not: an absolute time on it
 * is kept, and is over when it went by meanwhile.
 *
 * not kept  that the clock was set (TFD_TIMER_CANCEL_ON_SET) and no read() has
 *           told so yet: nothing shows it
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/text.h"
#include "core/kind.h"

enum {
	SET_TICKS =
		_IOW('T', 0, uint64_t), /* linux/timerfd.h and sys/timerfd.h exclude each other */
	LATEST_NS = 2000000,		/* an interrupt of a timer comes this much late at most */
	SECOND_NS = 1000000000,
};

struct timerfd_state {
	struct timespec collected; /* the last of them */
};

extern const struct file_kind timerfd_kind;

/* ---- dump ---- */

/* "(1, 500000000)" */
static bool parse_time(const char *fdinfo, const char *key, uint64_t *sec, uint64_t *nsec)
{
	struct text v;

	if (!text_find(fdinfo, key, &v))
		return false;
	text_skip_blanks(&v);
	return text_lit(&v, "(") && text_u64(&v, sec) && text_lit(&v, ",") && text_u64(&v, nsec);
}

static bool parse_timer(const char *fdinfo, TimerfdEntry *e)
{
	struct text v;
	uint64_t clock, flags;

	if (!text_find(fdinfo, "clockid:", &v) || !text_u64(&v, &clock) ||
	    !text_find(fdinfo, "ticks:", &v) || !text_u64(&v, &e->ticks) ||
	    !text_find(fdinfo, "settime flags:", &v) || !text_oct(&v, &flags))
		return false;

	e->clockid = (uint32_t)clock;
	e->settime_flags = (uint32_t)flags;
	return parse_time(fdinfo, "it_value:", &e->vsec, &e->vnsec) &&
	       parse_time(fdinfo, "it_interval:", &e->isec, &e->insec);
}

static int read_timer(struct dump *d, int own, TimerfdEntry *e, struct err *err)
{
	const char *path = arena_printf(d->arena, "self/fdinfo/%d", own);
	char *fdinfo;
	int ret = io_slurp_at(d->proc, path, d->arena, &fdinfo, NULL);

	if (ret < 0)
		return err_set(err, -ret, "cannot read the fdinfo of a timerfd");
	if (!parse_timer(fdinfo, e))
		return err_set(err, EPROTO, "cannot understand the fdinfo of a timerfd");
	return 0;
}

static bool is_running(const TimerfdEntry *e)
{
	return e->vsec || e->vnsec;
}

static bool is_periodic(const TimerfdEntry *e)
{
	return e->isec || e->insec;
}

/* The clock that can be asked for the time of the timer's. */
static clockid_t readable_clock(uint32_t clockid)
{
	switch (clockid) {
	case CLOCK_REALTIME_ALARM:
		return CLOCK_REALTIME;
	case CLOCK_BOOTTIME_ALARM:
		return CLOCK_BOOTTIME;
	default:
		return (clockid_t)clockid;
	}
}

static struct timespec time_add(struct timespec a, uint64_t sec, uint64_t nsec)
{
	a.tv_sec += (time_t)sec;
	a.tv_nsec += (long)nsec;
	if (a.tv_nsec >= SECOND_NS) {
		a.tv_nsec -= SECOND_NS;
		a.tv_sec++;
	}
	return a;
}

static int keep_absolute_time(TimerfdEntry *e, struct err *err)
{
	struct timespec at;

	if (!is_running(e) || !(e->settime_flags & TFD_TIMER_ABSTIME) ||
	    readable_clock(e->clockid) != CLOCK_REALTIME)
		return 0;
	if (clock_gettime(CLOCK_REALTIME, &at) < 0)
		return err_sys(err, "cannot read the wall clock");

	at = time_add(at, e->vsec, e->vnsec);
	e->has_asec = e->has_ansec = true;
	e->asec = (uint64_t)at.tv_sec;
	e->ansec = (uint64_t)at.tv_nsec;
	return 0;
}

static int look_at_timer(struct dump *d, int own, TimerfdEntry *e, struct err *err)
{
	struct itimerspec unused;

	if (read_timer(d, own, e, err) < 0)
		return -err->code;
	if (e->ticks && is_periodic(e) && !is_running(e)) {
		if (timerfd_gettime(own, &unused) < 0)
			return err_sys(err, "cannot read the time of a timerfd");
		if (read_timer(d, own, e, err) < 0)
			return -err->code;
		if (!is_running(e))
			e->vnsec = 1; /* its period is so short that it is over again */
	}
	return keep_absolute_time(e, err);
}

static int collect_timerfd(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	struct timerfd_state *s = kind_state(d->kinds, &timerfd_kind);
	TimerfdEntry *e = record_new(d, timerfd_entry);

	if (look_at_timer(d, p->own, e, err) < 0)
		return -err->code;
	clock_gettime(CLOCK_MONOTONIC, &s->collected);

	e->flags = p->flags;
	fe->tfd = e;
	return 0;
}

static int drain_timerfd(struct dump *d, struct file *f, struct err *err)
{
	const struct timerfd_state *s = kind_state(d->kinds, &timerfd_kind);
	struct timespec until = time_add(s->collected, 0, LATEST_NS);
	TimerfdEntry *e = f->image->tfd;
	scoped_fd own = -1;

	if (is_running(e) || e->ticks)
		return 0;
	own = file_get(d, f, err);
	if (own < 0)
		return own;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	return look_at_timer(d, own, e, err);
}

/* ---- restore ---- */

static int read_timerfd(struct restore *r, struct file *f, struct err *err)
{
	TimerfdEntry *e = f->image->tfd;

	if (e->vnsec >= SECOND_NS || e->insec >= SECOND_NS || e->ansec >= SECOND_NS ||
	    e->vsec > INT64_MAX / 2 || e->isec > INT64_MAX / 2 || e->asec > INT64_MAX / 2 ||
	    e->clockid > CLOCK_TAI)
		return err_set(err, EBADMSG, "cannot restore a timerfd: its record is damaged");

	/* Other programs wrote an expired periodic timer as it looks.  It goes on, a period from now. */
	if (e->ticks && is_periodic(e) && !is_running(e)) {
		e->vsec = e->isec;
		e->vnsec = e->insec;
	}
	return 0;
}

static int arm_timer(int fd, const TimerfdEntry *e, struct err *err)
{
	struct itimerspec it = {
		.it_value = { (time_t)e->vsec, (long)e->vnsec },
		.it_interval = { (time_t)e->isec, (long)e->insec },
	};
	struct timespec now;

	if (e->has_asec && e->has_ansec) {
		it.it_value = (struct timespec){ (time_t)e->asec, (long)e->ansec };
	} else if (is_running(e) && (e->settime_flags & TFD_TIMER_ABSTIME)) {
		if (clock_gettime(readable_clock(e->clockid), &now) < 0)
			return err_sys(err, "cannot read clock %u", e->clockid);
		it.it_value = time_add(now, e->vsec, e->vnsec);
	}
	if (timerfd_settime(fd, (int)e->settime_flags, &it, NULL) < 0)
		return err_sys(err, "cannot set a timerfd on clock %u", e->clockid);
	return 0;
}

static int open_timerfd(struct restore *r, struct file *f, struct err *err)
{
	const TimerfdEntry *e = f->image->tfd;
	scoped_fd fd = timerfd_create((clockid_t)e->clockid, TFD_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "cannot create a timerfd on clock %u", e->clockid);
	if (arm_timer(fd, e, err) < 0)
		return -err->code;
	if (e->ticks && ioctl(fd, SET_TICKS, &e->ticks) < 0)
		return err_sys(err, "cannot set what a timerfd has counted");

	return take_fd(&fd);
}

const struct file_kind timerfd_kind = {
	.name = "timerfd",
	.type = FD_TYPES__TIMERFD,
	.anon = "[timerfd]",
	.state_size = sizeof(struct timerfd_state),
	.needs = (const enum kernel_feature[]){ KERNEL_TIMERFD, KERNEL_NONE },
	.collect = collect_timerfd,
	.drain = drain_timerfd,
	.read = read_timerfd,
	.open = open_timerfd,
};
