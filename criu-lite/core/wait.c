/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * wait - what is left of a relative timeout
 *
 * The kernel carries an interrupted call on to its old end by itself: it keeps
 * the end in the thread's restart block and returns -ERESTART_RESTARTBLOCK.
 * Nobody can read or write that block, so
 *
 * at dump	nanosleep() has put what is left into *rmtp if the program gave
 *		one.  For other calls it is the timeout less the time since the
 *		thread went to sleep, which the scheduler tells, but only until
 *		the thread is woken: it is looked up before the freeze and
 *		confirmed after it
 * at restore	the thread enters its call once more, with the time that is left
 *		and a stop that is pending already: it returns at once, and the
 *		kernel has made a restart block
 *
 * A thread that was stopped or dumped before is in restart_syscall(), which
 * shows neither the call it stands for nor when that began.  The code or the
 * function it sleeps in tells the call; its end is one of those timers of
 * /proc/timer_list that the freeze has made vanish, and of these we take the
 * last, so that nobody is woken too early.
 *
 * A thread that woke up and went to sleep again inside its call for another
 * reason (a poll that found nothing) waits too long by that.
 *
 * not kept	timeouts of calls that have no restart block: epoll_wait(),
 *		sigtimedwait(), semtimedop(), sockets
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "core/shared.h"
#include "core/wait.h"

enum {
	NSEC_PER_SEC = 1000000000,
	NSEC_PER_MSEC = 1000000,
	ERESTART_RESTARTBLOCK = 516,
	CODE_BEFORE = 24, /* bytes of code that are looked at */
};

/* A call that waits; all that is wanted of it stands in its arguments. */
struct call {
	long nr;
	uint64_t args[6];
};

/* When a thread was seen asleep, in nanoseconds. */
struct wait_note {
	pid_t tid;
	struct call call;
	long sleeps_in;	   /* of restart_syscall(): the call it stands for, -1: unknown */
	uint64_t switches; /* how often it had given up its CPU */
	uint64_t slept;	   /* for how long it was asleep already */
	uint64_t seen;	   /* CLOCK_MONOTONIC */
};

/* Where a call has its timeout: the number of an argument, -1 where there is none. */
struct timeout_place {
	int timespec, msec; /* a pointer to it, or itself */
	int left;	    /* a pointer to where the kernel writes what is left */
};

static bool find_timeout(const struct call *c, struct timeout_place *ret)
{
	*ret = (struct timeout_place){ -1, -1, -1 };
	switch (c->nr) {
	case SYS_nanosleep:
		ret->timespec = 0;
		ret->left = 1;
		return true;
	case SYS_clock_nanosleep:
		ret->timespec = 2;
		ret->left = 3;
		return !(c->args[1] & TIMER_ABSTIME);
	case SYS_futex:
		ret->timespec = 3;
		return (c->args[1] & FUTEX_CMD_MASK) == FUTEX_WAIT && c->args[3];
#ifdef SYS_poll
	case SYS_poll:
		ret->msec = 2;
		return (int32_t)c->args[2] > 0;
#endif
	default:
		return false;
	}
}

/* Time of a CPU clock does not pass while one sleeps. */
static bool is_wall_clock(const struct call *c)
{
	int clock = (int)c->args[0];

	return c->nr != SYS_clock_nanosleep || clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC ||
	       clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
}

/* A timer that wakes somebody. */
struct wait_timer {
	uint64_t address; /* a hash of it */
	uint64_t end;	  /* CLOCK_MONOTONIC */
};

typedef vec(struct wait_timer) timer_list;

