/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * steady - what must not be left half done
 *
 * A child that shares our memory and descriptors does it while we wait, as with
 * vfork(): who kills us does not kill the child.  It has a stack of its own, so
 * that ours stays as it is when we die.
 */
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "core/steady.h"

enum { STACK = 512 * 1024 };

struct call {
	int (*f)(void *arg, struct err *err);
	void *arg;
	struct err *err;
	int ret;
};

static int child_main(void *arg)
{
	struct call *c = arg;

	c->ret = c->f(c->arg, c->err);
	return 0;
}

static int run_on(char *stack, struct call *c)
{
	/* no signal at its end: nobody is to be told of it */
	int pid = clone(child_main, stack + STACK, CLONE_VM | CLONE_VFORK | CLONE_FILES, c);
	int status;

	if (pid < 0)
		return err_sys(c->err, "cannot make a helper");
	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return err_sys(c->err, "cannot wait for a helper");
	if (!WIFEXITED(status))
		return err_set(c->err, ECHILD, "cannot go on: a helper was killed by signal %d",
			       WTERMSIG(status));
	return c->ret;
}

int steady_run(int (*f)(void *arg, struct err *err), void *arg, struct err *err)
{
	struct call c = { f, arg, err, 0 };
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	int ret;

	if (stack == MAP_FAILED)
		return err_sys(err, "cannot make a stack for a helper");
	ret = run_on(stack, &c);
	munmap(stack, STACK);
	return ret;
}
