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
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/io.h"
#include "base/log.h"
#include "core/shared.h"
#include "core/wait.h"
#include "core/wait_call.h"

enum {
	ERESTART_RESTARTBLOCK = 516,
	CODE_BEFORE = 24, /* bytes of code that are looked at */
};

bool wait_find_timeout(const struct wait_call *c, struct wait_place *ret)
{
	*ret = (struct wait_place){ -1, -1, -1 };
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

static const struct wait_note *find_note(const struct task *t, const struct thread *th,
					 const struct wait_call *c)
{
	const struct wait_note *n;

	vec_for_each(n, &t->waits->notes)
		if (n->tid == th->host_tid &&
		    (n->call.nr == c->nr || n->call.nr == SYS_restart_syscall) &&
		    memcmp(n->call.args, c->args, sizeof(c->args)) == 0)
			return n;
	return NULL;
}

/* False: it was not in such a call. */
static bool call_of(const struct thread *th, struct wait_call *c, struct wait_place *place)
{
	const SyscallEntry *in = th->core->thread_core->interrupted;

	return in && in->result == -ERESTART_RESTARTBLOCK &&
	       arch_core_call(th->core, &c->nr, c->args) && wait_find_timeout(c, place);
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
	struct wait_place place;
	struct wait_call c;
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
	struct wait_place place;
	unsigned char code[CODE_BEFORE];
	uint64_t ip = arch_regs_ip(&th->victim->regs);
	struct wait_call c = { 0 };

	if (io_pread(t->victim->mem, code, sizeof(code), (off_t)(ip - sizeof(code))) < 0)
		return -1;
	c.nr = arch_number_loaded(code, sizeof(code));
	/* with arguments that make a futex wait; others do not matter */
	c.args[1] = c.nr == SYS_futex ? FUTEX_WAIT : 0;
	c.args[2] = c.args[3] = 1;
	return wait_find_timeout(&c, &place) ? c.nr : -1;
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

/* Put @ns where the call will look: into the shared page, until it has begun. */
static void place_timeout(struct restore *r, const struct task *t, const struct wait_place *place,
			  uint64_t ns, struct wait_call *c)
{
	const struct shared_task *st = &r->shared->tasks[t->index];
	struct timespec ts = { (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };

	if (place->msec >= 0) {
		c->args[place->msec] = (ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
		return;
	}
	memcpy(r->shared->page.scratch, &ts, sizeof(ts));
	c->args[place->timespec] = st->page + offsetof(struct shared_page, scratch);
}

static int enter(struct restore *r, const struct task *t, struct thread *th, struct err *err)
{
	const SyscallEntry *in = th->core->thread_core->interrupted;
	struct wait_place place;
	struct wait_call c;

	if (!in || !in->has_remaining || !call_of(th, &c, &place))
		return 0;
	place_timeout(r, t, &place, in->remaining, &c);
	if (compel_interrupt_syscall(th->host_tid, r->shared->tasks[t->index].insn, c.nr, c.args,
				     &th->entered_result, err) < 0)
		return -err->code;
	th->entered = true;
	log_debug("thread %d waits %llu ns more in call %ld: %ld", th->tid,
		  (unsigned long long)in->remaining, c.nr, th->entered_result);
	return 0;
}

int waits_enter(struct restore *r, struct task *t, struct err *err)
{
	for (size_t i = 0; i < t->nr_threads; i++)
		if (enter(r, t, &t->threads[i], err) < 0)
			return err_in(err, "thread %d", t->threads[i].tid);
	return 0;
}
