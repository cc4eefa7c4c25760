/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * timers_queue - signals that wait to be delivered
 *
 * They are in images as siginfo_t, 128 bytes, as the kernel writes it.  All
 * come back by rt_sigqueueinfo(), which lets a thread send itself whatever it
 * likes, but for those of POSIX timers: see timers.c.  SIGTRAP comes later, see
 * core/trapped.h.  SIGSTOP cannot be kept waiting, so it is sent last, to tasks that
 * are complete; so is the SIGCONT that a stopped task has got, but not acted on,
 * while it was dumped.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/kind.h"
#include "core/region.h"
#include "task/timers.h"

enum {
	SIGINFO_SIZE = 128,
	PEEK_SIGNALS = 16, /* at a time */
	NR_SIGNALS = 64,
};

_Static_assert(sizeof(siginfo_t) == SIGINFO_SIZE, "images have siginfo_t as it is");

typedef vec(siginfo_t) siginfos;

/* ---- dump ---- */

static int check_signal(int sig, struct err *err)
{
	if (sig != SIGKILL)
		return 0;

	err_set(err, EOPNOTSUPP, "cannot dump a task that has SIGKILL pending");
	return err_hint(err, "leave it out: it is about to end");
}

/* What is queued for thread @tid, or, with @flags, for its process. */
static int peek_signals(struct arena *a, pid_t tid, unsigned int flags, siginfos *ret,
			struct err *err)
{
	struct __ptrace_peeksiginfo_args args = { .flags = flags, .nr = PEEK_SIGNALS };
	siginfo_t infos[PEEK_SIGNALS];
	long n;

	while ((n = ptrace(PTRACE_PEEKSIGINFO, tid, &args, infos)) > 0) {
		for (long i = 0; i < n; i++) {
			if (check_signal(infos[i].si_signo, err) < 0)
				return -err->code;
			*vec_add(a, ret) = infos[i];
		}
		args.off += (uint64_t)n;
	}
	return n < 0 ? err_sys(err, "cannot read the pending signals of thread %d", tid) : 0;
}

static SignalQueueEntry *queue_of(struct arena *a, const siginfos *infos)
{
	SignalQueueEntry *q = arena_new(a, SignalQueueEntry);

	signal_queue_entry__init(q);
	q->signals = arena_array(a, SiginfoEntry *, infos->n);
	for (; q->n_signals < infos->n; q->n_signals++) {
		SiginfoEntry *e = arena_new(a, SiginfoEntry);

		siginfo_entry__init(e);
		e->siginfo.data = (uint8_t *)&infos->items[q->n_signals];
		e->siginfo.len = SIGINFO_SIZE;
		q->signals[q->n_signals] = e;
	}
	return q;
}

static bool queues_equal(const SignalQueueEntry *a, const SignalQueueEntry *b)
{
	if (a->n_signals != b->n_signals)
		return false;
	for (size_t i = 0; i < a->n_signals; i++)
		if (memcmp(a->signals[i]->siginfo.data, b->signals[i]->siginfo.data,
			   SIGINFO_SIZE) != 0)
			return false;
	return true;
}

/* It is its own thread that must send it to a process, and the restorer of that is gone; see core/trapped.h. */
static int check_trap(const struct task *t, const siginfos *shared, struct err *err)
{
	const siginfo_t *info;

	vec_for_each(info, shared) {
		if (info->si_signo != SIGTRAP || !t->leader_exited)
			continue;
		err_set(err, EOPNOTSUPP,
			"cannot dump a task that has SIGTRAP pending and whose first thread has exited");
		return err_hint(err, "try again when it has received that signal");
	}
	return 0;
}

/*
 * Signals can be read only of threads that are parked, and the one our code
 * runs in is not; compel parks it for a system call.
 */
static int park(struct task *t, struct err *err)
{
	static const unsigned long none[6];
	long ignored;

	if (!t->inside)
		return 0;
	return compel_syscall(t->victim, t->threads[0].victim, SYS_getpid, none, &ignored, err);
}

