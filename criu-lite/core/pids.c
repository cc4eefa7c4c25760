/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pids - who is who in a pid namespace
 */
#include <errno.h>
#include <stdlib.h>

#include "core/barrier.h"
#include "core/births.h"
#include "core/ns.h"
#include "core/pids.h"
#include "core/task.h"

/* ---- dump ---- */

pid_t ns_pid_inside(struct dump *d, pid_t host_pid)
{
	struct task *t;

	if (!d->ns->root[NS_PID])
		return host_pid;
	t = task_by_host_pid(d->tree, host_pid);
	if (t)
		return t->pid;
	for_each_task(t, d->tree) {
		if (t->stat.pgid == host_pid)
			return t->pgid;
		if (t->stat.sid == host_pid)
			return t->sid;
		for (size_t i = 0; i < t->nr_threads; i++)
			if (t->threads[i].host_tid == host_pid)
				return t->threads[i].tid;
	}
	return 0;
}

/* ---- restore ---- */

static int number_inside(struct restore *r, pid_t pid, pid_t tid, pid_t *inside_ret,
			 struct err *err)
{
	struct proc_status status;

	if (proc_read_status(r->proc, pid, tid, r->arena, &status, err) < 0)
		return -err->code;
	*inside_ret = status.nspid;
	return 0;
}

static int compare_pairs(const void *pa, const void *pb)
{
	const struct pid_pair *a = pa, *b = pb;

	return a->inside < b->inside ? -1 : a->inside > b->inside;
}

pid_t pids_host(const struct restore *r, pid_t inside)
{
	const struct pid_pair key = { .inside = inside }, *found;

	if (!r->ns->root[NS_PID])
		return inside;
	found = bsearch(&key, r->barrier->pairs.items, r->barrier->pairs.n, sizeof(key),
			compare_pairs);
	return found ? found->host : -1;
}

/* Helpers are in no tree. */
static void tell_helpers(struct restore *r)
{
	struct birth **b;

	vec_for_each(b, &r->births->all)
		if ((*b)->is_helper)
			(*b)->task->host_pid = pids_host(r, (*b)->task->pid);
}

static struct thread *thread_by_tid(struct task *t, pid_t tid)
{
	for (size_t i = 0; i < t->nr_threads; i++)
		if (t->threads[i].tid == tid)
			return &t->threads[i];
	return NULL;
}

int pids_learn(struct restore *r, struct err *err)
{
	struct barrier *b = r->barrier;
	struct thread *th;
	struct task *t;
	pid_t *host;

	if (!r->ns->root[NS_PID])
		return 0;
	vec_for_each(host, &b->born) {
		struct pid_pair pair = { .host = *host };

		if (number_inside(r, *host, *host, &pair.inside, err) < 0)
			return -err->code;
		*vec_add(r->arena, &b->pairs) = pair;
	}
	qsort(b->pairs.items, b->pairs.n, sizeof(b->pairs.items[0]), compare_pairs);

	for_each_task(t, r->tree) {
		pid_t pid = pids_host(r, t->pid);

		if (pid < 0)
			return err_set(err, ESRCH, "cannot find the newborn task %d", t->pid);
		task_has_host_pid(r->arena, r->tree, t, pid);
		th = thread_by_tid(t, t->pid);
		if (th)
			th->host_tid = pid;
	}
	tell_helpers(r);
	return 0;
}

int pids_learn_threads(struct restore *r, struct task *t, struct err *err)
{
	pid_list tids = { 0 };
	pid_t *tid;

	if (!r->ns->root[NS_PID])
		return 0;
	if (proc_read_threads(r->proc, t->host_pid, r->arena, &tids, err) < 0)
		return -err->code;
	vec_for_each(tid, &tids) {
		struct thread *th;
		pid_t inside = -1;

		if (number_inside(r, t->host_pid, *tid, &inside, err) < 0)
			return -err->code;
		th = thread_by_tid(t, inside);
		if (th)
			th->host_tid = *tid;
	}
	return 0;
}
