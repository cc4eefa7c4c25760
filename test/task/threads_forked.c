/* SPDX-License-Identifier: GPL-2.0-only */
/* thread-local memory and stacks of threads, and of a child that one of them has forked */
#include <pthread.h>
#include <sys/wait.h>

#include "victim.h"

static _Thread_local long mine;
static pthread_t thread;
static volatile bool made, look;
static volatile pid_t child;
static int asks[2];

/* What was on its stack and in its thread-local memory when it was forked. */
static void be_a_child(const int *on_stack)
{
	char c;

	mine++;
	if (read(asks[0], &c, 1) != 1)
		_exit(1);
	_exit(mine == 1235 && on_stack[0] == 5 && on_stack[999] == 1004 ? 11 : 12);
}

static void *run(void *arg)
{
	int on_stack[1000];

	for (int i = 0; i < 1000; i++)
		on_stack[i] = i + 5;
	mine = 1234;
	child = fork();
	if (child == 0)
		be_a_child(on_stack);
	mine = 77;
	made = true;
	while (!look)
		victim_sleep(1);
	return (void *)(uintptr_t)(mine == 77 && on_stack[500] == 505);
}

static bool make(void)
{
	mine = -3;
	if (pipe(asks) < 0 || pthread_create(&thread, NULL, run, NULL))
		return false;
	while (!made)
		victim_sleep(1);
	return expect(child > 0);
}

static bool same(void)
{
	void *good = NULL;
	int status;

	look = true;
	return expect(pthread_join(thread, &good) == 0) && expect(good != NULL) &&
	       expect(mine == -3) && expect(write(asks[1], "x", 1) == 1) &&
	       expect(waitpid(child, &status, 0) == child) && expect(WEXITSTATUS(status) == 11);
}

VICTIM(make, same)