int timers_read_queues(struct dump *d, struct task *t, bool *same_ret, struct err *err)
{
	TaskCoreEntry *tc = t->core->tc;
	siginfos shared = { 0 };
	SignalQueueEntry *q;
	bool same;

	if (park(t, err) < 0)
		return -err->code;
	if (peek_signals(d->arena, t->host_alive, PTRACE_PEEKSIGINFO_SHARED, &shared, err) < 0 ||
	    check_trap(t, &shared, err) < 0)
		return -err->code;
	q = queue_of(d->arena, &shared);
	same = tc->signals_s && queues_equal(tc->signals_s, q);
	tc->signals_s = q;

	for (size_t i = 0; i < t->nr_threads; i++) {
		ThreadCoreEntry *e = t->threads[i].core->thread_core;
		siginfos own = { 0 };

		if (peek_signals(d->arena, t->threads[i].host_tid, 0, &own, err) < 0)
			return -err->code;
		q = queue_of(d->arena, &own);
		same = same && e->signals_p && queues_equal(e->signals_p, q);
		e->signals_p = q;
	}
	*same_ret = same;
	return 0;
}

/* Timers are restored with the time they had, and go off again. */
static bool is_of_timer(const siginfo_t *info)
{
	return info->si_code == SI_TIMER ||
	       (info->si_code == SI_KERNEL && info->si_signo == SIGALRM);
}

static bool has_info(const SignalQueueEntry *q, const siginfo_t *info)
{
	for (size_t i = 0; q && i < q->n_signals; i++) {
		const siginfo_t *other = (const siginfo_t *)q->signals[i]->siginfo.data;

		if (other->si_signo != info->si_signo || other->si_code != info->si_code)
			continue;
		if (info->si_code == SI_TIMER ? other->si_timerid == info->si_timerid
					      : memcmp(other, info, SIGINFO_SIZE) == 0)
			return true;
	}
	return false;
}

/* Take from @q what timers have sent since @before. */
static void drop_of_timers(SignalQueueEntry *q, const SignalQueueEntry *before)
{
	size_t n = 0;

	for (size_t i = 0; i < q->n_signals; i++) {
		const siginfo_t *info = (const siginfo_t *)q->signals[i]->siginfo.data;

		if (!is_of_timer(info) || has_info(before, info))
			q->signals[n++] = q->signals[i];
	}
	q->n_signals = n;
}

int timers_news(struct dump *d, struct task *t, bool *news_ret, struct err *err)
{
	TaskCoreEntry *tc = t->core->tc;
	SignalQueueEntry **before = arena_array(d->arena, SignalQueueEntry *, t->nr_threads + 1);
	bool same;

	before[t->nr_threads] = tc->signals_s;
	for (size_t i = 0; i < t->nr_threads; i++)
		before[i] = t->threads[i].core->thread_core->signals_p;
	if (timers_read_queues(d, t, &same, err) < 0 || compel_stay(t->victim, err) < 0)
		return -err->code;
	drop_of_timers(tc->signals_s, before[t->nr_threads]);
	for (size_t i = 0; i < t->nr_threads; i++)
		drop_of_timers(t->threads[i].core->thread_core->signals_p, before[i]);
	*news_ret = !same;
	return 0;
}

/* ---- restore ---- */

int timers_damaged(struct err *err, const char *what)
{
	err_set(err, EBADMSG, "cannot use %s in the image", what);
	return err_hint(err, "the checkpoint is damaged; take it again");
}

static int check_queue(const SignalQueueEntry *q, struct err *err)
{
	for (size_t i = 0; q && i < q->n_signals; i++) {
		const siginfo_t *info = (const siginfo_t *)q->signals[i]->siginfo.data;

		if (q->signals[i]->siginfo.len != SIGINFO_SIZE || info->si_signo < 1 ||
		    info->si_signo > NR_SIGNALS)
			return timers_damaged(err, "a pending signal");
		if (check_signal(info->si_signo, err) < 0)
			return -err->code;
	}
	return 0;
}

