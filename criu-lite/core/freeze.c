/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * freeze - stops a tree, and lets go of it
 *
 * A stopped task makes no children, so the tree is walked from its root: stop
 * a task, look for its children, stop these.  A child whose parent dies while
 * we walk is adopted by somebody of the tree (a subreaper) or leaves the tree;
 * therefore the walk is repeated until it finds nobody new.
 */
#include <errno.h>
#include <signal.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/inject.h"
#include "base/log.h"
#include "core/freeze.h"
#include "core/freezer.h"
#include "core/proc.h"
#include "core/refuse.h"
#include "core/task.h"
#include "core/wait.h"

static int check_is_not_us(struct dump *d, pid_t pid, struct err *err)
{
	pid_t p = getpid();

	while (p > 0) {
		struct proc_stat st;

		if (p == pid) {
			err_set(err, EINVAL,
				"cannot dump task %d: criu-lite is running inside its tree", pid);
			return err_hint(err,
					"start criu-lite from outside the tree that is dumped");
		}
		if (proc_read_stat(d->proc, p, p, &st, err) < 0)
			break;
		p = st.ppid;
	}
	memset(err, 0, sizeof(*err));
	return 0;
}

static int read_threads(struct dump *d, struct task *t, struct err *err)
{
	size_t i;

	t->nr_threads = t->victim ? t->victim->nr_threads - t->leader_exited : 1;
	t->threads = arena_array(d->arena, struct thread, t->nr_threads);

	for (i = 0; i < t->nr_threads; i++) {
		struct thread *th = &t->threads[i];

		th->victim = t->victim ? &t->victim->threads[i + t->leader_exited] : NULL;
		th->host_tid = th->victim ? th->victim->tid : t->host_pid;
		if (proc_read_status(d->proc, t->host_pid, th->host_tid, d->arena, &th->status,
				     err) < 0)
			return -err->code;
		th->tid = th->status.nspid;
	}

	task_has_pid(d->arena, d->tree, t, t->threads[0].status.nstgid);
	t->pgid = t->threads[0].status.nspgid;
	t->sid = t->threads[0].status.nssid;
	return 0;
}

/* What /proc/PID/stat says of the process a dead leader does not know any more. */
static int read_stat(struct dump *d, struct task *t, struct err *err)
{
	struct proc_stat leader;

	if (proc_read_stat(d->proc, t->host_pid, t->host_pid, &leader, err) < 0 ||
	    proc_read_stat(d->proc, t->host_alive, t->host_alive, &t->stat, err) < 0)
		return -err->code;
	memcpy(t->stat.comm, leader.comm, sizeof(leader.comm));
	t->stat.exit_code = leader.exit_code;
	t->stat.exit_signal = leader.exit_signal;
	return 0;
}

/* The number of a thread other than the leader needs to be told apart (Linux 6.9). */
static int open_pidfd(struct task *t, struct err *err)
{
	enum { PIDFD_OF_THREAD = O_EXCL };

	t->pidfd =
		(int)syscall(SYS_pidfd_open, t->host_alive, t->leader_exited ? PIDFD_OF_THREAD : 0);
	if (t->pidfd >= 0)
		return 0;
	err_sys(err, "cannot open a pidfd of task %d", t->host_pid);
	return t->leader_exited ? err_hint(err, "its first thread has exited: needs Linux 6.9")
				: -err->code;
}

static int seize(struct task *t, unsigned int timeout_ms, struct err *err)
{
	if (!t->seizing)
		return compel_seize(t->host_pid, timeout_ms, &t->victim, err);
	return compel_seize_end(take_ptr(t->seizing), timeout_ms, &t->victim, err);
}

static int refuse_kernel_thread(const struct task *t, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump process %d (%s): it is a kernel thread", t->host_pid,
		t->stat.comm);
	return err_hint(err, "see which processes have programs: ps -ef --ppid 2 --deselect");
}

static int freeze_task(struct dump *d, struct task *t, struct err *err)
{
	enum { KERNEL_THREAD = 0x200000 }; /* PF_KTHREAD */
	unsigned int timeout_ms = d->opts->common.timeout * 1000;

	t->pidfd = -1;
	if (proc_read_stat(d->proc, t->host_pid, t->host_pid, &t->stat, err) < 0)
		return -err->code;
	if (t->stat.flags & KERNEL_THREAD)
		return refuse_kernel_thread(t, err);

	/* With other threads, only the first of them is a zombie. */
	if (t->stat.state == 'Z' && t->stat.nr_threads <= 1) {
		t->state = TASK_DEAD;
		return 0;
	}
	waits_note(d, t);
	if (seize(t, timeout_ms, err) < 0)
		return -err->code;
	waits_stop(d, t);
	if (inject_point(err, "freeze:task") < 0)
		return -err->code;

	t->state = t->victim->stop_signal ? TASK_STOPPED : TASK_ALIVE;
	t->leader_exited = t->victim->threads[0].dead;
	if (t->leader_exited)
		t->host_alive = t->victim->threads[1].tid;
	return open_pidfd(t, err) < 0 ? -err->code : read_stat(d, t, err);
}

