/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tree - tasks and threads: found, written, read, ordered
 *
 * pstree.img lists the tasks, parents before children; ids-PID.img says which
 * of their parts are shared.  What is in core-TID.img is the business of task/.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/inject.h"
#include "base/log.h"
#include "core/task.h"
#include "images/pstree.pb-c.h"

struct task *task_new(struct arena *a, struct tree *tree, struct task *parent)
{
	struct task *t = arena_new(a, struct task);

	t->parent = parent;
	t->pidfd = -1;
	t->index = tree->nr_tasks++;
	list_init(&t->children);
	list_init(&t->sibling);
	list_add_tail(&tree->tasks, &t->link);
	if (parent)
		list_add_tail(&parent->children, &t->sibling);
	else
		tree->root = t;
	return t;
}

void task_drop(struct tree *tree, struct task *t)
{
	struct task *other;

	list_del(&t->link);
	list_del(&t->sibling);
	tree->nr_tasks = 0;
	for_each_task(other, tree)
		other->index = tree->nr_tasks++;
	/* nobody finds it by that number */
	t->host_pid = t->host_alive = -1;
}

/* ---- by number ---- */

static pid_t number_of(const struct task *t, bool host)
{
	return host ? t->host_pid : t->pid;
}

static struct task **index_slot(const struct pid_index *x, pid_t pid, bool host)
{
	size_t i = ((uint32_t)pid * 2654435761u) & (x->max - 1);

	while (x->slots[i] && number_of(x->slots[i], host) != pid)
		i = (i + 1) & (x->max - 1);
	return &x->slots[i];
}

static void index_add(struct arena *a, struct pid_index *x, struct task *t, bool host)
{
	struct task **old = x->slots;
	size_t i, n = x->max;

	if (x->n * 2 >= x->max) {
		x->max = n ? n * 4 : 16;
		x->slots = arena_array(a, struct task *, x->max);
		for (i = 0; i < n; i++)
			if (old[i])
				*index_slot(x, number_of(old[i], host), host) = old[i];
	}
	*index_slot(x, number_of(t, host), host) = t;
	x->n++;
}

void task_has_pid(struct arena *a, struct tree *tree, struct task *t, pid_t pid)
{
	t->pid = pid;
	index_add(a, &tree->by_pid, t, false);
}

void task_has_host_pid(struct arena *a, struct tree *tree, struct task *t, pid_t host_pid)
{
	t->host_pid = t->host_alive = host_pid;
	index_add(a, &tree->by_host_pid, t, true);
}

void tree_forget_host_pids(struct tree *tree)
{
	struct task *t;

	memset(&tree->by_host_pid, 0, sizeof(tree->by_host_pid));
	for_each_task(t, tree) {
		t->host_pid = 0;
		for (size_t i = 0; i < t->nr_threads; i++)
			t->threads[i].host_tid = 0;
	}
}

struct task *task_by_pid(const struct tree *tree, pid_t pid)
{
	return tree->by_pid.n ? *index_slot(&tree->by_pid, pid, false) : NULL;
}

struct task *task_by_host_pid(const struct tree *tree, pid_t pid)
{
	return tree->by_host_pid.n ? *index_slot(&tree->by_host_pid, pid, true) : NULL;
}

const char *task_comm(const struct task *t)
{
	if (t->stat.comm[0])
		return t->stat.comm;
	return t->core && t->core->tc && t->core->tc->comm ? t->core->tc->comm : "?";
}

long task_call_thread(struct task *t, struct thread *th, uint32_t cmd, void *args, size_t len,
		      struct err *err)
{
	long ret;

	if (inject_point(err, "call:%u:before", cmd) < 0 ||
	    compel_call(t->victim, th->victim, cmd, args, len, &ret, err) < 0 ||
	    inject_point(err, "call:%u:end", cmd) < 0)
		return err_in(err, "task %d", t->host_pid);
	if (ret < 0)
		err_set(err, (int)-ret, "cannot run parasite command %u in task %d, thread %d", cmd,
			t->host_pid, th->host_tid);
	if (ret == -ENOSPC || ret == -EDQUOT)
		return err_hint(err, "make room, or use another directory for the images");
	return ret;
}

long task_call(struct task *t, uint32_t cmd, void *args, size_t len, struct err *err)
{
	return task_call_thread(t, &t->threads[0], cmd, args, len, err);
}

/* ---- restore ---- */

