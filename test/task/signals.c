/* SPDX-License-Identifier: GPL-2.0-only */
/* what is done with signals: handlers with flags and masks, ignored, default; they work */
#include <sys/syscall.h>

#include "victim.h"

/* as the kernel has it */
struct action {
	uint64_t handler, flags, restorer, mask;
};

static struct action before[65];
static volatile int seen, seen_value;
static volatile uintptr_t on_stack;
static char stack[32768];

static void handle(int sig, siginfo_t *info, void *context)
{
	char here;

	seen = sig;
	seen_value = info->si_value.sival_int;
	on_stack = (uintptr_t)&here;
}

static void get_all(struct action *list)
{
	for (int sig = 1; sig <= 64; sig++)
		syscall(SYS_rt_sigaction, sig, NULL, &list[sig], 8);
}

static bool make(void)
{
	struct sigaction sa = { .sa_sigaction = handle,
				.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
	stack_t sas = { .ss_sp = stack, .ss_size = sizeof(stack) };

	sigaltstack(&sas, NULL);
	sigaddset(&sa.sa_mask, SIGHUP);
	sigaddset(&sa.sa_mask, SIGRTMAX);
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_flags = SA_SIGINFO | SA_NODEFER | (int)SA_RESETHAND;
	sigaction(SIGRTMIN + 1, &sa, NULL);
	sigaction(SIGRTMAX, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	signal(SIGTRAP, SIG_IGN);
	sa.sa_flags = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO;
	sigaction(SIGCHLD, &sa, NULL);
	get_all(before);
	return true;
}

static bool same(void)
{
	struct action after[65];

	memset(after, 0, sizeof(after));
	get_all(after);
	for (int sig = 1; sig <= 64; sig++)
		if (!expect(memcmp(&before[sig], &after[sig], sizeof(after[sig])) == 0))
			return false;

	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 1234 });
	return expect(seen == SIGUSR1) && expect(seen_value == 1234) &&
	       expect(on_stack - (uintptr_t)stack < sizeof(stack)) &&
	       expect(kill(getpid(), SIGPIPE) == 0);
}

VICTIM(make, same)
