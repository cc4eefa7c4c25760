/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * restore - images into a tree of tasks
 *
 *	read	images to structs
 *	plan	decide, touch nothing
 *	fork	tasks, sessions, zombies
 *	open	files, put in place and linked
 *	map	memory, threads, all that the restorer does
 *	resume	registers; let go, all at once
 *
 * Resume is the point of no return; until then a failure ends everybody.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/cleanup.h"
#include "base/inject.h"
#include "base/io.h"
#include "base/log.h"
#include "core/barrier.h"
#include "core/dedup.h"
#include "core/fdtable.h"
#include "core/files.h"
#include "core/fork.h"
#include "core/guard.h"
#include "core/inventory.h"
#include "core/leader.h"
#include "core/ns.h"
#include "core/outside.h"
#include "core/path_ref.h"
#include "core/pids.h"
#include "core/plan.h"
#include "core/script.h"
#include "core/shared.h"
#include "core/stage.h"
#include "core/stats.h"
#include "core/stopped.h"
#include "core/trapped.h"
#include "core/undo.h"
#include "core/wait.h"
#include "core/worker.h"
#include "kinds.h"
#include "notify.h"
#include "restore.h"

/* ---- read ---- */

static int read_task(struct restore *r, struct task *t, struct err *err)
{
	const struct task_kind *const *k;

	if (t->state != TASK_DEAD && fdtable_read(r, t, err) < 0)
		return -err->code;
	for (k = all_kinds.tasks; *k; k++)
		if ((*k)->read &&
		    (inject_point(err, "read:%s", (*k)->name) < 0 || (*k)->read(r, t, err) < 0))
			return err_in(err, "%s", (*k)->name);
	return 0;
}

static int read_all(struct restore *r, struct err *err)
{
	const struct task_kind *const *k;
	struct task *t;

	if (inventory_read(r, err) < 0 || tree_read(r, err) < 0 || ns_read(r, err) < 0 ||
	    files_read(r, err) < 0)
		return -err->code;
	for (k = all_kinds.tasks; *k; k++)
		if ((*k)->read_begin && (inject_point(err, "read_begin:%s", (*k)->name) < 0 ||
					 (*k)->read_begin(r, err) < 0))
			return err_in(err, "%s", (*k)->name);
	for_each_task(t, r->tree)
		if (read_task(r, t, err) < 0)
			return err_in(err, "task %d", t->pid);
	return 0;
}

static int restore_read(void *run, struct err *err)
{
	if (read_all(run, err) < 0 && err_hint_limit(err) < 0)
		return err_hint(err,
				"the checkpoint is damaged or was not finished; take it again");
	return 0;
}

/* ---- plan ---- */

static int restore_plan(void *run, struct err *err)
{
	return plan_run(run, err);
}

/* ---- fork ---- */

struct script_call {
	char action[32];
	pid_t root_pid;
};

static int run_script_here(struct restore *r, void *args, int *fd, struct err *err)
{
	const struct script_call *call = args;

	return script_run(&r->opts->common, call->action, store_dirfd(r->store), call->root_pid,
			  err);
}

/* Where the user is. */
static int run_script(struct restore *r, const char *action, struct err *err)
{
	struct script_call call = { .root_pid = r->tree->root->host_pid };

	snprintf(call.action, sizeof(call.action), "%s", action);
	return outside_run(r, run_script_here, &call, sizeof(call), NULL, err);
}

/* What all are born with. */
static int prepare(struct restore *r, struct err *err)
{
	const struct task_kind *const *t;

	for (t = all_kinds.tasks; *t; t++)
		if ((*t)->prepare &&
		    (inject_point(err, "prepare:%s", (*t)->name) < 0 || (*t)->prepare(r, err) < 0))
			return err_in(err, "%s", (*t)->name);
	return 0;
}

