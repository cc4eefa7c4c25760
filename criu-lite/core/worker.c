/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * worker - a newborn task from fork until the restorer takes over
 *
 * A worker is a copy of criu-lite with the plan in its memory.  It does its
 * own part of each stage and waits; what goes wrong is told to the coordinator,
 * which ends everybody.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/inject.h"
#include "base/log.h"
#include "core/barrier.h"
#include "core/births.h"
#include "core/files.h"
#include "core/fork.h"
#include "core/kind.h"
#include "core/ns.h"
#include "core/region.h"
#include "core/shared.h"
#include "core/worker.h"

static void worker_fail(struct restore *r, struct err *err) __attribute__((noreturn));
static void worker_fail(struct restore *r, struct err *err)
{
	err_in(err, "task %d", r->self->pid);
	err_hint_limit(err);
	shared_fail(r->shared, err);
	_exit(1);
}

static int run_kinds(struct restore *r, const char *stage, size_t member, struct err *err)
{
	const struct task_kind *const *k;

	for (k = kinds_index(r->kinds)->tasks; *k; k++) {
		int (*f)(struct restore *, struct task *, struct err *);

		memcpy(&f, (const char *)*k + member, sizeof(f));
		if (!f)
			continue;
		if (inject_point(err, "%s:%s", stage, (*k)->name) < 0 || f(r, r->self, err) < 0)
			return err_in(err, "%s", (*k)->name);
	}
	return 0;
}

static int begin(struct restore *r, struct err *err)
{
	struct task *t = r->self;
	const struct birth *b = t->birth;

	/* a process that has become the root task has begun its session long ago */
	if (b->leads && getsid(0) != getpid() && setsid() < 0)
		return err_sys(err, "cannot begin session %d", t->pid);
	if (b->leads_group && !b->leads && setpgid(0, 0) < 0)
		return err_sys(err, "cannot begin process group %d", t->pid);
	if (b->is_helper || t->state == TASK_DEAD)
		return 0;
	return run_kinds(r, "fork", offsetof(struct task_kind, fork), err);
}

static int begin_life(struct restore *r, struct err *err)
{
	if (r->self->birth->is_helper || r->self->state == TASK_DEAD)
		return 0;
	return run_kinds(r, "newborn", offsetof(struct task_kind, newborn), err);
}

static int do_act(struct restore *r, const struct birth_act *act, struct err *err)
{
	switch (act->type) {
	case BIRTH_FORK:
		return worker_fork(r, act->child, err);
	case BIRTH_BEGIN:
		return begin(r, err);
	case BIRTH_UNSHARE:
		if (unshare((int)act->flags) < 0)
			return err_sys(err, "cannot leave a table that others share (%#x)",
				       (int)act->flags);
	}
	return 0;
}

static int do_acts(struct restore *r, struct err *err)
{
	const struct birth_act *act;

	vec_for_each(act, &r->self->birth->acts)
		if (do_act(r, act, err) < 0)
			return -err->code;
	return 0;
}

/* Groups are there; only that of who started us is nobody's in the tree. */
static int enter_group(struct restore *r, struct err *err)
{
	const struct task *t = r->self, *root = r->tree->root;

	if (t->pgid == getpgid(0) ||
	    (t->pgid == root->pgid && root->pid != root->sid && !task_by_pid(r->tree, t->pgid)))
		return 0;
	if (setpgid(0, t->pgid) < 0)
		return err_sys(err, "cannot join process group %d", t->pgid);
	return 0;
}

/* In steps with all others; who has begun a group leaves it only when the others have joined it. */
static int enter_groups(struct restore *r, struct err *err)
{
	const struct birth *b = r->self->birth;

	if (!b->leaves_group && enter_group(r, err) < 0)
		return -err->code;
	barrier_arrive(&r->shared->page);
	if (!r->births->regroup)
		return 0;
	if (b->leaves_group && enter_group(r, err) < 0)
		return -err->code;
	barrier_arrive(&r->shared->page);
	return 0;
}

