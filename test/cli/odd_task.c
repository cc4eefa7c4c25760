/* SPDX-License-Identifier: GPL-2.0-only */
/* odd_task DIR cpu_timer|sigtrap: a task that cannot be dumped, and must live on as it was */
#include <pthread.h>
#include <sys/syscall.h>

#include "victim.h"

static const char *what;

static void *idle(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static bool make(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	pthread_t t;
	sigset_t set;
	int id;

	if (strcmp(what, "cpu_timer") == 0)
		return !syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &ev, &id) &&
		       !pthread_create(&t, NULL, idle, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	return !sigprocmask(SIG_BLOCK, &set, NULL) && !kill(getpid(), SIGTRAP);
}

static bool same(void)
{
	sigset_t set;

	sigpending(&set);
	return expect(sigismember(&set, SIGTRAP) == (strcmp(what, "sigtrap") == 0));
}

int main(int argc, char **argv)
{
	what = argc > 2 ? argv[2] : "";
	return victim_main(argc, argv, make, same);
}
