/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * path_dead - files of /proc/PID that stay open when that process has gone
 *
 * dump      the name says which pid it was; a remap says that it is dead
 * restore   a process with that pid stands in for it until the files are open and
 *           directories have been entered, and is gone when the tasks go on
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "core/fork.h"
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
	if (!is_in_tree(r, pid) && kill(pid, 0) < 0 && errno == ESRCH)
		return 0;
	err_set(err, EEXIST, "cannot open %s: that was another process %d, which has gone",
		m->reg->name, pid);
	return err_hint(err, is_in_tree(r, pid)
				     ? "have the program close that file before the dump"
				     : "stop the process that has this pid now, for the restore");
}

static void stand_in(pid_t coordinator) __attribute__((noreturn));
static void stand_in(pid_t coordinator)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != coordinator)
		_exit(1);
	for (;;)
		pause();
}

static bool has_stand_in(const struct path_refs *refs, pid_t pid)
{
	const pid_t *p;

	vec_for_each(p, &refs->stand_ins)
		if (*p == pid)
			return true;
	return false;
}

int path_dead_before(struct restore *r, struct path_refs *refs, struct err *err)
{
	const struct path_remap *m;
	pid_t us = getpid();

	vec_for_each(m, &refs->remaps) {
		pid_t pid = (pid_t)m->id;

		if (m->type != REMAP_TYPE__PROCFS || has_stand_in(refs, pid))
			continue;
		pid = fork_with_pid(pid, 0, 0);
		if (pid < 0) {
			err_sys(err, "cannot make a process %d, to open %s", (pid_t)m->id,
				m->reg->name);
			return err_hint(err, "see who has that pid now");
		}
		if (pid == 0)
			stand_in(us);
		log_debug("process %d stands in for one that has gone", pid);
		*vec_add(r->arena, &refs->stand_ins) = pid;
	}
	return 0;
}

void path_dead_end(struct restore *r)
{
	pid_t *p;

	if (!r->paths)
		return;
	vec_for_each(p, &r->paths->stand_ins) {
		kill(*p, SIGKILL);
		while (waitpid(*p, NULL, __WALL) < 0 && errno == EINTR)
			;
	}
	r->paths->stand_ins.n = 0;
}
