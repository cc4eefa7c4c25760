/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * undo - nothing is left of a restore that has failed
 *
 * The kernel removes nearly everything together with the newborn tasks, which end
 * with us (PTRACE_O_EXITKILL).  For the rest there is a guardian: a child, a copy of
 * us with the plan in its memory, that sleeps until we have ended.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/fork.h"
#include "core/proc.h"
#include "core/task.h"
#include "core/undo.h"

enum { PATIENCE = 2000 }; /* times 5 ms, for tasks that have been killed to be gone */

struct undo_item {
	undo_function *f;
	const void *what;
};

struct undo {
	vec(struct undo_item) items;
	pid_t maker, guardian;
};

void undo_add(struct restore *r, undo_function *f, const void *what)
{
	if (!r->undo)
		r->undo = arena_new(r->arena, struct undo);
	*vec_add(r->arena, &r->undo->items) = (struct undo_item){ f, what };
}

/* Also if only its leader is dead: the other threads still have its files. */
static bool is_alive(const struct restore *r, pid_t pid)
{
	struct proc_stat stat;
	struct err e;

	return kill(pid, 0) == 0 && proc_read_stat(r->proc, pid, 0, &stat, &e) == 0 &&
	       (stat.state != 'Z' || stat.nr_threads > 1);
}

static bool is_anybody_alive(struct restore *r)
{
	const struct task *t;

	for_each_task(t, r->tree)
		if (is_alive(r, t->pid))
			return true;
	return false;
}

/* Last in, first out. */
void undo_all(struct restore *r)
{
	if (!r->undo || !r->undo->maker)
		return;
	for (size_t i = r->undo->items.n; i-- > 0;)
		r->undo->items.items[i].f(r->undo->items.items[i].what, r->undo->maker);
}

/* Whoever ends what belongs to our terminal or group does not end the guardian. */
static void guard(struct restore *r, int maker) __attribute__((noreturn));
static void guard(struct restore *r, int maker)
{
	const struct timespec a_little = { .tv_nsec = 5000000 };
	struct pollfd end = { .fd = maker, .events = POLLIN };
	sigset_t all;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		;
	for (int i = 0; i < PATIENCE && is_anybody_alive(r); i++)
		nanosleep(&a_little, NULL);
	undo_all(r);
	_exit(0);
}

/* A child with a pid that nobody in the tree is going to have. */
static pid_t fork_guardian(struct restore *r, int maker)
{
	pid_t pid;

	/* without a signal at its end */
	while ((pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0)) >= 0) {
		bool wanted = fork_wants_pid(r, pid ? pid : getpid());

		if (pid == 0 && wanted)
			_exit(0);
		if (pid == 0)
			guard(r, maker);
		if (!wanted)
			return pid;
		waitpid(pid, NULL, __WALL);
	}
	return -1;
}

int undo_begin(struct restore *r, struct err *err)
{
	if (!r->undo)
		return 0;
	r->undo->maker = getpid();

	scoped_fd maker = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (maker >= 0)
		r->undo->guardian = fork_guardian(r, maker);
	if (maker < 0 || r->undo->guardian < 0)
		return err_sys(err, "cannot make a process that cleans up if we are killed");
	return 0;
}

void undo_dismiss(struct restore *r)
{
	if (!r->undo || r->undo->guardian <= 0)
		return;
	kill(r->undo->guardian, SIGKILL);
	while (waitpid(r->undo->guardian, NULL, __WALL) < 0 && errno == EINTR)
		;
	r->undo->guardian = 0;
}