struct waits {
	vec(struct wait_note) notes;
	timer_list timers; /* before the freeze; after it, those that are gone */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

/* ---- dump: since when ---- */

static bool read_text(int proc, const char *who, const char *name, char *buf, size_t size, struct text *ret)
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
static bool read_call(int proc, const char *who, struct call *ret)
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
 * Now, on the clock of CPU @cpu.  These clocks stand still while a hypervisor
 * has the CPU, each at its own times; only who runs there can read one.
 */
static bool cpu_now(int proc, int cpu, uint64_t *ret)
{
	cpu_set_t before, there;
	uint64_t ignored;
	bool good;

	CPU_ZERO(&there);
	CPU_SET(cpu, &there);
	if (sched_getaffinity(0, sizeof(before), &before) < 0 || sched_setaffinity(0, sizeof(there), &there) < 0)
		return false;
	sched_yield(); /* brings the number up to date */
	good = read_sched(proc, "thread-self", ret, &ignored);
	sched_setaffinity(0, sizeof(before), &before);
	return good;
}

/* By the function of the kernel in which it sleeps; its arguments are where they always were. */
static long call_behind_restart(int proc, const char *who, const struct call *c)
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

static bool is_noteworthy(const struct call *c)
{
	struct timeout_place place;

	return c->nr == SYS_restart_syscall || (find_timeout(c, &place) && is_wall_clock(c));
}

static void note_thread(struct dump *d, struct task *t, pid_t tid)
{
	struct wait_note note = { .tid = tid };
	struct proc_stat stat;
	struct err ignored = { 0 };
	uint64_t ran, now;
	char who[32];

	snprintf(who, sizeof(who), "%d/task/%d", t->host_pid, tid);
	if (!read_call(d->proc, who, &note.call) || !is_noteworthy(&note.call))
		return;
	if (proc_read_stat(d->proc, t->host_pid, tid, &stat, &ignored) < 0 ||
	    !read_sched(d->proc, who, &ran, &note.switches) || !cpu_now(d->proc, stat.processor, &now))
		return;

	if (note.call.nr == SYS_restart_syscall)
		note.sleeps_in = call_behind_restart(d->proc, who, &note.call);
	note.seen = now_ns();
	note.slept = now > ran ? now - ran : 0;
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

static void read_timer_list(struct dump *d, timer_list *ret)
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

	vec_for_each(n, &t->waits->notes)
		if (n->call.nr == SYS_restart_syscall)
			return true;
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

static bool has_timer(const timer_list *list, const struct wait_timer *timer)
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
	timer_list after = { 0 };
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

/* ---- dump: how much is left ---- */

static bool read_timespec(const struct task *t, uint64_t at, uint64_t *ns_ret)
{
	struct timespec ts;

	if (!at || io_pread(t->victim->mem, &ts, sizeof(ts), (off_t)at) < 0 || ts.tv_sec < 0 ||
	    ts.tv_sec > INT64_MAX / NSEC_PER_SEC - 1)
		return false;
	*ns_ret = (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
	return true;
}

static const struct wait_note *find_note(const struct task *t, const struct thread *th, const struct call *c)
{
	const struct wait_note *n;

	vec_for_each(n, &t->waits->notes)
		if (n->tid == th->host_tid && (n->call.nr == c->nr || n->call.nr == SYS_restart_syscall) &&
		    memcmp(n->call.args, c->args, sizeof(c->args)) == 0)
			return n;
	return NULL;
}

/* False: it was not in such a call. */
static bool call_of(const struct thread *th, struct call *c, struct timeout_place *place)
{
	const SyscallEntry *in = th->core->thread_core->interrupted;

	return in && in->result == -ERESTART_RESTARTBLOCK && arch_core_call(th->core, &c->nr, c->args) &&
	       find_timeout(c, place);
}

/* The last of the timers that have vanished and do not end after @most. */
static uint64_t last_end(const struct task *t, uint64_t most)
{
	const struct wait_timer *timer;
	uint64_t last = 0;

	vec_for_each(timer, &t->waits->timers)
		if (timer->end <= most + NSEC_PER_MSEC && timer->end > last)
			last = timer->end;
	return last ? last : most;
}

bool wait_left(const struct task *t, const struct thread *th, uint64_t *left_ret)
{
	const struct wait_note *note;
	struct timeout_place place;
	struct call c;
	uint64_t total;

	if (!call_of(th, &c, &place))
		return false;
	if (place.left >= 0 && read_timespec(t, c.args[place.left], left_ret))
		return true;

	note = find_note(t, th, &c);
	if (!note)
		return false;
	if (place.msec >= 0)
		total = c.args[place.msec] * NSEC_PER_MSEC;
	else if (!read_timespec(t, c.args[place.timespec], &total))
		return false;
	*left_ret = total > note->slept ? total - note->slept : 0;
	if (note->call.nr == SYS_restart_syscall)
		*left_ret = last_end(t, *left_ret);
	return true;
}

/* The number that was loaded right before the instruction, if it is that of a call of ours. */
static long call_of_code(const struct task *t, const struct thread *th)
{
	struct timeout_place place;
	unsigned char code[CODE_BEFORE];
	uint64_t ip = arch_regs_ip(&th->victim->regs);
	struct call c = { 0 };

	if (io_pread(t->victim->mem, code, sizeof(code), (off_t)(ip - sizeof(code))) < 0)
		return -1;
	c.nr = arch_number_loaded(code, sizeof(code));
	/* with arguments that make a futex wait; others do not matter */
	c.args[1] = c.nr == SYS_futex ? FUTEX_WAIT : 0;
	c.args[2] = c.args[3] = 1;
	return find_timeout(&c, &place) ? c.nr : -1;
}

long wait_restarted(const struct task *t, const struct thread *th)
{
	long nr = call_of_code(t, th);
	const struct wait_note *n;

	if (nr >= 0)
		return nr;
	vec_for_each(n, &t->waits->notes)
		if (n->tid == th->host_tid && n->call.nr == SYS_restart_syscall)
			return n->sleeps_in;
	return -1;
}

/* ---- restore ---- */

/* Put @ns where the call will look: into the region, which nobody needs any more. */
static int place_timeout(struct restore *r, const struct task *t, const struct timeout_place *place,
			 uint64_t ns, struct call *c, struct err *err)
{
	const struct shared_task *st = &r->shared->tasks[t->index];
	struct timespec ts = { (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };
	uint64_t at = st->region + st->region_size - sizeof(ts);
	struct iovec local = { &ts, sizeof(ts) }, remote = { (void *)(uintptr_t)at, sizeof(ts) };

	if (place->msec >= 0) {
		c->args[place->msec] = (ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
		return 0;
	}
	if (process_vm_writev(t->host_pid, &local, 1, &remote, 1, 0) != sizeof(ts))
		return err_sys(err, "cannot tell task %d how long to wait", t->pid);
	c->args[place->timespec] = at;
	return 0;
}

static int enter(struct restore *r, const struct task *t, struct thread *th, struct err *err)
{
	const SyscallEntry *in = th->core->thread_core->interrupted;
	struct timeout_place place;
	struct call c;

	if (!in || !in->has_remaining || !call_of(th, &c, &place))
		return 0;
	if (place_timeout(r, t, &place, in->remaining, &c, err) < 0 ||
	    compel_interrupt_syscall(th->host_tid, r->shared->tasks[t->index].insn, c.nr, c.args,
				     &th->entered_result, err) < 0)
		return -err->code;
	th->entered = true;
	log_debug("thread %d waits %llu ns more in call %ld: %ld", th->tid, (unsigned long long)in->remaining,
		  c.nr, th->entered_result);
	return 0;
}

int waits_enter(struct restore *r, struct task *t, struct err *err)
{
	for (size_t i = 0; i < t->nr_threads; i++)
		if (enter(r, t, &t->threads[i], err) < 0)
			return err_in(err, "thread %d", t->threads[i].tid);
	return 0;
}
