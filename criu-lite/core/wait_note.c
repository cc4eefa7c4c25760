/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * wait_note - who sleeps since when, before and after the freeze
 *
 *	/proc/TID/syscall	the call and its arguments
 *	/proc/TID/sched		when the thread last ran, and how often it slept
 *	/proc/TID/wchan		what restart_syscall() stands for
 *	/proc/timer_list	when its sleep ends, though not whose timer is whose
 *
 * Waking up, as the freeze makes everybody do, overwrites all of this.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/wait.h"
#include "core/wait_call.h"

/* Time of a CPU clock does not pass while one sleeps. */
static bool is_wall_clock(const struct wait_call *c)
{
	int clock = (int)c->args[0];

	return c->nr != SYS_clock_nanosleep || clock == CLOCK_REALTIME ||
	       clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static bool read_text(int proc, const char *who, const char *name, char *buf, size_t size,
		      struct text *ret)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", who, name);
	scoped_fd fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	*ret = text_of(buf, (size_t)n);
	return true;
}

/* "230 0x0 0x1 ..."; a thread that runs says "running". */
static bool read_call(int proc, const char *who, struct wait_call *ret)
{
	struct text t;
	char buf[256];
	uint64_t nr;

	if (!read_text(proc, who, "syscall", buf, sizeof(buf), &t) || !text_u64(&t, &nr))
		return false;
	ret->nr = (long)nr;
	for (int i = 0; i < 6; i++) {
		text_skip_blanks(&t);
		if (!text_lit(&t, "0x") || !text_hex(&t, &ret->args[i]))
			return false;
	}
	return true;
}

/* "key : 1234.567890" or "key : 1234"; in millionths. */
static bool find_number(const char *s, const char *key, uint64_t *ret)
{
	struct text t;
	uint64_t fraction;

	if (!text_find(s, key, &t))
		return false;
	text_skip_blanks(&t);
	if (!text_lit(&t, ":") || !text_u64(&t, ret))
		return false;
	if (text_lit(&t, ".") && text_u64(&t, &fraction))
		*ret = *ret * NSEC_PER_MSEC + fraction;
	return true;
}

/* When the thread last ran, on the clock of its CPU, and how often it went to sleep. */
static bool read_sched(int proc, const char *who, uint64_t *ran_ret, uint64_t *switches_ret)
{
	struct text t;
	char buf[4096];

	return read_text(proc, who, "sched", buf, sizeof(buf), &t) &&
	       find_number(buf, "se.exec_start", ran_ret) &&
	       find_number(buf, "nr_voluntary_switches", switches_ret);
}

/*
 * How far the clock of CPU @cpu is behind CLOCK_MONOTONIC.  These clocks stand
 * still while a hypervisor has the CPU, each at its own times; only who runs
 * there can read one.
 */
static bool ask_clock(int proc, int cpu, int64_t *behind_ret)
{
	cpu_set_t before, there;
	uint64_t now, ignored;
	bool good;

	CPU_ZERO(&there);
	CPU_SET(cpu, &there);
	if (sched_getaffinity(0, sizeof(before), &before) < 0 ||
	    sched_setaffinity(0, sizeof(there), &there) < 0)
		return false;
	sched_yield(); /* brings the number up to date */
	good = read_sched(proc, "thread-self", &now, &ignored);
	*behind_ret = (int64_t)(now_ns() - now);
	sched_setaffinity(0, sizeof(before), &before);
	return good;
}

/* Each CPU is asked once. */
static bool clock_behind(struct dump *d, int cpu, int64_t *behind_ret)
{
	struct wait_clock *c;

	if (!d->wait_clocks)
		d->wait_clocks = arena_new(d->arena, struct wait_clocks);
	vec_for_each(c, &d->wait_clocks->list) {
		if (c->cpu != cpu)
			continue;
		*behind_ret = c->behind;
		return true;
	}

	if (!ask_clock(d->proc, cpu, behind_ret))
		return false;
	*vec_add(d->arena, &d->wait_clocks->list) = (struct wait_clock){ cpu, *behind_ret };
	return true;
}

/* By the function of the kernel in which it sleeps; its arguments are where they always were. */
static long call_behind_restart(int proc, const char *who, const struct wait_call *c)
{
	struct text t;
	char buf[64];

	if (!read_text(proc, who, "wchan", buf, sizeof(buf), &t))
		return -1;
	if (text_lit(&t, "futex_"))
		return SYS_futex;
	if (text_lit(&t, "hrtimer_nanosleep") || text_lit(&t, "do_nanosleep"))
		return c->args[0] < 4096 ? SYS_clock_nanosleep : SYS_nanosleep;
#ifdef SYS_poll
	if (text_lit(&t, "poll_") || text_lit(&t, "do_poll") || text_lit(&t, "do_sys_poll"))
		return SYS_poll;
#endif
	return -1;
}

/* Of a call that has told its program what is left of its time, nothing else is wanted. */
static bool tells_itself(const struct wait_call *c)
{
	struct wait_place place;

	return wait_find_timeout(c, &place) && place.left >= 0 && c->args[place.left];
}

static bool is_noteworthy(const struct wait_call *c)
{
	struct wait_place place;

	return c->nr == SYS_restart_syscall ||
	       (wait_find_timeout(c, &place) && is_wall_clock(c) && !tells_itself(c));
}

