/* SPDX-License-Identifier: GPL-2.0-only */
/* a breakpoint in the code raises SIGTRAP, whose handler still runs and goes on behind it */
#include "victim.h"

static volatile int traps, codes;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	traps++;
	codes += info->si_code > 0;
}

static void hit(void)
{
	__asm__ volatile("int3");
}

static bool make(void)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	if (sigaction(SIGTRAP, &sa, NULL) < 0)
		return false;
	hit();
	return expect(traps == 1) && expect(codes == 1);
}

static bool same(void)
{
	hit();
	hit();
	return expect(traps == 3) && expect(codes == 3);
}

VICTIM(make, same)
