/* SPDX-License-Identifier: GPL-2.0-only */
/* tasks that wait in pause() and sigsuspend() are woken by a signal, and by nothing else */
#include <sys/wait.h>

#include "victim.h"

static pid_t children[2];
static volatile sig_atomic_t woken;

static void wake(int sig)
{
	woken++;
}

static void in_pause(void)
{
	int ret = pause();

	_exit(ret == -1 && errno == EINTR && woken == 1 ? 21 : 22);
}

static void in_sigsuspend(void)
{
	sigset_t set, old;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigemptyset(&set);
	ret = sigsuspend(&set);
	sigprocmask(SIG_SETMASK, NULL, &old);
	_exit(ret == -1 && errno == EINTR && woken == 1 && sigismember(&old, SIGUSR1) ? 21 : 22);
}

static bool make(void)
{
	signal(SIGUSR1, wake);
	children[0] = fork();
	if (children[0] == 0)
		in_pause();
	children[1] = fork();
	if (children[1] == 0)
		in_sigsuspend();
	victim_sleep(50);
	return true;
}

static bool same(void)
{
	int status;

	victim_sleep(20);
	for (int i = 0; i < 2; i++)
		if (!expect(waitpid(children[i], &status, WNOHANG) == 0) ||
		    !expect(kill(children[i], SIGUSR1) == 0) ||
		    !expect(waitpid(children[i], &status, 0) == children[i]) ||
		    !expect(WIFEXITED(status)) || !expect(WEXITSTATUS(status) == 21))
			return false;
	return true;
}

VICTIM(make, same)
