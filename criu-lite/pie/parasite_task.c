/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parasite_task - what only the task itself can ask the kernel
 *
 * The host half is spread over task/ and mem/; nothing here changes anything.
 */
#include <asm/unistd.h>
#include <linux/membarrier.h>
#include <linux/prctl.h>
#include <linux/wait.h>

#include "pie/abi.h"
#include "sys.h"

long parasite_task(struct parasite_task *t);
long parasite_thread(struct parasite_thread *t);
long parasite_timers(struct parasite_timers *ts);
long parasite_stop_seen(struct parasite_stop *s);
long parasite_look(struct parasite_look *l);

enum {
	SIGSET_SIZE = 8,
	NR_SIGNALS = 64,
	NR_ITIMERS = 3,
	MEMBARRIER_GET = 1 << 9, /* MEMBARRIER_CMD_GET_REGISTRATIONS of Linux 6.3 */
	PR_GET_MDWE_ = 66,	 /* Linux 6.3 */
};

/* As the kernel has it on 64-bit machines with a restorer. */
struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

struct kernel_stack {
	uint64_t sp;
	int32_t flags;
	uint32_t pad;
	uint64_t size;
};

struct kernel_itimerspec {
	int64_t interval_sec, interval_nsec, value_sec, value_nsec;
};

static long ask_sigactions(struct parasite_sigaction *actions)
{
	struct kernel_sigaction sa;
	long ret;

	for (int sig = 1; sig <= NR_SIGNALS; sig++) {
		ret = sys4(__NR_rt_sigaction, sig, 0, (long)&sa, SIGSET_SIZE);
		if (ret < 0)
			return ret;
		actions[sig - 1].handler = sa.handler;
		actions[sig - 1].flags = sa.flags;
		actions[sig - 1].restorer = sa.restorer;
		actions[sig - 1].mask = sa.mask;
	}
	return 0;
}

static long ask_itimers(struct parasite_itimer *itimers)
{
	long ret = 0;

	/* struct parasite_itimer is laid out like the kernel's */
	for (int i = 0; i < NR_ITIMERS && ret >= 0; i++)
		ret = sys2(__NR_getitimer, i, (long)&itimers[i]);
	return ret;
}

long parasite_task(struct parasite_task *t)
{
	int32_t subreaper = 0;
	long ret;

	ret = ask_sigactions(t->sigactions);
	if (ret >= 0)
		ret = ask_itimers(t->itimers);
	if (ret >= 0)
		ret = sys5(__NR_prctl, PR_GET_CHILD_SUBREAPER, (long)&subreaper, 0, 0, 0);
	if (ret < 0)
		return ret;

	t->brk = (uint64_t)sys1(__NR_brk, 0);
	t->dumpable = (int32_t)sys5(__NR_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0);
	t->thp_disabled = (int32_t)sys5(__NR_prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0);
	t->child_subreaper = subreaper;
	t->mdwe = (int32_t)sys5(__NR_prctl, PR_GET_MDWE_, 0, 0, 0, 0);
	t->vector_permitted = vector_get_permitted();
	parasite_task_knobs(t);
	t->membarrier = (int32_t)sys3(__NR_membarrier, MEMBARRIER_GET, 0, 0);
	return 0;
}

long parasite_thread(struct parasite_thread *t)
{
	struct kernel_stack sas = { 0 };
	int32_t pdeath_sig = 0;
	long ret;

	ret = sys5(__NR_prctl, PR_GET_TID_ADDRESS, (long)&t->tid_address, 0, 0, 0);
	if (ret >= 0)
		ret = sys2(__NR_sigaltstack, 0, (long)&sas);
	if (ret >= 0)
		ret = sys5(__NR_prctl, PR_GET_PDEATHSIG, (long)&pdeath_sig, 0, 0, 0);
	if (ret < 0)
		return ret;

	t->sas_sp = sas.sp;
	t->sas_size = sas.size;
	t->sas_flags = (uint32_t)sas.flags;
	t->pdeath_sig = (uint32_t)pdeath_sig;
	parasite_thread_knobs(t);

	ret = sys5(__NR_prctl, PR_GET_SECUREBITS, 0, 0, 0, 0);
	t->securebits = (uint32_t)ret;
	return ret < 0 ? ret : 0;
}

/* A look that changes nothing; the siginfo_t begins with SIGCHLD, or with 0 if there is no news. */
long parasite_stop_seen(struct parasite_stop *s)
{
	int32_t info[32] = { 0 };
	long ret = sys5(__NR_waitid, P_PID, s->pid, (long)info, WSTOPPED | WNOHANG | WNOWAIT, 0);

	s->unseen = info[0] != 0;
	return ret;
}

/*
 * Reading this link asks the security modules, and nothing of memory: to look at that
 * CAP_PERFMON allows without asking them (Linux 6.17).
 */
long parasite_look(struct parasite_look *l)
{
	static const char name[] = "cwd";
	char to[8];
	long ret = sys4(__NR_readlinkat, l->dir, (long)name, (long)to, sizeof(to));

	l->result = ret < 0 ? (int32_t)ret : 0;
	return 0;
}

long parasite_timers(struct parasite_timers *ts)
{
	for (uint32_t i = 0; i < ts->n; i++) {
		struct parasite_timer *t = &ts->timers[i];
		struct kernel_itimerspec spec;
		long ret = sys2(__NR_timer_gettime, t->id, (long)&spec);

		if (ret >= 0)
			ret = sys1(__NR_timer_getoverrun, t->id);
		if (ret < 0)
			return ret;
		t->overrun = (int32_t)ret;
		t->interval_sec = (uint64_t)spec.interval_sec;
		t->interval_nsec = (uint64_t)spec.interval_nsec;
		t->value_sec = (uint64_t)spec.value_sec;
		t->value_nsec = (uint64_t)spec.value_nsec;
	}
	return 0;
}
