/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * session - how newborn tasks come into their sessions and process groups
 *
 * A child is born into the session its parent has at that moment, and setsid()
 * is the only way out.  So a task that leads its session is forked at any time,
 * a task in its parent's session after the parent has made it, and a task in the
 * session its parent left must be forked before the parent's setsid().
 *
 * Anything else took tasks that are no more: a daemon's session leader has
 * exited and somebody adopted the daemon; the first process of a pipeline has
 * ended and its group lives on.  A stand-in gets the pid of such a task, begins
 * its session or group, has its children, and dies with the zombies.  Its
 * children are adopted by the next subreaper above, which whoever adopted them
 * before is for that time.
 *
 * plan	 stand-ins join the tree
 * fork	 they are forked and die like zombies; who adopts reaps them
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "core/session.h"

struct session_plan plan_session(const struct task *t)
{
	struct session_plan p = { .leads = t->sid == t->pid };

	if (!p.leads && t->parent && t->sid != t->parent->sid)
		p.born_before = true;
	return p;
}

/* The session a task's children are born into before it calls setsid() itself; 0: that of criu-lite. */
static pid_t inherited_session(const struct task *t)
{
	if (!t->parent)
		return 0;
	return plan_session(t).born_before ? inherited_session(t->parent) : t->parent->sid;
}

/* Is there a moment when its parent can give it its session? */
static bool can_be_born(const struct tree *tree, const struct task *t)
{
	struct session_plan p = plan_session(t);
	pid_t before;

	if (p.leads || !p.born_before)
		return true;
	if (!plan_session(t->parent).leads)
		return false;
	before = inherited_session(t->parent);
	return before == t->sid || (!before && t->sid == tree->root->sid);
}

/* ---- stand-ins ---- */

static struct task *stand_in_new(struct arena *a, struct tree *tree, struct task *parent, pid_t pid, pid_t pgid,
				 pid_t sid)
{
	struct task *t = task_new(a, tree, parent);

	task_has_pid(a, tree, t, pid);
	task_has_host_pid(a, tree, t, pid);
	t->pgid = pgid;
	t->sid = sid;
	t->state = TASK_DEAD;
	t->stand_in = true;
	t->nr_threads = 1;
	t->threads = arena_new(a, struct thread);
	t->threads[0].tid = t->threads[0].host_tid = pid;
	t->core = t->threads[0].core = arena_new(a, CoreEntry);
	core_entry__init(t->core);
	t->core->tc = arena_new(a, TaskCoreEntry);
	task_core_entry__init(t->core->tc);
	return t;
}

static bool is_used(const struct tree *tree, pid_t pid)
{
	const struct task *t;

	for_each_task(t, tree)
		for (size_t i = 0; i < t->nr_threads; i++)
			if (t->threads[i].tid == pid || t->sid == pid || t->pgid == pid)
				return true;
	return false;
}

static pid_t free_pid(const struct tree *tree)
{
	pid_t pid = 2;

	while (is_used(tree, pid) || kill(pid, 0) == 0 || errno != ESRCH)
		pid++;
	return pid;
}

/* Who gets the children of @t when it dies, or NULL: nobody in the tree. */
static struct task *reaper_of(const struct task *t)
{
	struct task *p = t->parent;

	while (p && (p->state == TASK_DEAD || !p->adopts))
		p = p->parent;
	return p;
}

/* Who waits for a stand-in. */
static const struct task *reaper_of_stand_in(const struct task *t)
{
	return t->parent->state == TASK_DEAD ? reaper_of(t->parent) : t->parent;
}

static bool is_above(const struct task *t, const struct task *below)
{
	for (; below; below = below->parent)
		if (below == t)
			return true;
	return false;
}

static int no_session(const struct task *t, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot restore task %d: nobody in the tree can give it session %d", t->pid, t->sid);
	return err_hint(err, "end task %d, or the one that adopted it, before the dump", t->pid);
}

