/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * load DIR forks|sessions|threads: tasks that are never at rest, for test/task/load.bats
 *
 *	forks		children are born, end with a code of their own, and are waited for
 *	sessions	the same, in sessions of their own, by way of a task that ends at once
 *	threads		threads start their successors and end
 */
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "victim.h"

enum { NR = 3, STACK = 16384 };

static struct {
	volatile long done[NR], wrong;
	volatile bool stop;
} * s;

static const char *what;
static pid_t workers[NR];

/* A child ends as it should, after a moment in which a dump may come. */
static void be_short(int code)
{
	for (volatile int i = 0; i < code * 100; i++)
		;
	_exit(code);
}

static bool one_child(int code)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		be_short(code);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == code;
}

/* The child leads a session, its child is adopted by us when it has ended. */
static bool one_session(int code)
{
	pid_t pid = fork(), got;
	int status, n = 0;

	if (pid == 0) {
		if (setsid() < 0 || (pid = fork()) < 0)
			_exit(200);
		if (pid == 0)
			be_short(code);
		_exit(code);
	}
	while (pid > 0 && (got = wait(&status)) > 0) {
		n++;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
			return false;
	}
	return n == 2;
}

static void work(int i)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int code = 1; !s->stop; code = code % 100 + 1) {
		if (!(*what == 'f' ? one_child(code) : one_session(code)))
			s->wrong++;
		s->done[i]++;
	}
	_exit(0);
}

static void *live_shortly(void *arg)
{
	long i = (long)arg;
	pthread_t next;
	pthread_attr_t a;

	s->done[i]++;
	pthread_attr_init(&a);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&a, STACK);
	if (!s->stop && pthread_create(&next, &a, live_shortly, arg) != 0)
		s->wrong++;
	return NULL;
}

static bool make(void)
{
	s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return false;
	for (long i = 0; i < NR; i++) {
		if (*what == 't') {
			live_shortly((void *)i);
			continue;
		}
		workers[i] = fork();
		if (workers[i] == 0)
			work((int)i);
	}
	victim_sleep(50);
	return true;
}

static bool goes_on(int i)
{
	long before = s->done[i];

	for (int n = 0; n < 2000 && s->done[i] < before + 5; n++)
		victim_sleep(1);
	return expect(s->done[i] >= before + 5);
}

static bool same(void)
{
	int status;

	for (int i = 0; i < NR; i++)
		if (!goes_on(i))
			return false;
	s->stop = true;
	for (int i = 0; i < NR && *what != 't'; i++)
		if (!expect(waitpid(workers[i], &status, 0) == workers[i]) || !expect(status == 0))
			return false;
	return expect(s->wrong == 0);
}

int main(int argc, char **argv)
{
	what = argc > 2 ? argv[2] : "";
	return victim_main(argc, argv, make, same);
}