/* It ends when the coordinator says so. */
static void be_a_helper(struct restore *r) __attribute__((noreturn));
static void be_a_helper(struct restore *r)
{
	for (;;)
		barrier_arrive(&r->shared->page);
}

void exit_like(int status)
{
	if (WIFSIGNALED(status)) {
		struct rlimit none = { 0, 0 };
		sigset_t set;

		setrlimit(RLIMIT_CORE, &none);
		signal(WTERMSIG(status), SIG_DFL);
		sigemptyset(&set);
		sigprocmask(SIG_SETMASK, &set, NULL);
		kill(getpid(), WTERMSIG(status));
	}
	_exit(WEXITSTATUS(status));
}

/* A zombie dies as it had died. */
static void die_as_zombie(const struct task *t) __attribute__((noreturn));
static void die_as_zombie(const struct task *t)
{
	int status = (int)t->core->tc->exit_code;

	if (t->core->tc->comm)
		prctl(PR_SET_NAME, t->core->tc->comm);
	exit_like(status);
}

/* ---- stages ---- */

unsigned int worker_open_steps(const struct restore *r)
{
	return r->files->nr_levels + 2 + r->files->has_links + (r->births->nr_share_files > 0);
}

/* A file of its own with --log-pid and -o; else its lines say whose they are. */
static void begin_log(const struct restore *r, const struct task *t)
{
	const struct common_opts *o = &r->opts->common;
	int fd = -1;

	if (o->log_pid && o->log_file && strcmp(o->log_file, "-") != 0)
		fd = open(arena_printf(r->arena, "%s.%d", o->log_file, t->pid),
			  O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0)
		log_set_fd(fd);
	else
		log_set_pid(t->pid);
}

/* Whose table another one fills waits until our own descriptors are out of the way there. */
static int prepare_files(struct restore *r, struct err *err)
{
	const struct birth *b = r->self->birth;

	if (!birth_is_served(b, TABLE_FILES) && files_prepare(r, err) < 0)
		return -err->code;
	if (r->births->nr_share_files)
		barrier_arrive(&r->shared->page);
	if (!birth_is_served(b, TABLE_FILES))
		return 0;
	if (files_follow(r, b->table[TABLE_FILES].holder->task, err) < 0)
		return -err->code;
	begin_log(r, r->self);
	return 0;
}

static int stage_open(struct restore *r, struct err *err)
{
	unsigned int level;

	if (prepare_files(r, err) < 0 ||
	    run_kinds(r, "born", offsetof(struct task_kind, born), err) < 0)
		return -err->code;
	for (level = 0; level < r->files->nr_levels; level++) {
		if (files_open(r, level, err) < 0)
			return -err->code;
		barrier_arrive(&r->shared->page);
	}
	if (files_take(r, err) < 0)
		return -err->code;
	if (r->files->has_links)
		barrier_arrive(&r->shared->page);
	if (files_link(r, err) < 0)
		return -err->code;
	barrier_arrive(&r->shared->page);
	if (files_done(r, err) < 0)
		return -err->code;
	return run_kinds(r, "open", offsetof(struct task_kind, open), err);
}

/* What is open and not the task's is closed by the restorer, when it needs it no more. */
static int pack_closes(struct restore *r, struct err *err)
{
	struct restorer_args *args = r->region->args;
	const struct fdtable *table = r->self->fdtable;
	struct restorer_closes *closes;
	struct fdtable_entry *e;
	uint32_t from = 0;

	args->sharers = r->births->nr_share_files;
	args->shares_files = r->self->birth->table[TABLE_FILES].holder != NULL;
	if (birth_is_served(r->self->birth, TABLE_FILES))
		return 0;

	closes = region_alloc(r->region, (table->entries.n + 1) * sizeof(*closes), err);
	if (!closes)
		return -err->code;
	args->closes = (uintptr_t)closes;
	vec_for_each(e, &table->entries) {
		if ((uint32_t)e->fd > from)
			closes[args->nr_closes++] =
				(struct restorer_closes){ from, (uint32_t)e->fd - 1 };
		from = (uint32_t)e->fd + 1;
	}
	closes[args->nr_closes++] = (struct restorer_closes){ from, UINT32_MAX };
	return 0;
}

