/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * core - core-TID.img: a thread's registers and name, a task's state
 *
 * collect   makes the records that the other kinds of task/ fill; vector state,
 *	     while no code of ours has run in the thread
 * drain     registers, and where the thread is cleared when it ends
 * write     one image per thread; a zombie has one, with its exit code, and so
 *	     has a leader that has exited while others live on
 * read      every record that restore looks at is there
 * map       what a thread tells the kernel of its own memory
 *
 * The leader's image has the task's part (tc) too.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/cleanup.h"
#include "core/kind.h"
#include "core/refuse.h"
#include "core/region.h"
#include "core/wait.h"

enum { ROBUST_LIST_LEN = 24 }; /* the only size that kernels know */

/* ---- dump ---- */

static void new_tc(struct dump *d, struct task *t)
{
	TaskCoreEntry *tc = record_new(d, task_core_entry);

	tc->task_state = t->state;
	tc->comm = arena_strdup(d->arena, t->stat.comm);
	tc->has_exit_signal = t->stat.exit_signal != SIGCHLD;
	tc->exit_signal = (uint32_t)t->stat.exit_signal;
	if (t->state == TASK_DEAD)
		tc->exit_code = (uint32_t)t->stat.exit_code;
	else
		tc->flags = t->stat.flags;
	t->core->tc = tc;
}

/* A leader that has exited is a thread without a life, whose image is about the task. */
static void new_leader(struct dump *d, struct task *t)
{
	t->core = record_new(d, core_entry);
	t->core->mtype = arch_march();
	new_tc(d, t);
	t->core->tc->has_leader_exited = true;
	t->core->tc->leader_exited = true;
	t->core->tc->exit_code = (uint32_t)t->stat.exit_code;
}

static int collect_robust_list(struct thread *th, struct err *err)
{
	ThreadCoreEntry *e = th->core->thread_core;
	void *head;
	size_t len;

	if (syscall(SYS_get_robust_list, th->host_tid, &head, &len) < 0)
		return err_sys(err, "cannot ask for the robust list of thread %d", th->host_tid);
	e->futex_rla = (uintptr_t)head;
	e->futex_rla_len = (uint32_t)len;
	return 0;
}

static int collect_thread(struct dump *d, struct thread *th, struct err *err)
{
	scoped_ptr char *xstate = malloc(COMPEL_XSTATE_MAX);
	char comm[64];
	size_t len;

	th->core->thread_core = record_new(d, thread_core_entry);
	th->core->thread_core->comm =
		arena_strdup(d->arena, proc_comm(d->proc, th->host_tid, comm));
	arch_core_init(th->core, d->arena);

	if (!xstate || collect_robust_list(th, err) < 0)
		return xstate ? -err->code : err_sys(err, "cannot read vector state");
	if (compel_get_xstate(th->host_tid, xstate, COMPEL_XSTATE_MAX, &len, err) < 0)
		return -err->code;
	return arch_core_from_xstate(d->cpu, th->core, th->host_tid, xstate, len, d->arena, err);
}

static int collect_core(struct dump *d, struct task *t, struct err *err)
{
	if (t->leader_exited)
		new_leader(d, t);
	for (size_t i = 0; i < t->nr_threads; i++) {
		struct thread *th = &t->threads[i];

		th->core = record_new(d, core_entry);
		th->core->mtype = arch_march();
		if (i == 0 && !t->leader_exited) {
			t->core = th->core;
			new_tc(d, t);
		}
		if (t->state == TASK_DEAD || collect_thread(d, th, err) == 0)
			continue;
		err_in(err, "thread %d", th->host_tid);
		if (!refuse_note(d, t, -1, err))
			return -err->code;
	}
	return 0;
}

/*
 * The signal whose handler runs before anything else once the thread goes on,
 * or 0: those of the thread come before those of the process, faults before
 * others, then the lowest.
 */
static int first_handled(uint64_t pending)
{
	static const uint64_t faults = 1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) |
				       1ull << (SIGILL - 1) | 1ull << (SIGTRAP - 1) |
				       1ull << (SIGFPE - 1) | 1ull << (SIGSYS - 1);

	if (pending & faults)
		pending &= faults;
	return pending ? __builtin_ctzll(pending) + 1 : 0;
}

static int thread_first_handled(const struct thread *th)
{
	uint64_t open = th->status.caught & ~th->victim->sigmask;
	int sig = first_handled(th->status.sig_pending & open);

	return sig ? sig : first_handled(th->status.shared_pending & open);
}

/* A handler makes most interrupted system calls return EINTR. */
static bool returns_eintr(const struct task *t, const struct thread *th)
{
	const SyscallEntry *in = th->core->thread_core->interrupted;
	int sig = in ? thread_first_handled(th) : 0;

	enum { ERESTARTSYS = 512, ERESTARTNOINTR = 513 };

	if (!sig || in->result == -ERESTARTNOINTR)
		return false;
	return in->result != -ERESTARTSYS || !(t->inside->sigactions[sig - 1].flags & SA_RESTART);
}

