/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * signals - what a task does with them: actions, masks, alternate stacks
 *
 * collect   masks, from the frozen threads; the signal that stopped the task
 * drain     actions and stacks, which only the task itself can ask for
 * map       actions and stacks for the restorer; masks are set at the very end
 *	     by the coordinator, with the registers
 *
 * Signals that wait to be delivered belong to timers.c.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core/kind.h"
#include "core/region.h"

enum {
	NR_SIGNALS = 64,
	NR_ACTIONS = NR_SIGNALS - 2, /* in images: without SIGKILL and SIGSTOP */
};

static bool has_action(int sig)
{
	return sig != SIGKILL && sig != SIGSTOP;
}

/* ---- dump ---- */

static int collect_signals(struct dump *d, struct task *t, struct err *err)
{
	TaskCoreEntry *tc = t->core->tc;

	if (t->state == TASK_DEAD)
		return 0;

	tc->blk_sigset = t->threads[0].victim->sigmask;
	for (size_t i = 0; i < t->nr_threads; i++) {
		ThreadCoreEntry *e = t->threads[i].core->thread_core;

		e->has_blk_sigset = true;
		e->blk_sigset = t->threads[i].victim->sigmask;
	}

	if (t->state == TASK_STOPPED) {
		tc->has_stop_signo = true;
		tc->stop_signo = (uint32_t)t->victim->stop_signal;
	}
	return 0;
}

static void drain_actions(struct dump *d, struct task *t)
{
	TaskCoreEntry *tc = t->core->tc;

	tc->sigactions = arena_array(d->arena, SaEntry *, NR_ACTIONS);
	for (int sig = 1; sig <= NR_SIGNALS; sig++) {
		const struct parasite_sigaction *sa = &t->inside->sigactions[sig - 1];
		SaEntry *e;

		if (!has_action(sig))
			continue;
		e = record_new(d, sa_entry);
		e->sigaction = sa->handler;
		e->flags = sa->flags;
		e->restorer = sa->restorer;
		e->mask = sa->mask;
		e->has_compat_sigaction = true;
		tc->sigactions[tc->n_sigactions++] = e;
	}
}

/* The parent may not have asked for the stop yet, and must find it when it does. */
static int drain_stop(struct task *t, struct err *err)
{
	struct parasite_stop stop = { .pid = t->pid };

	if (t->state != TASK_STOPPED || !t->parent)
		return 0;
	if (task_call(t->parent, PARASITE_STOP_SEEN, &stop, sizeof(stop), err) < 0)
		return -err->code;
	t->core->tc->has_stop_unseen = stop.unseen;
	t->core->tc->stop_unseen = stop.unseen;
	return 0;
}

static int drain_signals(struct dump *d, struct task *t, struct err *err)
{
	if (t->state == TASK_DEAD)
		return 0;

	drain_actions(d, t);
	for (size_t i = 0; i < t->nr_threads; i++) {
		const struct parasite_thread *inside = t->threads[i].inside;
		ThreadSasEntry *e = record_new(d, thread_sas_entry);

		e->ss_sp = inside->sas_sp;
		e->ss_size = inside->sas_size;
		e->ss_flags = inside->sas_flags;
		t->threads[i].core->thread_core->sas = e;
	}
	return drain_stop(t, err);
}

/* ---- restore ---- */

static int check_actions(const TaskCoreEntry *tc, struct err *err)
{
	if (tc->n_sigactions != NR_ACTIONS) {
		err_set(err, EBADMSG, "cannot use %zu signal actions where there are %d",
			tc->n_sigactions, NR_ACTIONS);
		return err_hint(err, "take the checkpoint again, with this version");
	}
	for (size_t i = 0; i < tc->n_sigactions; i++)
		if (tc->sigactions[i]->compat_sigaction) {
			err_set(err, EOPNOTSUPP, "cannot restore a 32-bit signal handler");
			return err_hint(err, "only 64-bit programs can be restored");
		}
	return 0;
}

static bool is_stop_signal(uint32_t sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

static int read_signals(struct restore *r, struct task *t, struct err *err)
{
	const TaskCoreEntry *tc = t->core->tc;

	if (t->state == TASK_DEAD)
		return 0;
	if (t->state == TASK_STOPPED && tc->has_stop_signo && !is_stop_signal(tc->stop_signo))
		return err_set(err, EBADMSG, "cannot stop a task by signal %u", tc->stop_signo);
	return check_actions(tc, err);
}

static int map_signals(struct restore *r, struct task *t, struct err *err)
{
	struct restorer_args *args = r->region->args;
	size_t i = 0;

	for (int sig = 1; sig <= NR_SIGNALS; sig++) {
		struct parasite_sigaction *sa = &args->sigactions[sig - 1];
		const SaEntry *e;

		if (!has_action(sig))
			continue;
		e = t->core->tc->sigactions[i++];
		sa->handler = e->sigaction;
		sa->flags = e->flags;
		sa->restorer = e->restorer;
		sa->mask = e->mask;
		args->sigaction_mask |= 1ull << (sig - 1);
	}

	for (i = 0; i < t->nr_threads; i++) {
		const ThreadSasEntry *e = t->threads[i].core->thread_core->sas;
		struct restorer_thread *out = &r->region->threads[i];

		out->sas_sp = e ? e->ss_sp : 0;
		out->sas_size = e ? e->ss_size : 0;
		out->sas_flags = e ? e->ss_flags : SS_DISABLE;
	}
	return 0;
}

const struct task_kind signals_kind = {
	.name = "signals",
	.collect = collect_signals,
	.drain = drain_signals,
	.read = read_signals,
	.map = map_signals,
};