/* @t is to be born by its session's leader, or by a child of it that dies, and adopted by its parent. */
static int give_session(struct arena *a, struct tree *tree, struct task *t, struct err *err)
{
	struct task *leader = task_by_pid(tree, t->sid);

	if (!leader && t->sid != tree->root->sid)
		leader = stand_in_new(a, tree, t->parent, t->sid, t->sid, t->sid);
	if (!leader || leader->sid != leader->pid || is_above(t, leader))
		return no_session(t, err);
	if (leader->state != TASK_DEAD)
		leader = stand_in_new(a, tree, leader, free_pid(tree), t->sid, t->sid);

	t->adopted_by = t->parent;
	t->adopted_by->adopts = true;
	list_del(&t->sibling);
	t->parent = leader;
	list_add_tail(&leader->children, &t->sibling);
	return 0;
}

static int plan_session_of(struct arena *a, struct tree *tree, struct task *t, bool shell_job, struct err *err)
{
	if (!t->parent) {
		if (plan_session(t).leads || shell_job)
			return 0;
		err_set(err, EINVAL, "cannot restore task %d: its session %d is outside the tree", t->pid, t->sid);
		return err_hint(err, "use --shell-job, at dump and restore");
	}
	return can_be_born(tree, t) ? 0 : give_session(a, tree, t, err);
}

static int plan_group_of(struct arena *a, struct tree *tree, struct task *t, bool shell_job, struct err *err)
{
	const struct task *leader = task_by_pid(tree, t->pgid);
	bool outside = t->sid == tree->root->sid && tree->root->sid != tree->root->pid;

	if ((leader && leader->sid == t->sid) || (!leader && outside && shell_job))
		return 0;
	if (!leader && t->parent && !outside) {
		stand_in_new(a, tree, t->parent, t->pgid, t->pgid, t->sid);
		return 0;
	}
	err_set(err, EOPNOTSUPP, "cannot restore task %d: the leader of its process group %d is not in the tree",
		t->pid, t->pgid);
	return err_hint(err, "use --shell-job, at dump and restore");
}

int sessions_plan(struct arena *a, struct tree *tree, bool shell_job, struct err *err)
{
	struct task *t;

	for_each_task(t, tree)
		if (plan_session_of(a, tree, t, shell_job, err) < 0)
			return -err->code;
	for_each_task(t, tree)
		if (plan_group_of(a, tree, t, shell_job, err) < 0)
			return -err->code;

	/* One who adopts below another takes the orphans of both. */
	for_each_task(t, tree)
		if (t->adopted_by && reaper_of(t->parent) != t->adopted_by)
			return no_session(t, err);
	return 0;
}

int sessions_check(struct dump *d, struct err *err)
{
	struct tree tree = { 0 };
	struct task *t;

	list_init(&tree.tasks);
	for_each_task(t, d->tree) {
		struct task *copy =
			task_new(d->arena, &tree, t->parent ? task_by_host_pid(&tree, t->parent->host_pid) : NULL);

		task_has_pid(d->arena, &tree, copy, t->pid);
		task_has_host_pid(d->arena, &tree, copy, t->host_pid);
		copy->pgid = t->pgid;
		copy->sid = t->sid;
		copy->state = t->state;
		copy->threads = t->threads;
		copy->nr_threads = t->nr_threads;
	}
	return sessions_plan(d->arena, &tree, d->opts->common.shell_job, err);
}

/* ---- in the newborn tasks ---- */

int sessions_begin(struct restore *r, struct err *err)
{
	if (r->self->adopts && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_sys(err, "cannot become a subreaper");
	return 0;
}

int sessions_end(struct restore *r, struct err *err)
{
	const struct task *t;

	for_each_task(t, r->tree)
		if (t->stand_in && reaper_of_stand_in(t) == r->self && waitpid(t->pid, NULL, __WALL) < 0)
			return err_sys(err, "cannot reap %d, which stood in for a task that is no more", t->pid);
	if (r->self->adopts && prctl(PR_SET_CHILD_SUBREAPER, 0) < 0)
		return err_sys(err, "cannot be no subreaper any more");
	return 0;
}

void sessions_adopted(struct tree *tree)
{
	struct task *t;

	for_each_task(t, tree) {
		if (!t->adopted_by)
			continue;
		list_del(&t->sibling);
		t->parent = t->adopted_by;
		list_add_tail(&t->parent->children, &t->sibling);
	}
}