/* The shared page moves into the region, the only place that is still there later. */
static int move_shared_page(struct restore *r, struct err *err)
{
	struct restorer_args *args = r->region->args;
	char *place = region_alloc(r->region, 2 * 4096, err);
	void *p;

	if (!place)
		return -err->code;
	place = (char *)(((uintptr_t)place + 4095) & ~(uintptr_t)4095);
	p = mremap(&r->shared->page, 0, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	if (p == MAP_FAILED)
		return err_sys(err, "cannot map the shared page once more");
	args->shared = (uintptr_t)p;
	return 0;
}

/* A leader that is to exit has credentials and a name; nothing that its end would touch. */
static void pack_exiting_leader(struct restore *r)
{
	const struct restorer_thread *first = r->region->threads;
	struct restorer_thread *leader = r->region->leader;
	const TaskCoreEntry *tc = r->self->core->tc;

	*leader = (struct restorer_thread){
		.args = leader->args,
		.stack = leader->stack,
		.stack_size = leader->stack_size,
		.tid = r->self->pid,
		.is_leader = 1,
		.tls = first->tls,
		.sas_flags = SS_DISABLE,
		.mce_kill = first->mce_kill,
		.creds = first->creds,
	};
	snprintf(leader->comm, sizeof(leader->comm), "%s", tc->comm);
	r->region->args->exit_code = WEXITSTATUS(tc->exit_code);
}

static int stage_map(struct restore *r, struct err *err)
{
	struct shared_task *st = &r->shared->tasks[r->self->index];

	if (run_kinds(r, "map", offsetof(struct task_kind, map), err) < 0)
		return -err->code;
	assert(r->region);
	r->region->args->pid = r->self->pid;
	if (r->self->leader_exited)
		pack_exiting_leader(r);
	if (move_shared_page(r, err) < 0 || pack_closes(r, err) < 0)
		return -err->code;

	st->region = r->region->args->region;
	st->region_size = r->region->args->region_size;
	st->page = r->region->args->shared;
	st->insn = (uintptr_t)arch_find_syscall(r->region->start, r->region->size);
	return 0;
}

static void out_of_memory(void *of, const struct err *why)
{
	struct restore *r = of;
	struct err err = *why;

	worker_fail(r, &err);
}

/* In whose namespaces somebody is: helpers have none of their own. */
static const struct task *place_of(const struct birth *b)
{
	while (b->is_helper && b->father)
		b = b->father;
	return b->task;
}

void worker_main(struct restore *r, struct task *t)
{
	struct err err = { 0 };
	sigset_t all;

	r->self = t;
	r->arena->full = r->common->full = out_of_memory;
	r->arena->of = r->common->of = r;
	arena_forked(r->arena);
	begin_log(r, t);
	sigfillset(&all);
	sigdelset(&all, SIGTRAP);
	sigprocmask(SIG_SETMASK, &all, NULL);

	/* a user namespace may not look into where we were started */
	if (chdir("/") < 0)
		err_sys(&err, "cannot go to the root directory");
	if (err.code || (t->birth->father && ns_join(r, t, place_of(t->birth->father), &err) < 0) ||
	    begin_life(r, &err) < 0 || do_acts(r, &err) < 0)
		worker_fail(r, &err);
	barrier_arrive(&r->shared->page);
	if (t->birth->is_helper)
		be_a_helper(r);
	if (enter_groups(r, &err) < 0)
		worker_fail(r, &err);
	if (t->state == TASK_DEAD)
		die_as_zombie(t);
	if (r->tree->nr_alive < r->tree->nr_tasks)
		barrier_arrive(&r->shared->page);

	if (stage_open(r, &err) < 0)
		worker_fail(r, &err);
	barrier_arrive(&r->shared->page);
	if (stage_map(r, &err) < 0)
		worker_fail(r, &err);
	log_debug("enter the restorer");
	arch_enter_restorer(r->region->start,
			    (char *)(uintptr_t)r->region->leader->stack +
				    r->region->leader->stack_size,
			    r->region->args);
}
