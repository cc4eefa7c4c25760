/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guard - whatever happens to us, the victims go on
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "core/guard.h"

static void polite_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

/*
 * As many files as the kernel lets us have: each task that we hold takes three,
 * and those that we make may have more than our soft limit.
 */
static void raise_file_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
}

void guard_begin(void)
{
	sigset_t set;

	raise_file_limit();

	polite_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

void guard_end(void)
{
	sigset_t set;

	polite_signals(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int guard_check(struct err *err)
{
	struct timespec now = { 0 };
	sigset_t set;
	int sig;

	polite_signals(&set);
	sig = sigtimedwait(&set, NULL, &now);
	if (sig < 0)
		return 0;
	return err_set(err, EINTR, "cannot go on: asked to end by signal %d (SIG%s)", sig,
		       sigabbrev_np(sig));
}