int timers_check_queues(const struct task *t, struct err *err)
{
	if (check_queue(t->core->tc->signals_s, err) < 0)
		return -err->code;
	for (size_t i = 0; i < t->nr_threads; i++)
		if (check_queue(t->threads[i].core->thread_core->signals_p, err) < 0)
			return -err->code;
	return 0;
}

static size_t queue_size(const SignalQueueEntry *q)
{
	return q ? q->n_signals * SIGINFO_SIZE : 0;
}

size_t timers_queues_size(const struct task *t)
{
	size_t size = queue_size(t->core->tc->signals_s);

	for (size_t i = 0; i < t->nr_threads; i++)
		size += queue_size(t->threads[i].core->thread_core->signals_p);
	return size;
}

/* The timer that has queued @info, or NULL. */
static struct restorer_timer *timer_of(struct restorer_timer *timers, size_t n,
				       const siginfo_t *info)
{
	if (info->si_code != SI_TIMER)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (timers[i].id == info->si_timerid && timers[i].signo == info->si_signo &&
		    timers[i].sival == (uintptr_t)info->si_ptr && timers[i].notify != SIGEV_NONE)
			return &timers[i];
	return NULL;
}

static int map_queue(struct restore *r, const SignalQueueEntry *q, uint64_t *out_ret,
		     uint64_t *n_ret, struct err *err)
{
	struct restorer_timer *timers = (struct restorer_timer *)r->region->args->timers;
	char *out;

	if (!q || !q->n_signals)
		return 0;
	out = region_alloc(r->region, q->n_signals * SIGINFO_SIZE, err);
	if (!out)
		return -err->code;

	for (size_t i = 0; i < q->n_signals; i++) {
		const siginfo_t *info = (const siginfo_t *)q->signals[i]->siginfo.data;
		struct restorer_timer *timer = timer_of(timers, r->region->args->nr_timers, info);

		if (timer)
			timer->fired = true;
		else if (info->si_signo != SIGSTOP && info->si_signo != SIGTRAP)
			memcpy(out + SIGINFO_SIZE * (*n_ret)++, info, SIGINFO_SIZE);
	}
	*out_ret = (uintptr_t)out;
	return 0;
}

int timers_map_queues(struct restore *r, const struct task *t, struct err *err)
{
	struct restorer_args *args = r->region->args;

	if (map_queue(r, t->core->tc->signals_s, &args->siginfos, &args->nr_siginfos, err) < 0)
		return -err->code;
	for (size_t i = 0; i < t->nr_threads; i++) {
		struct restorer_thread *out = &r->region->threads[i];

		if (map_queue(r, t->threads[i].core->thread_core->signals_p, &out->siginfos,
			      &out->nr_siginfos, err) < 0)
			return -err->code;
	}
	return 0;
}

static bool has_signal(const SignalQueueEntry *q, int sig)
{
	for (size_t i = 0; q && i < q->n_signals; i++)
		if (((const siginfo_t *)q->signals[i]->siginfo.data)->si_signo == sig)
			return true;
	return false;
}

int timers_send_stops(struct restore *r, struct task *t, struct err *err)
{
	if (has_signal(t->core->tc->signals_s, SIGSTOP) && kill(t->host_pid, SIGSTOP) < 0)
		return err_sys(err, "cannot stop task %d", t->pid);
	/* stopping it has taken SIGCONT from it */
	if (t->state == TASK_STOPPED && has_signal(t->core->tc->signals_s, SIGCONT) &&
	    kill(t->host_pid, SIGCONT) < 0)
		return err_sys(err, "cannot continue task %d", t->pid);
	for (size_t i = 0; i < t->nr_threads; i++)
		if (has_signal(t->threads[i].core->thread_core->signals_p, SIGSTOP) &&
		    syscall(SYS_tgkill, t->host_pid, t->threads[i].host_tid, SIGSTOP) < 0)
			return err_sys(err, "cannot stop thread %d", t->threads[i].tid);
	return 0;
}
