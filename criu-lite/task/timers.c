/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * timers - interval timers, POSIX timers, and the signals that wait
 *
 * collect   the signals, before any code of ours runs
 * drain     the timers; all of it as of one moment: a timer that expires while
 *	     we look is either still to fire or its signal is pending, never
 *	     both or neither. So signals are read again until they agree.
 * map       the signal of a timer is not queued again but fired anew by the
 *	     timer, which goes on only when a signal of its own is delivered
 *
 * Times are what was left: the time between dump and restore does not count.
 *
 * not kept  an absolute time on a settable clock is a relative one afterwards;
 *	     what timer_getoverrun() shows
 * refused   timers for the CPU time of one of several threads that do not
 *	     run, as nothing tells which; SIGTRAP that waits, because a restore
 *	     stops tasks by it
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "base/text.h"
#include "core/kind.h"
#include "core/region.h"
#include "task/timers.h"

enum {
	MAX_TRIES = 50,
	MAX_TIMERS = 1024,
	NSEC_PER_SEC = 1000000000,
	USEC_PER_SEC = 1000000,
};

_Static_assert(sizeof(struct parasite_timers) + MAX_TIMERS * sizeof(struct parasite_timer) <=
		       PARASITE_ARGS_SIZE,
	       "all timers are asked for in one call");

/* ---- dump ---- */

static int bad_timers(const struct task *t, struct err *err)
{
	return err_set(err, EPROTO, "cannot understand /proc/%d/timers", t->host_pid);
}

/* The thread that gets the signal, as its own pid namespace numbers it. */
static int notify_tid(const struct task *t, pid_t host_tid, PosixTimerEntry *e)
{
	for (size_t i = 0; i < t->nr_threads; i++)
		if (t->threads[i].host_tid == host_tid) {
			e->has_notify_thread_id = true;
			e->notify_thread_id = t->threads[i].tid;
			return 0;
		}
	return -ESRCH;
}

/* "signal/tid.123" */
static bool parse_notify(const struct task *t, struct text *v, PosixTimerEntry *e)
{
	uint64_t pid;
	bool thread;

	if (text_lit(v, "signal"))
		e->it_sigev_notify = SIGEV_SIGNAL;
	else if (text_lit(v, "none"))
		e->it_sigev_notify = SIGEV_NONE;
	else if (text_lit(v, "thread"))
		e->it_sigev_notify = SIGEV_THREAD;
	else
		return false;

	thread = text_lit(v, "/tid.");
	if (!thread && !text_lit(v, "/pid."))
		return false;
	if (!text_u64(v, &pid))
		return false;
	if (!thread)
		return true;
	e->it_sigev_notify |= SIGEV_THREAD_ID;
	return notify_tid(t, (pid_t)pid, e) == 0;
}

/*
 *	ID: 3
 *	signal: 34/00007f0000000000
 *	notify: signal/pid.123
 *	ClockID: 1
 */
static bool parse_timer(const struct task *t, uint64_t id, struct text *text, PosixTimerEntry *e)
{
	struct text line;
	uint64_t signo, value;
	int64_t clock;

	if (!text_line(text, &line) || !text_lit(&line, "signal:") || !text_u64(&line, &signo) ||
	    !text_lit(&line, "/") || !text_hex(&line, &value))
		return false;
	if (!text_line(text, &line) || !text_lit(&line, "notify: ") || !parse_notify(t, &line, e))
		return false;
	if (!text_line(text, &line) || !text_lit(&line, "ClockID:") || !text_s64(&line, &clock))
		return false;

	e->it_id = (uint32_t)id;
	e->si_signo = (uint32_t)signo;
	e->sival_ptr = value;
	e->clock_id = (uint32_t)clock;
	return true;
}

static int compare_timers(const void *a, const void *b)
{
	const PosixTimerEntry *const *x = a, *const *y = b;

	return ((*x)->it_id > (*y)->it_id) - ((*x)->it_id < (*y)->it_id);
}

/*
 * CLOCK_THREAD_CPUTIME_ID, as the kernel writes it: a negative number with the
 * thread in it, which is 0, the one that made the timer.
 */