/*
 * A child that we did not catch alive: it has died since its parent was
 * listed.  Its parent is stopped, so it is a zombie now, and stays one.
 */
static bool has_died(struct dump *d, struct task *t, const struct err *err)
{
	struct err ignored;

	if (err->code != ESRCH)
		return false;
	return proc_read_stat(d->proc, t->host_pid, t->host_pid, &t->stat, &ignored) == 0 &&
	       t->stat.state == 'Z';
}

/* Nobody waits for it (SIGCHLD is ignored), so it has not even become a zombie. */
static bool is_gone(const struct dump *d, const struct task *t, const struct err *err)
{
	struct proc_stat unused;
	struct err ignored;

	return (err->code == ESRCH || err->code == ENOENT) &&
	       proc_read_stat(d->proc, t->host_pid, t->host_pid, &unused, &ignored) < 0 &&
	       kill(t->host_pid, 0) < 0 && errno == ESRCH;
}

static int freeze_known_child(struct dump *d, struct task *t, struct err *err)
{
	if (freeze_task(d, t, err) == 0)
		return 0;
	if (is_gone(d, t, err)) {
		task_drop(d->tree, t);
		memset(err, 0, sizeof(*err));
		return 0;
	}
	if (!has_died(d, t, err)) {
		err_in(err, "child of task %d", t->parent->host_pid);
		if (!refuse_note(d, t, -1, err))
			return -err->code;
	}
	memset(err, 0, sizeof(*err));
	t->state = TASK_DEAD;
	return 0;
}

static int freeze_child(struct dump *d, struct task *parent, pid_t pid, struct err *err)
{
	struct task *t;

	if (pid == getpid())
		return check_is_not_us(d, d->tree->root->host_pid, err);

	t = task_new(d->arena, d->tree, parent);
	task_has_host_pid(d->arena, d->tree, t, pid);
	return freeze_known_child(d, t, err);
}

static int freeze_children(struct dump *d, struct task *t, bool *new_ret, struct err *err)
{
	pid_list pids = { 0 };
	pid_t *pid;

	if (t->state == TASK_DEAD)
		return 0;
	if (proc_read_children(d->proc, t->host_pid, d->arena, &pids, err) < 0)
		return -err->code;

	vec_for_each(pid, &pids) {
		if (task_by_host_pid(d->tree, *pid))
			continue;
		*new_ret = true;
		if (freeze_child(d, t, *pid, err) < 0)
			return -err->code;
	}
	return 0;
}

/* ---- with its control group standing still ---- */

/* Tell it to stop, which it cannot yet; those who are not in the group do so at once. */
static int tell_task(struct dump *d, struct task *t, struct err *err)
{
	pid_list pids = { 0 };
	pid_t *pid;

	if (proc_read_stat(d->proc, t->host_pid, t->host_pid, &t->stat, err) < 0)
		return -err->code;
	if (t->stat.state == 'Z' && t->stat.nr_threads <= 1)
		return 0;
	if (compel_seize_begin(t->host_pid, &t->seizing, err) < 0 ||
	    proc_read_children(d->proc, t->host_pid, d->arena, &pids, err) < 0)
		return -err->code;
	vec_for_each(pid, &pids) {
		if (task_by_host_pid(d->tree, *pid) || *pid == getpid())
			continue;
		task_has_host_pid(d->arena, d->tree, task_new(d->arena, d->tree, t), *pid);
	}
	return 0;
}

static int tell_tree(struct dump *d, struct err *err)
{
	struct task *t;

	if (freezer_freeze(d, err) < 0)
		return -err->code;
	for_each_task(t, d->tree) /* grows at its end while we walk */
		if (tell_task(d, t, err) < 0 || inject_point(err, "freeze:told") < 0)
			return -err->code;
	return freezer_thaw(d, err);
}

/* All have been told, and now wait for each other no more. */
static int freeze_told(struct dump *d, struct err *err)
{
	struct task *t;

	for_each_task(t, d->tree) {
		if (t == d->tree->root)
			continue;
		if (freeze_known_child(d, t, err) < 0)
			return -err->code;
	}
	return 0;
}

/* ---- who has joined a pid namespace from outside (runc exec, nsenter) ---- */