static void note_time_left(const struct task *t, struct thread *th)
{
	SyscallEntry *in = th->core->thread_core->interrupted;
	uint64_t left;

	if (!wait_left(t, th, &left))
		return;
	in->has_remaining = true;
	in->remaining = left;
}

/* A thread that was stopped before is in restart_syscall(), which means nothing to another kernel thread. */
static void find_restarted_call(const struct task *t, const struct thread *th,
				struct compel_regs *regs)
{
	struct compel_interrupted in;
	long nr;

	compel_interrupted(regs, &in);
	if (in.nr != SYS_restart_syscall)
		return;
	nr = wait_restarted(t, th);
	if (nr >= 0)
		arch_regs_set_call(regs, nr);
}

static int drain_core(struct dump *d, struct task *t, struct err *err)
{
	if (t->state == TASK_DEAD)
		return 0;

	arch_core_set_permitted(t->threads[0].core, t->inside->vector_permitted);
	for (size_t i = 0; i < t->nr_threads; i++) {
		struct thread *th = &t->threads[i];
		struct compel_regs regs = th->victim->regs;

		find_restarted_call(t, th, &regs);
		if (arch_core_from_regs(th->core, &regs, th->inside->tid_address, d->arena, err) <
		    0)
			return err_in(err, "thread %d", th->host_tid);
		note_time_left(t, th);
		if (returns_eintr(t, th))
			arch_core_set_eintr(th->core);
	}
	return 0;
}

static int write_core(struct dump *d, struct task *t, struct err *err)
{
	if (t->leader_exited &&
	    image_put_one(d->store, IMAGE_CORE, (unsigned long)t->pid, &t->core->base, err) < 0)
		return -err->code;
	for (size_t i = 0; i < t->nr_threads; i++) {
		const struct thread *th = &t->threads[i];

		if (image_put_one(d->store, IMAGE_CORE, (unsigned long)th->tid, &th->core->base,
				  err) < 0)
			return -err->code;
	}
	return 0;
}

/* Signals have come since: a call that one of them ends must not be entered again. */
static int write_core_again(struct dump *d, struct task *t, struct err *err)
{
	for (size_t i = 0; i < t->nr_threads; i++) {
		struct thread *th = &t->threads[i];
		bool before = returns_eintr(t, th);

		if (proc_read_status(d->proc, t->host_pid, th->host_tid, d->arena, &th->status,
				     err) < 0)
			return -err->code;
		if (!before && returns_eintr(t, th))
			arch_core_set_eintr(th->core);
	}
	return write_core(d, t, err);
}

/* ---- restore ---- */

static int check_thread(const struct restore *r, const struct thread *th, struct err *err)
{
	scoped_ptr char *xstate = malloc(COMPEL_XSTATE_MAX);
	const ThreadCoreEntry *e = th->core->thread_core;
	struct compel_regs regs;
	size_t len;

	if (!xstate)
		return err_sys(err, "cannot check vector state");
	if (!e)
		return err_set(err, EBADMSG,
			       "cannot use core-%d.img: it says nothing of the thread", th->tid);
	if (e->futex_rla && e->futex_rla_len != ROBUST_LIST_LEN)
		return err_set(err, EBADMSG, "cannot use a robust list of %u bytes",
			       e->futex_rla_len);

	/* So that an image of another CPU is refused before anything is made. */
	return arch_regs_from_core(r->cpu, th->core, &regs, xstate, &len, err);
}

static int read_core(struct restore *r, struct task *t, struct err *err)
{
	if (t->state == TASK_DEAD)
		return 0;

	for (size_t i = 0; i < t->nr_threads; i++)
		if (check_thread(r, &t->threads[i], err) < 0) {
			err_in(err, "thread %d", t->threads[i].tid);
			return err_hint(err, "the checkpoint is damaged; take it again");
		}
	return 0;
}

static int map_core(struct restore *r, struct task *t, struct err *err)
{
	r->region->args->vector_permitted = arch_permitted(t->threads[0].core);
	for (size_t i = 0; i < t->nr_threads; i++) {
		const struct thread *th = &t->threads[i];
		const ThreadCoreEntry *e = th->core->thread_core;
		struct restorer_thread *out = &r->region->threads[i];
		const char *comm = e->comm ? e->comm : t->core->tc->comm;

		out->tid = th->tid;
		out->tls = arch_tls(th->core);
		out->tid_address = arch_clear_tid_addr(th->core);
		out->vector_large = arch_vector_is_large(th->core);
		out->robust_list = e->futex_rla;
		out->robust_list_len = e->futex_rla_len;
		snprintf(out->comm, sizeof(out->comm), "%s", comm);
	}
	return 0;
}

const struct task_kind core_kind = {
	.name = "core",
	.collect = collect_core,
	.drain = drain_core,
	.write = write_core,
	.write_again = write_core_again,
	.read = read_core,
	.map = map_core,
};
