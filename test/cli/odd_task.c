/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * odd_task DIR cpu_timer|clone_vm|pidns: a task that cannot be dumped, and must live on as it was
 */
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#include "victim.h"

static const char *what;

static void *idle(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static int idle_child(void *arg)
{
	idle(NULL);
	return 0;
}

static bool make_clone(void)
{
	static char stack[65536];

	return clone(idle_child, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL) > 0;
}

static bool make(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	pthread_t t;
	int id;

	if (strcmp(what, "clone_vm") == 0)
		return make_clone();
	if (strcmp(what, "pidns") == 0)
		return unshare(CLONE_NEWPID) == 0;
	return !syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &ev, &id) &&
	       !pthread_create(&t, NULL, idle, NULL);
}

static bool same(void)
{
	return true;
}

int main(int argc, char **argv)
{
	what = argc > 2 ? argv[2] : "";
	return victim_main(argc, argv, make, same);
}