static bool is_own_cpu_clock(int32_t clock)
{
	enum { PER_THREAD = 4 };

	return clock < 0 && (clock & PER_THREAD) && ~(clock >> 3) == 0;
}

/* Whose CPU time it is the kernel does not say; with one thread alone there is no question. */
static bool has_unknown_thread(const struct task *t, const PosixTimerEntry *e)
{
	return is_own_cpu_clock((int32_t)e->clock_id) && t->nr_threads + t->leader_exited > 1;
}

static int refuse_unknown(const PosixTimerEntry *e, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump timer %u: it counts the CPU time of a thread",
		e->it_id);
	err_why(err, "the kernel does not tell of which one, and it does not run");
	return err_hint(err,
			"use CLOCK_PROCESS_CPUTIME_ID, or the clock of pthread_getcpuclockid()");
}

static int list_timers(struct dump *d, struct task *t, TaskTimersEntry *timers, struct err *err)
{
	vec(PosixTimerEntry *) list = { 0 };
	struct text text, line;
	char path[32], *s;
	uint64_t id;
	size_t len;

	snprintf(path, sizeof(path), "%d/timers", t->host_alive);
	if (proc_slurp(d->proc, path, d->arena, &s, &len, err) < 0)
		return -err->code;

	text = text_of(s, len);
	while (text_line(&text, &line)) {
		PosixTimerEntry *e = record_new(d, posix_timer_entry);

		if (!text_lit(&line, "ID:") || !text_u64(&line, &id) ||
		    !parse_timer(t, id, &text, e))
			return bad_timers(t, err);
		*vec_add(d->arena, &list) = e;
	}
	if (list.n > MAX_TIMERS)
		return err_set(err, E2BIG, "cannot dump a task with more than %d timers",
			       MAX_TIMERS);

	if (list.n)
		qsort(list.items, list.n, sizeof(list.items[0]), compare_timers);
	timers->posix = list.items;
	timers->n_posix = list.n;
	return 0;
}

/* What thread @th finds. */
static int ask_thread(struct dump *d, struct task *t, struct thread *th,
		      const TaskTimersEntry *timers, struct parasite_timers **ret, struct err *err)
{
	size_t n = timers->n_posix;
	size_t size = sizeof(struct parasite_timers) + n * sizeof(struct parasite_timer);
	struct parasite_timers *args = arena_alloc(d->arena, size);

	args->n = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		args->timers[i].id = (int32_t)timers->posix[i]->it_id;
	*ret = args;
	return task_call_thread(t, th, PARASITE_TIMERS, args, size, err) < 0 ? -err->code : 0;
}

/* Between two looks only the thread that looks has used CPU time: its timers have less left. */
static int find_timers_of(struct dump *d, struct task *t, struct thread *th,
			  TaskTimersEntry *timers, struct err *err)
{
	struct parasite_timers *first, *second;

	if (ask_thread(d, t, th, timers, &first, err) < 0 ||
	    ask_thread(d, t, th, timers, &second, err) < 0)
		return -err->code;
	for (size_t i = 0; i < timers->n_posix; i++) {
		const struct parasite_timer *a = &first->timers[i], *b = &second->timers[i];
		PosixTimerEntry *e = timers->posix[i];

		if (has_unknown_thread(t, e) &&
		    (a->value_sec != b->value_sec || a->value_nsec != b->value_nsec))
			e->clock_id = ~(uint32_t)th->tid << 3 | (e->clock_id & 7);
	}
	return 0;
}

static bool any_unknown(const struct task *t, const TaskTimersEntry *timers)
{
	for (size_t i = 0; i < timers->n_posix; i++)
		if (has_unknown_thread(t, timers->posix[i]))
			return true;
	return false;
}

/* A clock that names its thread can be asked for by any of them. */
static int find_threads(struct dump *d, struct task *t, TaskTimersEntry *timers, struct err *err)
{
	for (size_t i = 0; i < t->nr_threads && any_unknown(t, timers); i++)
		if (find_timers_of(d, t, &t->threads[i], timers, err) < 0)
			return -err->code;
	for (size_t i = 0; i < timers->n_posix; i++)
		if (has_unknown_thread(t, timers->posix[i]))
			return refuse_unknown(timers->posix[i], err);
	return 0;
}

