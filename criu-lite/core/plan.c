/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * plan - what must precede what; finds collisions before anything is made
 *
 * Sessions: a child is born into the session its parent has at that moment,
 * and setsid() is the only way out.  So a task that leads its session is
 * forked at any time, a task in its parent's session after the parent has made
 * it, and a task in the session its parent left must be forked before the
 * parent's setsid().  Anything else took tasks that no longer exist.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/files.h"
#include "core/plan.h"
#include "core/task.h"

static bool is_dead(struct restore *r, pid_t pid)
{
	struct proc_stat st;
	struct err unused = { 0 };

	return proc_read_stat(r->proc, pid, pid, &st, &unused) < 0 || st.state == 'Z' || st.state == 'X';
}

static int check_pid_is_free(struct restore *r, pid_t pid, struct err *err)
{
	const struct timespec a_little = { .tv_nsec = 200000 };
	char comm[64];
	int i;

	/* what a dump has killed just now has its pid until somebody reaps it */
	for (i = 0; i < 5000; i++) {
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return 0;
		if (!is_dead(r, pid))
			break;
		nanosleep(&a_little, NULL);
	}
	err_set(err, EEXIST, "cannot use pid %d, \"%s\" has it", pid, proc_comm(r->proc, pid, comm));
	return err_hint(err, "stop that process, or restore into a new pid namespace");
}

/* The session a task's children are born into before it calls setsid() itself; 0: that of criu-lite. */
static pid_t inherited_session(const struct task *t)
{
	if (!t->parent)
		return 0;
	return plan_session(t).born_before ? inherited_session(t->parent) : t->parent->sid;
}

struct session_plan plan_session(const struct task *t)
{
	struct session_plan p = { .leads = t->sid == t->pid };

	if (!p.leads && t->parent && t->sid != t->parent->sid)
		p.born_before = true;
	return p;
}

static int check_session(struct restore *r, const struct task *t, struct err *err)
{
	struct session_plan p = plan_session(t);

	if (p.leads)
		return 0;
	if (!t->parent) {
		if (r->opts->common.shell_job)
			return 0;
		err_set(err, EINVAL, "cannot restore task %d: its session %d is outside the tree", t->pid, t->sid);
		return err_hint(err, "use --shell-job, at dump and restore");
	}
	if (!p.born_before)
		return 0;
	if (plan_session(t->parent).leads) {
		pid_t before = inherited_session(t->parent);

		if (before == t->sid || (!before && t->sid == r->tree->root->sid))
			return 0;
	}
	err_set(err, EOPNOTSUPP, "cannot restore task %d: nobody in the tree can give it session %d", t->pid, t->sid);
	return err_hint(err, "tasks whose session leader has gone are not supported yet");
}

static int check_group(struct restore *r, const struct task *t, struct err *err)
{
	const struct task *leader = task_by_pid(r->tree, t->pgid);

	if (leader && leader->sid == t->sid)
		return 0;
	if (!leader && r->opts->common.shell_job && t->sid == r->tree->root->sid &&
	    r->tree->root->sid != r->tree->root->pid)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot restore task %d: the leader of its process group %d is not in the tree",
		t->pid, t->pgid);
	if (!t->parent)
		return err_hint(err, "use --shell-job, at dump and restore");
	return err_hint(err, "tasks whose group leader has gone are not supported yet");
}

static int plan_task(struct restore *r, struct task *t, struct err *err)
{
	const struct task_kind *const *k;
	size_t i;

	for (i = 0; i < t->nr_threads; i++)
		if (check_pid_is_free(r, t->threads[i].tid, err) < 0)
			return -err->code;
	if (check_session(r, t, err) < 0 || check_group(r, t, err) < 0)
		return -err->code;
	if (t->state == TASK_DEAD)
		return 0;

	for (k = kinds_index(r->kinds)->tasks; *k; k++)
		if ((*k)->plan && (*k)->plan(r, t, err) < 0)
			return err_in(err, "%s", (*k)->name);
	return 0;
}

int plan_run(struct restore *r, struct err *err)
{
	struct task *t;

	for_each_task(t, r->tree)
		if (plan_task(r, t, err) < 0)
			return err_in(err, "task %d", t->pid);
	return files_plan(r, err);
}
