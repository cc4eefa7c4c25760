/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * plan - what must precede what; finds collisions before anything is made
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/inject.h"
#include "core/births.h"
#include "core/files.h"
#include "core/ns.h"
#include "core/plan.h"
#include "core/task.h"

static bool is_dead(struct restore *r, pid_t pid)
{
	struct proc_stat st;
	struct err unused = { 0 };

	return proc_read_stat(r->proc, pid, pid, &st, &unused) < 0 || st.state == 'Z' ||
	       st.state == 'X';
}

static int check_pid_is_free(struct restore *r, pid_t pid, struct err *err)
{
	const struct timespec a_little = { .tv_nsec = 200000 };
	char comm[64];
	int i;

	if (r->ns->root[NS_PID] && !r->ns->root[NS_PID]->external)
		return 0;
	/* what a dump has killed just now has its pid until somebody reaps it */
	for (i = 0; i < 5000; i++) {
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return 0;
		if (!is_dead(r, pid))
			break;
		nanosleep(&a_little, NULL);
	}
	err_set(err, EEXIST, "cannot use pid %d, \"%s\" has it", pid,
		proc_comm(r->proc, pid, comm));
	return err_hint(err, "stop that process, or restore into a new pid namespace");
}

/* Who is adopted says SIGCHLD when it ends. */
static int no_exit_signal(const struct task *t, struct err *err)
{
	err_set(err, EOPNOTSUPP,
		"cannot restore task %d: its parent would be told of its end by SIGCHLD, not by signal %u",
		t->pid, t->core->tc->exit_signal);
	return err_hint(err,
			"its parent cannot give it session %d, and orphans always have SIGCHLD",
			t->sid);
}

static int plan_task(struct restore *r, struct task *t, struct err *err)
{
	const struct task_kind *const *k;
	size_t i;

	for (i = 0; i < t->nr_threads; i++)
		if (check_pid_is_free(r, t->threads[i].tid, err) < 0)
			return -err->code;
	if (t->birth->is_adopted && t->core->tc->has_exit_signal)
		return no_exit_signal(t, err);
	if (t->state == TASK_DEAD)
		return 0;

	t->region_room += (t->fdtable->entries.n + 1) * sizeof(struct restorer_closes) + 16;
	for (k = kinds_index(r->kinds)->tasks; *k; k++)
		if ((*k)->plan &&
		    (inject_point(err, "plan:%s", (*k)->name) < 0 || (*k)->plan(r, t, err) < 0))
			return err_in(err, "%s", (*k)->name);
	return 0;
}

int plan_run(struct restore *r, struct err *err)
{
	struct birth **b;
	struct task *t;

	if (ns_plan(r, err) < 0)
		return -err->code;
	if (births_plan(r->arena, r->tree, r->opts->common.shell_job, &r->births, err) < 0)
		return -err->code;
	births_log(r->births);
	vec_for_each(b, &r->births->all)
		if ((*b)->is_helper && check_pid_is_free(r, (*b)->task->pid, err) < 0)
			return err_in(err, "helper in the place of a dead leader");
	for_each_task(t, r->tree)
		if (plan_task(r, t, err) < 0)
			return err_in(err, "task %d", t->pid);
	return files_plan(r, err);
}