/* 0: there is none any more. */
static ino_t pid_ns_of(const struct dump *d, pid_t pid)
{
	char link[32];
	struct stat st;

	snprintf(link, sizeof(link), "%d/ns/pid", pid);
	return fstatat(d->proc, link, &st, 0) < 0 ? 0 : st.st_ino;
}

/*
 * They have no parent in there, and end with its init: they are dumped as
 * children of it.
 */
static int freeze_joined(struct dump *d, bool *new_ret, struct err *err)
{
	struct task *root = d->tree->root;
	ino_t ns = pid_ns_of(d, root->host_pid);
	struct proc_status status;
	pid_list pids = { 0 };
	pid_t *pid;

	if (!ns || ns == pid_ns_of(d, getpid()))
		return 0;
	if (proc_read_status(d->proc, root->host_pid, root->host_pid, d->arena, &status, err) < 0)
		return -err->code;
	/* of a namespace that stays outside we have a part */
	if (status.nspid != 1)
		return 0;
	if (proc_read_processes(d->proc, d->arena, &pids, err) < 0)
		return -err->code;
	vec_for_each(pid, &pids) {
		if (task_by_host_pid(d->tree, *pid) || pid_ns_of(d, *pid) != ns)
			continue;
		*new_ret = true;
		if (freeze_child(d, root, *pid, err) < 0)
			return -err->code;
	}
	return 0;
}

int tree_freeze(struct dump *d, struct err *err)
{
	struct task *t;
	bool found_new;

	if (check_is_not_us(d, d->opts->pid, err) < 0)
		return -err->code;

	t = task_new(d->arena, d->tree, NULL);
	task_has_host_pid(d->arena, d->tree, t, d->opts->pid);
	if (d->opts->freeze_cgroup && tell_tree(d, err) < 0)
		return -err->code;
	if (freeze_task(d, t, err) < 0) {
		if (err->code == ESRCH || err->code == ENOENT)
			err_hint(err, "give the pid of a running process with -t");
		return -err->code;
	}
	if (t->state == TASK_DEAD) {
		err_set(err, ESRCH, "cannot dump task %d: it is a zombie", t->host_pid);
		return err_hint(err, "give the pid of a running process with -t");
	}

	if (freeze_told(d, err) < 0)
		return -err->code;
	do {
		found_new = false;
		for_each_task(t, d->tree) /* grows at its end while we walk */
			if (freeze_children(d, t, &found_new, err) < 0)
				return -err->code;
		if (!found_new && freeze_joined(d, &found_new, err) < 0)
			return -err->code;
	} while (found_new);

	for_each_task(t, d->tree)
		if (read_threads(d, t, err) < 0 && !refuse_note(d, t, -1, err))
			return -err->code;
	return 0;
}

static bool was_killed(struct dump *d, const struct task *t)
{
	struct proc_stat stat;
	struct err e;

	if (t->state == TASK_DEAD)
		return false;
	if (proc_read_stat(d->proc, t->host_alive, t->host_alive, &stat, &e) < 0)
		return e.code == ESRCH;
	return strchr("ZX", stat.state);
}

static const struct task *find_killed(struct dump *d)
{
	const struct task *t;

	for_each_task(t, d->tree)
		if (was_killed(d, t))
			return t;
	return NULL;
}

void tree_explain(struct dump *d, struct err *err)
{
	const struct timespec a_little = { .tv_nsec = 5000000 };
	const struct task *t = find_killed(d);

	/* a task that is not found any more may not have ended yet */
	for (int i = 0; !t && err->code == ESRCH && i < 40; i++) {
		nanosleep(&a_little, NULL);
		t = find_killed(d);
	}
	if (!t)
		return;
	memset(err, 0, sizeof(*err));
	err_set(err, ESRCH, "cannot dump task %d (%s): it was killed meanwhile", t->host_pid,
		t->stat.comm);
	err_hint(err, "see who ended it; if the others go on, dump them again");
}

int tree_thaw(struct dump *d, enum compel_end end, struct err *err)
{
	struct err first = { 0 }, e;
	struct task *t;

	freezer_thaw(d, &first);
	/* children first: the init of a pid namespace does not die before they have */
	list_for_each_back(t, &d->tree->tasks, link)
	{
		if (t->seizing)
			compel_seize_abandon(take_ptr(t->seizing));
		if (t->pidfd >= 0)
			close(t->pidfd);
		t->pidfd = -1;
		inject_point(&e, "thaw:task");
		if (!t->victim)
			continue;
		memset(&e, 0, sizeof(e));
		if (compel_release(t->victim, end, &e) < 0 && !first.code)
			first = e;
		t->victim = NULL;
	}
	freezer_end(d);

	if (first.code)
		*err = first;
	return -first.code;
}
