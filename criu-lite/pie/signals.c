/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * signals - actions, and signals that wait to be delivered
 *
 * Being built has sent signals of its own: children stopped and died, groups
 * became orphans.  Ignoring a signal for a moment takes it out of all queues.
 */
#include <asm/unistd.h>

#include "pie/restorer.h"
#include "sys.h"

enum {
	NR_SIGNALS = 64,
	SIGSET_SIZE = 8,
	SIGINFO_SIZE = 128,
	SIG_IGN_ = 1,
	SIGTRAP_ = 5,
	SIGCHLD_ = 17,
};

static long set_action(int sig, const struct parasite_sigaction *sa)
{
	/* struct parasite_sigaction is laid out like the kernel's */
	return sys4(__NR_rt_sigaction, sig, (long)sa, 0, SIGSET_SIZE);
}

/*
 * SIGCHLD is taken out by its default action too; ignoring it would also make
 * children that die now vanish.  SIGTRAP is what we stop by.
 */
static void drop_pending(struct restorer_args *args)
{
	for (int sig = 1; sig <= NR_SIGNALS; sig++) {
		struct parasite_sigaction sa = { .handler = sig == SIGCHLD_ ? 0 : SIG_IGN_ };

		if (sig != SIGTRAP_ && (args->sigaction_mask >> (sig - 1) & 1))
			restorer_check(args, set_action(sig, &sa), RST_SIGACTION, (uint64_t)sig);
	}
}

static int siginfo_signo(const char *info)
{
	int32_t signo;

	memcpy(&signo, info, sizeof(signo));
	return signo;
}

int restore_thread_signals(struct restorer_thread *t)
{
	struct restorer_args *args = (struct restorer_args *)t->args;
	const char *info = (const char *)t->siginfos;

	for (uint64_t i = 0; i < t->nr_siginfos; i++, info += SIGINFO_SIZE)
		restorer_check(args,
			       sys4(__NR_rt_tgsigqueueinfo, args->pid, t->tid, siginfo_signo(info),
				    (long)info),
			       RST_SIGQUEUE, (uint64_t)siginfo_signo(info));
	return 0;
}

int restore_signals(struct restorer_args *args)
{
	const char *info = (const char *)args->siginfos;

	drop_pending(args);
	for (int sig = 1; sig <= NR_SIGNALS; sig++)
		if (args->sigaction_mask >> (sig - 1) & 1)
			restorer_check(args, set_action(sig, &args->sigactions[sig - 1]),
				       RST_SIGACTION, (uint64_t)sig);

	for (uint64_t i = 0; i < args->nr_siginfos; i++, info += SIGINFO_SIZE)
		restorer_check(args,
			       sys3(__NR_rt_sigqueueinfo, args->pid, siginfo_signo(info),
				    (long)info),
			       RST_SIGQUEUE, (uint64_t)siginfo_signo(info));
	return args->exiting_leader
		       ? 0
		       : restore_thread_signals((struct restorer_thread *)args->threads);
}