static int ask_posix(struct dump *d, struct task *t, TaskTimersEntry *timers, struct err *err)
{
	size_t n = timers->n_posix;
	struct parasite_timers *args;

	if (!n)
		return 0;
	if (ask_thread(d, t, &t->threads[0], timers, &args, err) < 0)
		return -err->code;

	for (size_t i = 0; i < n; i++) {
		const struct parasite_timer *from = &args->timers[i];
		PosixTimerEntry *e = timers->posix[i];

		e->overrun = (uint32_t)from->overrun;
		e->isec = from->interval_sec;
		e->insec = from->interval_nsec;
		e->vsec = from->value_sec;
		e->vnsec = from->value_nsec;
	}
	return 0;
}

static bool any_armed(const struct task *t, const TaskTimersEntry *timers)
{
	for (int i = 0; i < 3; i++) {
		const struct parasite_itimer *it = &t->inside->itimers[i];

		if (it->interval_sec || it->interval_usec || it->value_sec || it->value_usec)
			return true;
	}
	return timers->n_posix > 0;
}

/* A timer that fires once may have done so since the signals were read, and is armed no more. */
static int has_news(struct dump *d, struct task *t, bool *news_ret, struct err *err)
{
	const SignalQueueEntry *q = t->core->tc->signals_s;
	struct proc_status status;
	uint64_t known = 0;

	if (proc_read_status(d->proc, t->host_pid, t->threads[0].host_tid, d->arena, &status, err) <
	    0)
		return -err->code;
	for (size_t i = 0; i < q->n_signals; i++)
		known |= 1ull << (((const siginfo_t *)q->signals[i]->siginfo.data)->si_signo - 1);
	*news_ret = status.shared_pending & ~known;
	return 0;
}

static int ask_timers(struct dump *d, struct task *t, TaskTimersEntry *timers, struct err *err)
{
	bool same = false, news = true;

	if (ask_posix(d, t, timers, err) < 0)
		return -err->code;
	if (!any_armed(t, timers) && has_news(d, t, &news, err) < 0)
		return -err->code;
	if (!news)
		return 0;

	for (int i = 0; i < MAX_TRIES; i++) {
		if (timers_read_queues(d, t, &same, err) < 0)
			return -err->code;
		if (same)
			break;
		if (task_call(t, PARASITE_TASK, t->inside, sizeof(*t->inside), err) < 0 ||
		    ask_posix(d, t, timers, err) < 0)
			return -err->code;
	}
	return compel_stay(t->victim, err) < 0 ? -err->code : 0;
}

static ItimerEntry *itimer_record(struct dump *d, const struct parasite_itimer *from)
{
	ItimerEntry *e = record_new(d, itimer_entry);

	e->isec = from->interval_sec;
	e->iusec = from->interval_usec;
	e->vsec = from->value_sec;
	e->vusec = from->value_usec;
	return e;
}

static int collect_timers(struct dump *d, struct task *t, struct err *err)
{
	TaskTimersEntry *timers;
	bool ignored;

	if (t->state == TASK_DEAD)
		return 0;
	if (timers_read_queues(d, t, &ignored, err) < 0)
		return -err->code;

	timers = record_new(d, task_timers_entry);
	t->core->tc->timers = timers;
	return list_timers(d, t, timers, err);
}

static int drain_timers(struct dump *d, struct task *t, struct err *err)
{
	TaskTimersEntry *timers = t->core->tc->timers;

	if (t->state == TASK_DEAD)
		return 0;
	if (find_threads(d, t, timers, err) < 0 || ask_timers(d, t, timers, err) < 0)
		return -err->code;

	timers->real = itimer_record(d, &t->inside->itimers[ITIMER_REAL]);
	timers->virt = itimer_record(d, &t->inside->itimers[ITIMER_VIRTUAL]);
	timers->prof = itimer_record(d, &t->inside->itimers[ITIMER_PROF]);
	return 0;
}

