/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fork - tasks with their old pids
 *
 * clone3() with set_tid makes a task with the pid we want.  Who is forked by
 * whom is planned in births.c.  From here on a newborn is worker.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/adopt.h"
#include "core/barrier.h"
#include "core/births.h"
#include "core/fork.h"
#include "core/into.h"
#include "core/ns.h"
#include "core/pids.h"
#include "core/shared.h"
#include "core/task.h"
#include "core/worker.h"

struct clone3_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
		set_tid_size, cgroup;
};

/* fork() with a pid; 0 in the child.  A sibling (CLONE_PARENT) has our @exit_signal. */
static pid_t clone_with_pid(pid_t pid, uint64_t flags, int exit_signal)
{
	/* in the innermost pid namespace; we do not mind what it is in others */
	pid_t tids[1] = { pid };
	struct clone3_args args = {
		.flags = flags,
		.exit_signal = flags & CLONE_PARENT ? 0 : (uint64_t)exit_signal,
		.set_tid = (uintptr_t)tids,
		.set_tid_size = 1,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

pid_t fork_with_pid(pid_t pid, uint64_t flags, int exit_signal)
{
	const struct timespec a_little = { .tv_nsec = 200000 };
	pid_t ret;
	int i;

	/*
	 * A task that was reaped just now is not found any more, but has its pid
	 * for another moment, and longer while others in its session are reaped.
	 */
	for (i = 0; i < 5000; i++) {
		ret = clone_with_pid(pid, flags, exit_signal);
		if (ret >= 0 || errno != EEXIST)
			break;
		nanosleep(&a_little, NULL);
	}
	return ret;
}

bool fork_wants_pid(const struct restore *r, pid_t pid)
{
	struct birth *const *b;
	const struct task *t;

	for_each_task(t, r->tree)
		for (size_t i = 0; i < t->nr_threads; i++)
			if (t->threads[i].tid == pid)
				return true;
	vec_for_each(b, &r->births->all)
		if ((*b)->is_helper && (*b)->task->pid == pid)
			return true;
	return false;
}

/* fork() with any pid but those that are still needed: the kernel might choose one of them. */
static pid_t fork_with_free_pid(struct restore *r, uint64_t flags)
{
	enum { FIRST = 300, MOST = 1 << 22 }; /* below FIRST are daemons of the boot */
	pid_t pid, ret;
	int i;

	for (i = 0; i < MOST; i++) {
		pid = __atomic_add_fetch(&r->shared->last_pid, 1, __ATOMIC_RELAXED);
		if (fork_wants_pid(r, pid))
			continue;
		ret = clone_with_pid(pid, flags, 0);
		if (ret >= 0 || (errno != EEXIST && errno != EINVAL))
			return ret;
		if (errno == EINVAL) /* above the highest pid */
			__atomic_store_n(&r->shared->last_pid, FIRST, __ATOMIC_RELAXED);
	}
	errno = EAGAIN;
	return -1;
}

static int fork_failed(const struct task *t, struct err *err)
{
	int code = errno;

	err_sys(err, "cannot create task %d", t->pid);
	if (code == EEXIST)
		return err_hint(
			err,
			"somebody took that pid meanwhile; try again, or restore into a new pid namespace");
	if (code == EPERM)
		return err_hint(err, "criu-lite needs root, or CAP_CHECKPOINT_RESTORE");
	return -code;
}

/* Between a task that will be adopted and its father: it lives until its end is wanted. */
static void be_a_carrier(struct restore *r, struct task *t) __attribute__((noreturn));
static void be_a_carrier(struct restore *r, struct task *t)
{
	pid_t pid = fork_with_pid(t->pid, t->birth->joins | CLONE_PTRACE, SIGCHLD);
	struct err err = { 0 };

	if (pid == 0)
		worker_main(r, t);
	if (pid < 0) {
		fork_failed(t, &err);
		shared_fail(r->shared, &err);
		_exit(1);
	}
	for (;;)
		pause();
}

/* Nobody is told of the end of helpers, and of carriers. */
static int exit_signal_of(const struct birth *b)
{
	const TaskCoreEntry *tc = b->is_helper ? NULL : b->task->core->tc;

	if (!tc)
		return 0;
	return tc->has_exit_signal ? (int)tc->exit_signal : SIGCHLD;
}

int worker_fork(struct restore *r, const struct birth *b, struct err *err)
{
	/* its tracer is ours, and it waits until that sends it on */
	uint64_t flags = b->joins | CLONE_PTRACE;
	pid_t pid = b->is_adopted ? fork_with_free_pid(r, flags)
				  : fork_with_pid(b->task->pid, flags, exit_signal_of(b));

	if (pid < 0)
		return fork_failed(b->task, err);
	if (pid == 0 && b->is_adopted)
		be_a_carrier(r, b->task);
	if (pid == 0)
		worker_main(r, b->task);
	if (b->is_adopted)
		r->shared->tasks[b->task->index].carrier = pid;
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

/* With -d our end makes the root an orphan, and PR_SET_PDEATHSIG would tell it. */
static bool minds_our_end(const struct restore *r)
{
	const struct task *root = r->tree->root;

	if (!r->opts->detach || r->opts->sibling)
		return false;
	for (size_t i = 0; i < root->nr_threads; i++)
		if (root->threads[i].core->thread_core->pdeath_sig)
			return true;
	return false;
}

/* An orphan from birth: a child of a child of ours that exits, with an errno if it failed. */
static pid_t fork_orphan(struct restore *r, uint64_t flags, const int ends[2])
{
	pid_t root = r->tree->root->pid, between, pid;
	int status;

	do {
		between = fork();
		if (between == 0 && getpid() == root)
			_exit(EAGAIN);
		if (between == 0) {
			pid = fork_with_pid(root, flags, SIGCHLD);
			if (pid == 0)
				root_main(r, ends[0], ends[1]);
			_exit(pid < 0 ? errno : 0);
		}
		if (between < 0 || waitpid(between, &status, 0) < 0)
			return -1;
	} while (between == root);

	errno = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
	return errno ? -1 : root;
}

static pid_t fork_root_pid(struct restore *r, uint64_t flags, const int ends[2])
{
	pid_t pid;

	if (minds_our_end(r) && !r->ns->root[NS_PID])
		return fork_orphan(r, flags, ends);
	if (r->opts->sibling)
		flags |= CLONE_PARENT;
	pid = fork_with_pid(r->tree->root->pid, flags, SIGCHLD);
	if (pid == 0)
		root_main(r, ends[0], ends[1]);
	return pid;
}

/* --into: our child is only what that process becomes a copy of. */
static int mould_root(struct restore *r, const int ends[2], struct err *err)
{
	struct into *in;
	pid_t pid;

	if (into_begin(r, &in, err) < 0)
		return -err->code;
	pid = fork();
	if (pid < 0)
		return err_sys(err, "cannot fork");
	if (pid == 0)
		root_main(r, ends[0], ends[1]);
	r->tree->root->host_pid = r->shared->root_host_pid = r->opts->into;
	return into_become(in, pid, err);
}

static int bear_root(struct restore *r, uint64_t flags, const int ends[2], struct err *err)
{
	struct task *root = r->tree->root;
	pid_t pid = fork_root_pid(r, flags, ends);

	if (pid < 0)
		return fork_failed(root, err);
	root->host_pid = r->shared->root_host_pid = pid;
	if (barrier_adopt(r, r->barrier, pid, err) == 0)
		return 0;
	kill(pid, SIGKILL);
	return -err->code;
}

int fork_root(struct restore *r, uint64_t flags, struct err *err)
{
	int ends[2];

	r->coordinator = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (r->coordinator < 0)
		return err_sys(err, "cannot open a pidfd of ourselves");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "cannot make a pipe");
	if (shared_new(r, err) < 0)
		return -err->code;

	scoped_fd rd __attribute__((unused)) = ends[0];
	scoped_fd wr = ends[1];

	r->barrier = arena_new(r->arena, struct barrier);
	if ((r->opts->into ? mould_root(r, ends, err) : bear_root(r, flags, ends, err)) < 0)
		return -err->code;
	r->barrier->start = take_fd(&wr);
	return 0;
}

static int start_root(struct restore *r, struct err *err)
{
	scoped_fd start = r->barrier->start;

	if (write(start, "g", 1) != 1)
		return err_sys(err, "cannot start the root task");
	return 0;
}

/* Let all go on until @n wait again, and @dead have died. */
static int step(struct restore *r, unsigned int n, unsigned int dead, struct err *err)
{
	if (barrier_release(r, r->barrier, err) < 0)
		return -err->code;
	return barrier_wait(r, r->barrier, n, dead, err);
}

/* All exist: now they come to their parents, groups can be joined, and zombies can die. */
static int settle(struct restore *r, struct err *err)
{
	unsigned int zombies = r->tree->nr_tasks - r->tree->nr_alive;
	unsigned int all = r->tree->nr_tasks + r->births->nr_helpers;

	if (barrier_wait(r, r->barrier, all, 0, err) < 0 || pids_learn(r, err) < 0 ||
	    adopt_tasks(r, err) < 0)
		return -err->code;
	if (step(r, all, 0, err) < 0 || (r->births->regroup && step(r, all, 0, err) < 0))
		return -err->code;
	if (adopt_end_helpers(r, err) < 0)
		return -err->code;
	r->zombies_die = true;
	return zombies ? step(r, r->tree->nr_alive, zombies, err) : 0;
}

int fork_tree(struct restore *r, struct err *err)
{
	return start_root(r, err) < 0 ? -err->code : settle(r, err);
}
