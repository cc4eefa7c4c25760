/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fork - tasks with their old pids
 *
 * clone3() with set_tid makes a task with the pid we want.  Every task makes
 * its own children, so that parents are right; those that belong to a session
 * which their parent leaves are made before it calls setsid().  From here on a
 * newborn is worker.c's.
 */
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/barrier.h"
#include "core/fork.h"
#include "core/session.h"
#include "core/shared.h"
#include "core/task.h"
#include "core/worker.h"

struct clone3_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
		cgroup;
};

/* fork() with a pid; 0 in the child. */
static pid_t fork_with_pid(pid_t pid, uint64_t flags)
{
	pid_t tids[1] = { pid };
	struct clone3_args args = {
		.flags = flags,
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD, /* a sibling has that of ours */
		.set_tid = (uintptr_t)tids,
		.set_tid_size = 1,
	};
	const struct timespec a_little = { .tv_nsec = 200000 };
	pid_t ret;
	int i;

	/*
	 * A task that was reaped just now is not found any more, but has its pid
	 * for another moment, and longer while others in its session are reaped.
	 */
	for (i = 0; i < 5000; i++) {
		ret = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
		if (ret >= 0 || errno != EEXIST)
			break;
		nanosleep(&a_little, NULL);
	}
	return ret;
}

static int fork_failed(const struct task *t, struct err *err)
{
	int code = errno;

	err_sys(err, "cannot create task %d", t->pid);
	if (code == EEXIST)
		return err_hint(err, "somebody took that pid meanwhile; try again, or restore into a new pid namespace");
	if (code == EPERM)
		return err_hint(err, "criu-lite needs root, or CAP_CHECKPOINT_RESTORE");
	return -code;
}

static int fork_child(struct restore *r, struct task *t, struct err *err)
{
	pid_t pid = fork_with_pid(t->pid, 0);

	if (pid < 0)
		return fork_failed(t, err);
	if (pid == 0)
		worker_main(r, t);
	return 0;
}

int worker_fork_children(struct restore *r, bool born_before, struct err *err)
{
	struct task *t;

	list_for_each(t, &r->self->children, sibling)
		if (plan_session(t).born_before == born_before && fork_child(r, t, err) < 0)
			return -err->code;
	return 0;
}

/*
 * The root waits on a pipe until we are its tracer.  If we die before, the pipe
 * ends and so does it.
 */
static void root_main(struct restore *r, int wait_fd, int other_end)
{
	char go;

	close(other_end);
	if (read(wait_fd, &go, 1) != 1)
		_exit(1);
	close(wait_fd);
	worker_main(r, r->tree->root);
}

static int fork_root(struct restore *r, struct err *err)
{
	struct task *root = r->tree->root;
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		return err_sys(err, "cannot make a pipe");

	scoped_fd rd = ends[0];
	scoped_fd wr = ends[1];

	pid = fork_with_pid(root->pid, r->opts->sibling ? CLONE_PARENT : 0);
	if (pid < 0)
		return fork_failed(root, err);
	if (pid == 0)
		root_main(r, rd, wr);

	if (barrier_adopt(r, r->barrier, pid, err) < 0) {
		kill(pid, SIGKILL);
		return -err->code;
	}
	if (write(wr, "g", 1) != 1)
		return err_sys(err, "cannot start the root task");
	return 0;
}

int fork_tree(struct restore *r, struct err *err)
{
	unsigned int zombies = r->tree->nr_tasks - r->tree->nr_alive;

	r->coordinator = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (r->coordinator < 0)
		return err_sys(err, "cannot open a pidfd of ourselves");
	if (shared_new(r, err) < 0)
		return -err->code;

	r->barrier = arena_new(r->arena, struct barrier);
	if (fork_root(r, err) < 0)
		return -err->code;

	/* all exist: now groups can be joined, and zombies can die */
	if (barrier_wait(r, r->barrier, r->tree->nr_tasks, 0, err) < 0)
		return -err->code;
	if (barrier_release(r, r->barrier, err) < 0)
		return -err->code;
	if (barrier_wait(r, r->barrier, r->tree->nr_tasks, 0, err) < 0)
		return -err->code;
	r->zombies_die = true;
	if (barrier_release(r, r->barrier, err) < 0)
		return -err->code;
	if (barrier_wait(r, r->barrier, r->tree->nr_alive, zombies, err) < 0)
		return -err->code;
	sessions_adopted(r->tree);
	return 0;
}