/* What must be there before tasks use it. */
static int run_before(struct restore *r, struct err *err)
{
	const struct file_kind *const *f;
	const struct task_kind *const *t;

	for (f = all_kinds.files; *f; f++)
		if ((*f)->before &&
		    (inject_point(err, "before:%s", (*f)->name) < 0 || (*f)->before(r, err) < 0))
			return err_in(err, "%s", (*f)->name);
	/* by now the files of dead processes have who stands in for them, with their pids */
	if (undo_begin(r, err) < 0)
		return -err->code;
	for (t = all_kinds.tasks; *t; t++)
		if ((*t)->before &&
		    (inject_point(err, "before:%s", (*t)->name) < 0 || (*t)->before(r, err) < 0))
			return err_in(err, "%s", (*t)->name);
	return 0;
}

static int restore_fork(void *run, struct err *err)
{
	struct restore *r = run;
	uint64_t flags;

	stats_start(r->stats, STAT_FORKING);
	if (prepare(r, err) < 0 || ns_enter_all(r, &flags, err) < 0 ||
	    fork_root(r, flags, err) < 0 || ns_make(r, err) < 0)
		return -err->code;
	if (run_script(r, "setup-namespaces", err) < 0 ||
	    run_script(r, "post-setup-namespaces", err) < 0)
		return -err->code;
	if (run_before(r, err) < 0 || fork_tree(r, err) < 0)
		return -err->code;
	stats_stop(r->stats, STAT_FORKING);
	return 0;
}

static int restore_end(void *run, bool ok, struct err *err)
{
	const struct file_kind *const *k;
	const struct task_kind *const *tk;
	struct restore *r = run;

	path_dead_end(r);
	undo_dismiss(r);
	if (!ok && r->barrier && !r->resumed)
		barrier_kill(r, r->barrier);
	for (k = all_kinds.files; *k; k++)
		if ((*k)->restore_end)
			(*k)->restore_end(r, ok || r->resumed);
	for (tk = all_kinds.tasks; *tk; tk++)
		if ((*tk)->restore_end)
			(*tk)->restore_end(r, ok || r->resumed);
	if (!ok && !r->resumed)
		undo_all(r);
	ns_end(r, ok || r->resumed);
	return 0;
}

/* ---- open and map: the tasks work, we keep them in step ---- */

static int step(struct restore *r, unsigned int n, struct err *err)
{
	if (barrier_release(r, r->barrier, err) < 0)
		return -err->code;
	return barrier_wait(r, r->barrier, n, 0, err);
}

static int restore_open(void *run, struct err *err)
{
	struct restore *r = run;
	unsigned int i;

	for (i = 0; i < worker_open_steps(r); i++)
		if (step(r, r->tree->nr_alive, err) < 0)
			return -err->code;
	return files_after(r, err) < 0 ? -err->code : ns_finish(r, err);
}

static bool makes_threads(const struct task *t)
{
	return t->nr_threads > 1 || t->leader_exited;
}

/* In step with restore_threads() of pie/threads.c. */
static int wait_for_threads(struct restore *r, struct task *t, struct err *err)
{
	size_t first = !t->leader_exited, i;
	struct barrier *b = r->barrier;

	for (i = first; i < t->nr_threads; i++)
		if (barrier_start(r, t->threads[i].host_tid, err) < 0)
			return -err->code;
	for (i = first; i < t->nr_threads; i++)
		if (barrier_wait_for(r, b, t->threads[i].host_tid, err) < 0)
			return -err->code;
	return 0;
}

/*
 * Threads are waited for one by one: waiting for anybody looks through them
 * all each time.  The leaders are sent on when their threads are complete.
 */
