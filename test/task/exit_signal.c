/* SPDX-License-Identifier: GPL-2.0-only */
/* a child whose end is told by another signal than SIGCHLD, or by none */
#include <sched.h>
#include <sys/wait.h>

#include "victim.h"

static char stacks[2][65536];
static pid_t by_usr1, by_none;
static volatile sig_atomic_t usr1, chld;

static int sleep_on(void *arg)
{
	while (pause() < 0)
		;
	return 0;
}

static void count(int sig)
{
	if (sig == SIGUSR1)
		usr1++;
	else
		chld++;
}

static bool make(void)
{
	signal(SIGUSR1, count);
	signal(SIGCHLD, count);
	by_usr1 = clone(sleep_on, stacks[0] + sizeof(stacks[0]), SIGUSR1, NULL);
	by_none = clone(sleep_on, stacks[1] + sizeof(stacks[1]), 0, NULL);
	return expect(by_usr1 > 0) && expect(by_none > 0);
}

static bool same(void)
{
	kill(by_usr1, SIGKILL);
	kill(by_none, SIGKILL);
	return expect(waitpid(by_usr1, NULL, __WCLONE) == by_usr1) &&
	       expect(waitpid(by_none, NULL, __WCLONE) == by_none) && expect(usr1 == 1) &&
	       expect(chld == 0);
}

VICTIM(make, same)
