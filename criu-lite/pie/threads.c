/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * threads - the other threads of a newborn task, and what each has of its own
 *
 * Seccomp filters that all threads share are installed before the threads are
 * born, who then have the very same objects: a program that later adds one to
 * all threads at once (TSYNC) needs that.  While we are traced no filter acts
 * (PTRACE_O_SUSPEND_SECCOMP), so they can be installed while we may still do
 * so without no_new_privs.
 */
#include <asm/unistd.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/rseq.h>
#include <linux/seccomp.h>

#include "pie/restorer.h"
#include "sys.h"

enum {
	SS_DISABLE_ = 2,
	PRIO_PROCESS_ = 0,
	PR_SET_MDWE_ = 65,
};

struct stack {
	uint64_t sp;
	uint32_t flags, pad;
	uint64_t size;
};

static struct restorer_args *args_of(const struct restorer_thread *t)
{
	return (struct restorer_args *)t->args;
}

static long check(struct restorer_thread *t, long ret, enum restorer_op op, uint64_t arg)
{
	return restorer_check(args_of(t), ret, op, arg);
}

static long prctl(long option, long arg)
{
	return sys5(__NR_prctl, option, arg, 0, 0, 0);
}

static void restore_addresses(struct restorer_thread *t)
{
	struct stack sas = { .sp = t->sas_sp, .flags = t->sas_flags, .size = t->sas_size };

	sys1(__NR_set_tid_address, (long)t->tid_address);
	if (t->robust_list)
		check(t, sys2(__NR_set_robust_list, (long)t->robust_list, (long)t->robust_list_len),
		      RST_THREAD, (uint64_t)t->tid);
	if (!(t->sas_flags & SS_DISABLE_))
		check(t, sys2(__NR_sigaltstack, (long)&sas, 0), RST_SAS, (uint64_t)t->tid);
	if (t->rseq)
		check(t, sys4(__NR_rseq, (long)t->rseq, (long)t->rseq_size, 0, (long)t->rseq_sig),
		      RST_RSEQ, (uint64_t)t->tid);
}

/* The policy comes first: setting one resets what a former one had. */
static void restore_sched(struct restorer_thread *t)
{
	int32_t priority = t->sched_priority;

	check(t, sys3(__NR_sched_setscheduler, 0, t->sched_policy, (long)&priority), RST_SCHED,
	      (uint64_t)t->tid);
	check(t, sys3(__NR_setpriority, PRIO_PROCESS_, 0, t->sched_nice), RST_SCHED,
	      (uint64_t)t->tid);
}

static void install_filters(struct restorer_thread *t, uint64_t from, uint64_t to)
{
	const struct restorer_filter *filters = (const struct restorer_filter *)t->filters;

	for (uint64_t i = from; i < to; i++) {
		struct sock_fprog prog = {
			.len = (unsigned short)filters[i].n,
			.filter = (struct sock_filter *)filters[i].insns,
		};

		check(t, sys3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, filters[i].flags, (long)&prog),
		      RST_SECCOMP, i);
	}
}

int restore_thread(struct restorer_thread *t)
{
	check(t, prctl(PR_SET_NAME, (long)t->comm), RST_PRCTL, PR_SET_NAME);
	restore_addresses(t);
	restore_sched(t);
	restore_thread_knobs(t);
	if (!t->is_leader)
		restore_thread_signals(t);
	install_filters(t, args_of(t)->shared_filters, t->nr_filters);
	restore_creds(t);
	/* A change of credentials has cleared it. */
	check(t, prctl(PR_SET_PDEATHSIG, t->pdeath_sig), RST_PRCTL, PR_SET_PDEATHSIG);
	if (t->vector_large)
		vector_make_large();
	return 0;
}

static void run_thread(void *arg)
{
	restore_thread(arg);
	for (;;)
		restorer_stop(args_of(arg));
}

/* With CLONE_PTRACE the newborn's tracer is ours, and it waits until that sends it on. */
static void make_thread(struct restorer_args *args, struct restorer_thread *t)
{
	int32_t tid = t->tid;
	struct clone_args ca = {
		.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			 CLONE_SYSVSEM | CLONE_PTRACE,
		.stack = t->stack,
		.stack_size = t->stack_size,
		.set_tid = (uint64_t)&tid,
		.set_tid_size = 1,
	};

	restorer_check(args, restorer_clone(&ca, run_thread, t), RST_THREAD, (uint64_t)tid);
}

int restore_threads(struct restorer_args *args)
{
	struct restorer_thread *threads = (struct restorer_thread *)args->threads;

	restorer_check(args, sys1(__NR_personality, args->personality), RST_PRCTL, 0);
	if (args->child_subreaper)
		restorer_check(args, prctl(PR_SET_CHILD_SUBREAPER, 1), RST_PRCTL,
			       PR_SET_CHILD_SUBREAPER);
	if (args->mdwe)
		restorer_check(args, prctl(PR_SET_MDWE_, args->mdwe), RST_PRCTL, PR_SET_MDWE_);
	if (args->vector_permitted)
		restorer_check(args, vector_permit(args->vector_permitted), RST_PRCTL,
			       args->vector_permitted);
	install_filters(&threads[0], 0, args->shared_filters);

	for (uint32_t i = !args->exiting_leader; i < args->nr_threads; i++)
		make_thread(args, &threads[i]);
	/* Limits and credentials of the process come only after them: the coordinator waits for them. */
	if (args->nr_threads > 1 || args->exiting_leader)
		restorer_stop(args);
	return 0;
}