static int make_threads(struct restore *r, struct err *err)
{
	struct barrier *b = r->barrier;
	struct task *t;

	if (barrier_release(r, b, err) < 0)
		return -err->code;
	for_each_alive(t, r->tree) if (makes_threads(t) &&
				       (barrier_wait_for(r, b, t->host_pid, err) < 0 ||
					pids_learn_threads(r, t, err) < 0)) return -err->code;
	for_each_alive(t, r->tree) if (makes_threads(t) && wait_for_threads(r, t, err) <
								   0) return err_in(err, "task %d",
										    t->pid);
	for_each_alive(t, r->tree) if (makes_threads(t) &&
				       barrier_send_on(t->host_pid, err) < 0) return -err->code;
	for_each_alive(t,
		       r->tree) if (barrier_wait_for(r, b, t->host_pid, err) < 0) return -err->code;
	return shared_failure(r->shared, err) ? -err->code : 0;
}

/* What could not be opened before. */
static int open_late(struct restore *r, struct err *err)
{
	const struct file_kind *const *k;

	for (k = all_kinds.files; *k; k++)
		if ((*k)->threads &&
		    (inject_point(err, "threads:%s", (*k)->name) < 0 || (*k)->threads(r, err) < 0))
			return err_in(err, "%s", (*k)->name);
	return 0;
}

static int restore_map(void *run, struct err *err)
{
	const struct task_kind *const *k;
	struct restore *r = run;

	/* memory is there and no helper lives; then threads are made, each of which arrives */
	if (step(r, r->tree->nr_alive, err) < 0)
		return -err->code;
	for (k = all_kinds.tasks; *k; k++)
		if ((*k)->after &&
		    (inject_point(err, "after:%s", (*k)->name) < 0 || (*k)->after(r, err) < 0))
			return err_in(err, "%s", (*k)->name);
	if (make_threads(r, err) < 0 || open_late(r, err) < 0)
		return -err->code;
	return shared_count(r->shared, err);
}

/* ---- resume ---- */

/* A step of a task that ignores SIGTRAP would end that. */
static bool can_step(const struct task *t)
{
	const TaskCoreEntry *tc = t->core->tc;
	size_t i = SIGTRAP - 1;

	return t->state != TASK_STOPPED && !trapped_is_waiting(t) &&
	       !(i < tc->n_sigactions && tc->sigactions[i]->sigaction == (uintptr_t)SIG_IGN);
}

/* All do it at the same time. */
static int begin_unmap(struct restore *r, const struct task *t, struct err *err)
{
	const struct shared_task *st = &r->shared->tasks[t->index];
	unsigned long args[6] = { st->region, st->region_size };

	return can_step(t) ? compel_raw_begin(t->host_alive, st->insn, SYS_munmap, args, err) : 0;
}

static int end_unmap(struct restore *r, const struct task *t, struct err *err)
{
	const struct shared_task *st = &r->shared->tasks[t->index];
	unsigned long args[6] = { st->region, st->region_size };
	long ret;
	int failed = can_step(t) ? compel_raw_end(t->host_alive, &ret, err)
				 : compel_raw_syscall(t->host_alive, st->insn, SYS_munmap, args,
						      &ret, err);

	if (failed < 0)
		return failed;
	return ret < 0 ? err_set(err, (int)-ret, "cannot unmap the restorer") : 0;
}

static int set_registers(const struct restore *r, const struct thread *th, struct err *err)
{
	struct compel_regs regs;
	char xstate[COMPEL_XSTATE_MAX];
	size_t len;

	if (arch_regs_from_core(r->cpu, th->core, &regs, xstate, &len, err) < 0 ||
	    arch_set_thread(th->host_tid, th->core, err) < 0)
		return -err->code;
	if (th->entered)
		arch_regs_set_result(&regs, th->entered_result);
	return compel_set_state(th->host_tid, &regs, xstate, len,
				th->core->thread_core && th->core->thread_core->has_blk_sigset
					? th->core->thread_core->blk_sigset
				: th->core->tc ? th->core->tc->blk_sigset
					       : 0,
				err);
}

/* What still needs the region, and then its end. */
static int leave_region(struct restore *r, struct task *t, struct err *err)
{
	if (stopped_forget(r, t, err) < 0 || waits_enter(r, t, err) < 0 ||
	    trapped_queue(r, t, err) < 0)
		return -err->code;
	return begin_unmap(r, t, err);
}