static int read_thread_core(struct restore *r, struct task *t, struct thread *th, struct err *err)
{
	void *core;
	bool found;

	if (image_get_one(r->store, IMAGE_CORE, (unsigned long)th->tid, r->arena, &core, &found,
			  err) < 0)
		return -err->code;
	if (!found) {
		err_set(err, ENOENT, "cannot read core-%d.img of task %d: there is no such image",
			th->tid, t->pid);
		return err_hint(err,
				"the checkpoint is damaged or was not finished; take it again");
	}
	th->core = core;
	return 0;
}

static int check_core(struct task *t, struct err *err)
{
	const CoreEntry *core = t->core;

	if (!core->tc)
		return err_set(err, EINVAL,
			       "cannot restore task %d: core-%d.img says nothing of the task",
			       t->pid, t->pid);
	t->state = core->tc->task_state;
	if (t->state != TASK_ALIVE && t->state != TASK_DEAD && t->state != TASK_STOPPED)
		return err_set(err, EINVAL, "cannot restore task %d: unknown state %u", t->pid,
			       core->tc->task_state);
	return 0;
}

static int read_ids(struct restore *r, struct task *t, struct err *err)
{
	void *ids;
	bool found;

	if (t->state == TASK_DEAD)
		return 0;
	if (image_get_one(r->store, IMAGE_IDS, (unsigned long)t->pid, r->arena, &ids, &found, err) <
	    0)
		return -err->code;
	if (!found && !t->core->ids) {
		err_set(err, ENOENT, "cannot read ids-%d.img: there is no such image", t->pid);
		return err_hint(err,
				"the checkpoint is damaged or was not finished; take it again");
	}
	t->ids = found ? ids : t->core->ids;
	return 0;
}

static int add_read_task(struct restore *r, const PstreeEntry *e, struct err *err)
{
	struct task *parent = NULL, *t;
	size_t i;

	if (e->ppid) {
		parent = task_by_pid(r->tree, (pid_t)e->ppid);
		if (!parent)
			return err_set(
				err, EINVAL,
				"cannot restore task %u: its parent %u is not in pstree.img before it",
				e->pid, e->ppid);
	} else if (r->tree->root) {
		return err_set(err, EINVAL, "cannot restore task %u: pstree.img has a second root",
			       e->pid);
	}
	if (!e->n_threads || !e->pid || e->pid > 1u << 22 || task_by_pid(r->tree, (pid_t)e->pid))
		return err_set(err, EINVAL, "cannot restore task %u: pstree.img is damaged",
			       e->pid);

	t = task_new(r->arena, r->tree, parent);
	task_has_pid(r->arena, r->tree, t, (pid_t)e->pid);
	task_has_host_pid(r->arena, r->tree, t, t->pid);
	t->pgid = (pid_t)e->pgid;
	t->sid = (pid_t)e->sid;
	t->nr_threads = e->n_threads;
	t->threads = arena_array(r->arena, struct thread, t->nr_threads);

	for (i = 0; i < t->nr_threads; i++) {
		struct thread *th = &t->threads[i];

		th->tid = th->host_tid = i ? (pid_t)e->threads[i] : t->pid;
		if (read_thread_core(r, t, th, err) < 0)
			return -err->code;
	}
	t->core = t->threads[0].core;

	if (check_core(t, err) < 0 || read_ids(r, t, err) < 0)
		return -err->code;
	if (t->core->tc->leader_exited && t->state != TASK_DEAD && t->nr_threads > 1) {
		t->leader_exited = true;
		t->threads++;
		t->nr_threads--;
	}
	if (t->state != TASK_DEAD) {
		r->tree->nr_alive++;
		r->tree->nr_threads += (unsigned int)t->nr_threads;
	}
	return 0;
}

int tree_read(struct restore *r, struct err *err)
{
	struct image *img;
	bool found;
	void *e;
	int ret;

	if (image_open(r->store, IMAGE_PSTREE, 0, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found) {
		err_set(err, ENOENT, "cannot read pstree.img: there is no such image in %s",
			r->opts->common.images_dir);
		return err_hint(err, "give the directory of a finished dump with -D");
	}

	while ((ret = image_get(img, &pstree_entry__descriptor, &e, err)) > 0) {
		ret = add_read_task(r, e, err);
		if (ret < 0)
			break;
	}
	image_close(img, NULL);
	if (ret < 0)
		return ret;
	if (!r->tree->root || r->tree->root->state == TASK_DEAD)
		return err_set(err, EINVAL, "cannot restore: pstree.img has no living root task");
	return 0;
}
