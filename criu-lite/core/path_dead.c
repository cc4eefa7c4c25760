/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * path_dead - files of /proc/PID that stay open when that process has gone
 *
 * dump      the name says which pid it was; a remap says that it is dead
 * restore   a process with that pid stands in for it until the files are open and
 *           directories have been entered, and is gone when the tasks go on
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "core/fork.h"
#include "core/ns.h"
#include "core/path_ref.h"
#include "core/path_remap.h"
#include "core/task.h"

/* "/proc/12/stat", "/proc/12", "/proc/12/task/12/stat"; 0: anything else. */
pid_t path_dead_pid(const char *name)
{
	int pid, tid, n = 0;

	if (sscanf(name, "/proc/%d%n", &pid, &n) != 1 || pid <= 0 || (name[n] && name[n] != '/'))
		return 0;
	if (sscanf(name + n, "/task/%d", &tid) == 1 && tid != pid)
		return 0;
	return pid;
}

static bool is_in_tree(struct restore *r, pid_t pid)
{
	struct task *t;
	size_t i;

	for_each_task(t, r->tree)
		for (i = 0; i < t->nr_threads; i++)
			if (t->threads[i].tid == pid)
				return true;
	return false;
}

int path_dead_plan(struct restore *r, const struct path_remap *m, struct err *err)
{
	pid_t pid = (pid_t)m->id;

	if (pid <= 0)
		return err_set(err, EBADMSG, "cannot use %s: there is no process %d", m->reg->name,
			       pid);
	if (!is_in_tree(r, pid) && (r->ns->root[NS_PID] || (kill(pid, 0) < 0 && errno == ESRCH)))
		return 0;
	err_set(err, EEXIST, "cannot open %s: that was another process %d, which has gone",
		m->reg->name, pid);
	return err_hint(err, is_in_tree(r, pid)
				     ? "have the program close that file before the dump"
				     : "stop the process that has this pid now, for the restore");
}

/* @coordinator: 0, we are in a pid namespace that ends with the root task, which ends with him. */
static void stand_in(pid_t coordinator) __attribute__((noreturn));
static void stand_in(pid_t coordinator)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (coordinator && getppid() != coordinator)
		_exit(1);
	for (;;)
		pause();
}

/*
 * Who has gone into a pid namespace has only his children there, and in a user
 * namespace cannot come back: so a child goes, and forks a child of ours.
 */
static void go_and_fork(const struct ns *ns, pid_t pid, int out) __attribute__((noreturn));
static void go_and_fork(const struct ns *ns, pid_t pid, int out)
{
	pid_t host_pid = -1;

	if (setns(ns->fd, CLONE_NEWPID) == 0)
		host_pid = fork_with_pid(pid, CLONE_PARENT, 0);
	if (host_pid == 0)
		stand_in(0);
	if (host_pid < 0)
		host_pid = -errno;
	_exit(write(out, &host_pid, sizeof(host_pid)) != sizeof(host_pid));
}

/* Our number of a process that has number @pid there; -1 with errno. */
static pid_t fork_there(const struct ns *ns, pid_t pid)
{
	pid_t child, host_pid = -ECHILD;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	child = fork();
	if (child == 0)
		go_and_fork(ns, pid, ends[1]);
	close(ends[1]);
	if (child < 0 || read(ends[0], &host_pid, sizeof(host_pid)) != sizeof(host_pid))
		host_pid = -ECHILD;
	close(ends[0]);
	if (child > 0)
		waitpid(child, NULL, 0);
	if (host_pid > 0)
		return host_pid;
	errno = -host_pid;
	return -1;
}

static pid_t fork_stand_in(const struct restore *r, pid_t pid)
{
	pid_t us = getpid(), child;

	if (r->ns->root[NS_PID])
		return fork_there(r->ns->root[NS_PID], pid);
	child = fork_with_pid(pid, 0, 0);
	if (child == 0)
		stand_in(us);
	return child;
}

static bool has_stand_in(const struct path_refs *refs, pid_t pid)
{
	const struct stand_in *s;

	vec_for_each(s, &refs->stand_ins)
		if (s->pid == pid)
			return true;
	return false;
}

int path_dead_before(struct restore *r, struct path_refs *refs, struct err *err)
{
	const struct path_remap *m;

	vec_for_each(m, &refs->remaps) {
		struct stand_in s = { .pid = (pid_t)m->id };

		if (m->type != REMAP_TYPE__PROCFS || has_stand_in(refs, s.pid))
			continue;
		s.host_pid = fork_stand_in(r, s.pid);
		if (s.host_pid < 0) {
			err_sys(err, "cannot make a process %d, to open %s", s.pid, m->reg->name);
			return err_hint(err, "see who has that pid now");
		}
		log_debug("process %d stands in for one that has gone", s.pid);
		*vec_add(r->arena, &refs->stand_ins) = s;
	}
	return 0;
}

void path_dead_end(struct restore *r)
{
	const struct stand_in *s;

	if (!r->paths)
		return;
	vec_for_each(s, &r->paths->stand_ins) {
		kill(s->host_pid, SIGKILL);
		while (waitpid(s->host_pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	}
	r->paths->stand_ins.n = 0;
}