static int finish_task(struct restore *r, struct task *t, struct err *err)
{
	const struct task_kind *const *k;
	size_t i;

	if (end_unmap(r, t, err) < 0)
		return -err->code;
	for (k = all_kinds.tasks; *k; k++)
		if ((*k)->finish && (*k)->finish(r, t, err) < 0)
			return err_in(err, "%s", (*k)->name);
	for (i = 0; i < t->nr_threads; i++)
		if (set_registers(r, &t->threads[i], err) < 0)
			return err_in(err, "thread %d", t->threads[i].tid);
	for (k = all_kinds.tasks; *k; k++)
		if ((*k)->resume && (*k)->resume(r, t, err) < 0)
			return err_in(err, "%s", (*k)->name);
	return 0;
}

static void let_go(struct restore *r, const struct task *t)
{
	size_t i;

	for (i = 0; i < t->nr_threads; i++)
		if (ptrace(PTRACE_DETACH, t->threads[i].host_tid, 0, 0) < 0)
			log_warn("cannot let go of thread %d of task %d: %s", t->threads[i].tid,
				 t->pid, strerror(errno));
}

static int write_pidfile(struct restore *r, void *args, int *fd, struct err *err)
{
	return notify_pidfile(r->opts->pidfile, *(pid_t *)args, err);
}

static int resume_files(struct restore *r, struct err *err)
{
	const struct file_kind *const *k;

	for (k = all_kinds.files; *k; k++)
		if ((*k)->resume && (*k)->resume(r, err) < 0)
			return err_in(err, "%s", (*k)->name);
	return 0;
}

static int restore_resume(void *run, struct err *err)
{
	struct restore *r = run;
	pid_t root = r->tree->root->host_pid;
	struct task *t;

	path_dead_end(r);
	if (leaders_exit(r, err) < 0 || stopped_stop(r, err) < 0)
		return -err->code;
	for_each_alive(t, r->tree) if (inject_point(err, "resume:task") < 0 ||
				       leave_region(r, t, err) < 0) return err_in(err, "task %d",
										  t->pid);
	for_each_alive(t, r->tree) if (finish_task(r, t, err) < 0) return err_in(err, "task %d",
										 t->pid);
	if (inject_point(err, "resume:set") < 0 || run_script(r, "post-restore", err) < 0)
		return -err->code;
	if (r->ns->root[NS_NET] && run_script(r, "network-unlock", err) < 0)
		log_warn("%s: %s", err->what, err->why);
	if (run_script(r, "pre-resume", err) < 0)
		return -err->code;

	if (r->opts->pidfile && outside_run(r, write_pidfile, &root, sizeof(root), NULL, err) < 0)
		return -err->code;
	if (r->opts->common.status_fd >= 0 && notify_ready(r->opts->common.status_fd, err) < 0)
		return -err->code;

	/* from here on the network has them again */
	if (resume_files(r, err) < 0)
		return -err->code;
	undo_dismiss(r);
	r->resumed = true;
	for_each_alive(t, r->tree) if (r->opts->common.leave_stopped && t->state != TASK_STOPPED)
		kill(t->host_pid, SIGSTOP);
	for_each_alive(t, r->tree) let_go(r, t);
	/* they run: what a script says now cannot undo it */
	if (run_script(r, "post-resume", err) < 0)
		log_warn("%s: %s", err->what, err->why);
	return 0;
}

static const struct stage restore_stages[] = {
	{ .name = "read", .run = restore_read },
	{ .name = "plan", .run = restore_plan },
	{ .name = "fork", .run = restore_fork, .end = restore_end },
	{ .name = "open", .run = restore_open },
	{ .name = "map", .run = restore_map },
	{ .name = "resume", .run = restore_resume },
};

enum { DRY_STAGES = 2, ALL_STAGES = sizeof(restore_stages) / sizeof(restore_stages[0]) };