static bool note_time(struct dump *d, const struct task *t, const char *who, struct wait_note *note)
{
	struct err ignored = { 0 };
	struct proc_stat stat;
	int64_t behind;
	uint64_t ran;

	if (proc_read_stat(d->proc, t->host_pid, note->tid, &stat, &ignored) < 0 ||
	    !read_sched(d->proc, who, &ran, &note->switches) ||
	    !clock_behind(d, stat.processor, &behind))
		return false;

	note->seen = now_ns();
	ran += (uint64_t)behind;
	note->slept = note->seen > ran ? note->seen - ran : 0;
	return true;
}

static void note_thread(struct dump *d, struct task *t, pid_t tid)
{
	struct wait_note note = { .tid = tid };
	char who[32];

	snprintf(who, sizeof(who), "%d/task/%d", t->host_pid, tid);
	if (!read_call(d->proc, who, &note.call) || !is_noteworthy(&note.call))
		return;
	if (note.call.nr == SYS_restart_syscall)
		note.sleeps_in = call_behind_restart(d->proc, who, &note.call);
	if (note_time(d, t, who, &note))
		*vec_add(d->arena, &t->waits->notes) = note;
}

/*
 *	now at 4069951724947 nsecs
 *	...
 *	 #0: <000000000bf6a21d>, hrtimer_wakeup, S:01
 *	 # expires at 4069951771785-4069951821785 nsecs [in 46838 to 96838 nsecs]
 */
static bool parse_timer(struct text *all, struct text line, uint64_t now, struct wait_timer *ret)
{
	uint64_t n;
	int64_t in;

	text_skip_blanks(&line);
	if (!text_lit(&line, "#") || !text_u64(&line, &n) || !text_lit(&line, ": <") ||
	    !text_hex(&line, &ret->address) || !text_lit(&line, ">, hrtimer_wakeup,"))
		return false;
	if (!text_line(all, &line))
		return false;
	text_skip_blanks(&line);
	if (!text_lit(&line, "# expires at") || !text_u64(&line, &n) || !text_lit(&line, "-") ||
	    !text_u64(&line, &n) || !text_lit(&line, " nsecs [in ") || !text_s64(&line, &in))
		return false;
	ret->end = now + (uint64_t)in;
	return true;
}

static void read_timer_list(struct dump *d, wait_timer_list *ret)
{
	struct err ignored = { 0 };
	struct wait_timer timer;
	struct text all, line;
	uint64_t now = 0;
	size_t len;
	char *s;

	if (proc_slurp(d->proc, "timer_list", d->arena, &s, &len, &ignored) < 0)
		return;
	all = text_of(s, len);
	while (text_line(&all, &line))
		if (text_lit(&line, "now at "))
			text_u64(&line, &now);
		else if (parse_timer(&all, line, now, &timer))
			*vec_add(d->arena, ret) = timer;
}

static bool any_restarted(const struct task *t)
{
	const struct wait_note *n;

	vec_for_each(n, &t->waits->notes) {
		struct wait_call c = n->call;

		c.nr = n->sleeps_in;
		if (n->call.nr == SYS_restart_syscall && !tells_itself(&c))
			return true;
	}
	return false;
}

void waits_note(struct dump *d, struct task *t)
{
	struct err ignored = { 0 };
	pid_list tids = { 0 };
	pid_t *tid;

	t->waits = arena_new(d->arena, struct waits);
	if (proc_read_threads(d->proc, t->host_pid, d->arena, &tids, &ignored) < 0)
		return;
	vec_for_each(tid, &tids)
		note_thread(d, t, *tid);
	if (any_restarted(t))
		read_timer_list(d, &t->waits->timers);
}

/* Still in the same sleep: being stopped was the only switch since. */
static bool has_slept_on(struct dump *d, const struct task *t, const struct wait_note *n)
{
	uint64_t ignored, switches;
	char who[32];

	snprintf(who, sizeof(who), "%d/task/%d", t->host_pid, n->tid);
	return read_sched(d->proc, who, &ignored, &switches) && switches == n->switches + 1;
}

static bool has_timer(const wait_timer_list *list, const struct wait_timer *timer)
{
	const struct wait_timer *other;

	vec_for_each(other, list)
		if (other->address == timer->address)
			return true;
	return false;
}

/* Keep those that have vanished, with the time that was left. */
static void keep_vanished(struct dump *d, struct task *t, uint64_t now)
{
	wait_timer_list after = { 0 };
	size_t kept = 0;

	read_timer_list(d, &after);
	for (size_t i = 0; i < t->waits->timers.n; i++) {
		struct wait_timer timer = t->waits->timers.items[i];

		if (has_timer(&after, &timer) || timer.end <= now)
			continue;
		timer.end -= now;
		t->waits->timers.items[kept++] = timer;
	}
	t->waits->timers.n = kept;
}

void waits_stop(struct dump *d, struct task *t)
{
	uint64_t now = now_ns();
	struct wait_note *n;

	if (any_restarted(t))
		keep_vanished(d, t, now);

	vec_for_each(n, &t->waits->notes) {
		n->slept += now - n->seen;
		if (!has_slept_on(d, t, n))
			n->tid = 0;
	}
}