/* ---- restore ---- */

static bool itimer_is_valid(const ItimerEntry *e)
{
	return e->iusec < USEC_PER_SEC && e->vusec < USEC_PER_SEC && e->isec <= INT64_MAX &&
	       e->vsec <= INT64_MAX;
}

static int check_timers(const TaskTimersEntry *e, struct err *err)
{
	if (!itimer_is_valid(e->real) || !itimer_is_valid(e->virt) || !itimer_is_valid(e->prof))
		return timers_damaged(err, "an interval timer");

	for (size_t i = 0; i < e->n_posix; i++) {
		const PosixTimerEntry *p = e->posix[i];

		if (p->insec >= NSEC_PER_SEC || p->vnsec >= NSEC_PER_SEC ||
		    p->isec > INT64_MAX / NSEC_PER_SEC || p->vsec > INT64_MAX / NSEC_PER_SEC ||
		    p->it_id > INT32_MAX)
			return timers_damaged(err, "a POSIX timer");
	}
	return 0;
}

static int read_timers(struct restore *r, struct task *t, struct err *err)
{
	const TaskCoreEntry *tc = t->core->tc;

	if (t->state == TASK_DEAD)
		return 0;
	if (!tc->timers)
		return timers_damaged(err, "the timers, there are none,");
	if (check_timers(tc->timers, err) < 0 || timers_check_queues(t, err) < 0)
		return -err->code;

	if (tc->timers->n_posix)
		qsort(tc->timers->posix, tc->timers->n_posix, sizeof(tc->timers->posix[0]),
		      compare_timers);
	return 0;
}

static int plan_timers(struct restore *r, struct task *t, struct err *err)
{
	if (t->state == TASK_DEAD)
		return 0;

	t->region_room += timers_queues_size(t);
	t->region_room += t->core->tc->timers->n_posix * sizeof(struct restorer_timer);
	return 0;
}

static void map_itimer(const ItimerEntry *e, struct parasite_itimer *out)
{
	out->interval_sec = e->isec;
	out->interval_usec = e->iusec;
	out->value_sec = e->vsec;
	out->value_usec = e->vusec;
}

static int map_posix(struct restore *r, const TaskTimersEntry *e, struct err *err)
{
	struct restorer_timer *out;

	if (!e->n_posix)
		return 0;
	out = region_alloc(r->region, e->n_posix * sizeof(*out), err);
	if (!out)
		return -err->code;

	for (size_t i = 0; i < e->n_posix; i++) {
		const PosixTimerEntry *p = e->posix[i];

		out[i] = (struct restorer_timer){
			.id = (int32_t)p->it_id,
			.clock = (int32_t)p->clock_id,
			.signo = (int32_t)p->si_signo,
			.notify = (int32_t)p->it_sigev_notify,
			.sival = p->sival_ptr,
			.notify_tid = p->notify_thread_id,
			.overrun = (int32_t)p->overrun,
			.interval_sec = p->isec,
			.interval_nsec = p->insec,
			.value_sec = p->vsec,
			.value_nsec = p->vnsec,
		};
	}
	r->region->args->timers = (uintptr_t)out;
	r->region->args->nr_timers = e->n_posix;
	return 0;
}

static int map_timers(struct restore *r, struct task *t, struct err *err)
{
	struct restorer_args *args = r->region->args;
	const TaskCoreEntry *tc = t->core->tc;

	map_itimer(tc->timers->real, &args->itimers[ITIMER_REAL]);
	map_itimer(tc->timers->virt, &args->itimers[ITIMER_VIRTUAL]);
	map_itimer(tc->timers->prof, &args->itimers[ITIMER_PROF]);

	if (map_posix(r, tc->timers, err) < 0)
		return -err->code;
	return timers_map_queues(r, t, err);
}

const struct task_kind timers_kind = {
	.name = "timers",
	.collect = collect_timers,
	.drain = drain_timers,
	.news = timers_news,
	.read = read_timers,
	.plan = plan_timers,
	.map = map_timers,
	.resume = timers_send_stops,
};