/* Who writes it closes it when the dumped tree is gone: on the same machine its pids are free then. */
static int wait_for_end(int stream, struct err *err)
{
	char c;
	int ret = io_read(stream, &c, 1);

	if (ret == -ENODATA)
		return 0;
	if (ret < 0)
		return err_set(err, -ret, "cannot read the stream of images");
	err_set(err, EBADMSG, "cannot read the stream of images: something follows its end");
	return err_hint(err, "give what \"dump -D -\" has written, and nothing else");
}

/* The directory of the images; a stream of them is unpacked into memory. */
static int open_images(const struct common_opts *o, struct err *err)
{
	int in = o->stream ? o->images_fd : openat(o->images_fd, STREAM_FILE, O_RDONLY | O_CLOEXEC);

	if (in < 0) {
		in = fcntl(o->images_fd, F_DUPFD_CLOEXEC, 3);
		return in < 0 ? err_sys(err, "cannot copy a descriptor") : in;
	}
	scoped_fd stream = in;
	scoped_fd dir = stream_memory_dir(err);

	if (dir < 0 || stream_unpack(stream, dir, err) < 0 || wait_for_end(stream, err) < 0)
		return -err->code;
	return take_fd(&dir);
}

static int restore_begin(struct restore *r, struct err *err)
{
	int dir;

	list_init(&r->tree->tasks);
	r->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->proc < 0)
		return err_sys(err, "cannot open /proc");
	compel_use_proc(r->proc);
	dir = open_images(&r->opts->common, err);
	if (dir < 0)
		return dir;
	if (store_open_dirfd(r->arena, dir, &r->store, err) < 0)
		return -err->code;
	return script_run(&r->opts->common, "pre-restore", store_dirfd(r->store), 0, err);
}

static int write_stats(struct restore *r, void *args, int *fd, struct err *err)
{
	return stats_write_restore(r->stats, AT_FDCWD, err);
}

static int drop_pages(struct restore *r, void *args, int *fd, struct err *err)
{
	return dedup_restored(r, err);
}

/* The tasks run: what fails now cannot undo it. */
static void auto_dedup(struct restore *r)
{
	struct err err = { 0 };

	if (r->opts->common.auto_dedup && outside_run(r, drop_pages, NULL, 0, NULL, &err) < 0)
		log_warn("%s: %s", err.what, err.why);
}

int restore_run(const struct restore_opts *opts, pid_t *root_ret, struct err *err)
{
	struct arena arena, common;
	struct restore r = { .opts = opts, .arena = &arena, .common = &common, .coordinator = -1 };
	int ret;

	arena_init(&arena);
	arena_init_shared(&common);
	r.kernel = kernel_new(&arena);
	r.cpu = arch_cpu_new(&arena);
	r.kinds = kinds_new(&arena, &all_kinds);
	r.tree = arena_new(&arena, struct tree);
	r.files = files_new(&arena);
	r.stats = stats_new(&arena);

	guard_begin();
	stats_start(r.stats, STAT_RESTORE);
	ret = restore_begin(&r, err);
	if (ret == 0)
		ret = stages_run(restore_stages, opts->dry_run ? DRY_STAGES : ALL_STAGES, &r, err);
	if (ret == 0 && !opts->dry_run) {
		stats_stop(r.stats, STAT_RESTORE);
		if (opts->common.display_stats)
			stats_print_restore(r.stats);
		if (!opts->common.stream || opts->common.work_dir)
			ret = outside_run(&r, write_stats, NULL, 0, NULL, err);
		auto_dedup(&r);
	}
	if (r.resumed)
		*root_ret = r.tree->root->host_pid;
	outside_end(&r);
	guard_end();

	store_close(r.store);
	arena_fini(&common);
	arena_fini(&arena);
	if (ret < 0 && err_hint_limit(err) < 0)
		err_hint(
			err,
			"is the checkpoint whole, and all it needs in place? the log says more: -v4 -o FILE");
	return ret;
}
