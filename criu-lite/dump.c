/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dump - a tree of tasks into images
 *
 *	freeze	stop it
 *	collect	ask the kernel, from outside
 *	inject	put code inside
 *	drain	fetch what only the tasks know
 *	write	images, inventory.img last
 *
 * and then, backwards: cure, thaw or kill.  Who sends a task a signal meanwhile
 * finds that it exists, so the last that is done is to look for that once more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/cleanup.h"
#include "base/inject.h"
#include "base/log.h"
#include "core/births.h"
#include "core/dedup.h"
#include "core/fdtable.h"
#include "core/files.h"
#include "core/freeze.h"
#include "core/guard.h"
#include "core/ids.h"
#include "core/inventory.h"
#include "core/ns.h"
#include "core/page_link.h"
#include "core/path_ref.h"
#include "core/refuse.h"
#include "core/script.h"
#include "core/stage.h"
#include "core/stats.h"
#include "dump.h"
#include "dump_lazy.h"
#include "dump_stages.h"
#include "kinds.h"

extern const char parasite_blob[], parasite_blob_end[];

int dump_for_tasks(struct dump *d, const char *stage, size_t member, struct err *err)
{
	const struct task_kind *const *k;
	struct task *t;

	for_each_task(t, d->tree) {
		if (t->spoilt && member != offsetof(struct task_kind, collect))
			continue;
		for (k = all_kinds.tasks; *k; k++) {
			int (*f)(struct dump *, struct task *, struct err *);

			memcpy(&f, (const char *)*k + member, sizeof(f));
			if (!f || (inject_point(err, "%s:%s", stage, (*k)->name) == 0 &&
				   f(d, t, err) == 0))
				continue;
			err_in(err, "task %d: %s", t->host_pid, (*k)->name);
			if (!refuse_note(d, t, -1, err))
				return -err->code;
			t->spoilt = true;
		}
	}
	return 0;
}

/* ---- freeze ---- */

static ino_t net_of(const struct dump *d, const char *pid)
{
	struct stat st;
	char path[32];

	snprintf(path, sizeof(path), "%s/ns/net", pid);
	return fstatat(d->proc, path, &st, 0) == 0 ? st.st_ino : 0;
}

static bool has_own_network(const struct dump *d)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", d->tree->root->host_pid);
	return net_of(d, pid) != net_of(d, "self");
}

static int tell(struct dump *d, const char *action, struct err *err)
{
	return script_run(&d->opts->common, action, store_dirfd(d->store), d->tree->root->host_pid,
			  err);
}

/* The tree has stopped: who asked for the dump may keep others away from its network. */
static int tell_frozen(struct dump *d, struct err *err)
{
	if (d->dry)
		return 0;
	d->locks_network = has_own_network(d);
	if (d->locks_network && tell(d, "network-lock", err) < 0)
		return -err->code;
	return script_tell(&d->opts->common, "query-ext-files", -1, err);
}

/* The tree may go on whatever is said to that. */
static void tell_unlock(struct dump *d)
{
	struct err err = { 0 };

	if (tell(d, "network-unlock", &err) < 0)
		log_warn("%s: %s", err.what, err.why);
}

static int dump_freeze(void *run, struct err *err)
{
	struct dump *d = run;
	int ret;

	stats_start(d->stats, STAT_FROZEN);
	stats_start(d->stats, STAT_FREEZING);
	ret = tree_freeze(d, err);
	stats_stop(d->stats, STAT_FREEZING);
	if (refuse_end(d, ret, false, err) < 0)
		return -err->code;
	return tell_frozen(d, err);
}

static bool lives_on(const struct dump *d)
{
	return d->opts->leave_running || d->opts->common.leave_stopped;
}

static int dump_thaw(void *run, bool ok, struct err *err)
{
	struct dump *d = run;
	enum compel_end end = COMPEL_KILL;
	int ret;

	if (!ok || d->opts->leave_running)
		end = COMPEL_RUN;
	if (d->stays_stopped)
		end = COMPEL_STOP;
	if (d->locks_network && end == COMPEL_RUN)
		tell_unlock(d);
	else if (d->opts->common.leave_stopped)
		end = COMPEL_STOP;
	ret = tree_thaw(d, end, err);
	stats_stop(d->stats, STAT_FROZEN);
	return ret;
}

/* ---- collect ---- */

static int collect(struct dump *d, struct err *err)
{
	struct task *t;

	if (ns_collect(d, err) < 0 && !refuse_note(d, NULL, -1, err))
		return -err->code;
	if (births_check(d, err) < 0 && !refuse_note(d, NULL, -1, err))
		return -err->code;
	if (dump_for_tasks(d, "settle", offsetof(struct task_kind, settle), err) < 0)
		return -err->code;
	if (path_guard_collect(d, err) < 0)
		return -err->code;
	for_each_alive(t, d->tree) if (fdtable_collect(d, t, err) < 0) return -err->code;
	if (dump_for_tasks(d, "collect", offsetof(struct task_kind, collect), err) < 0)
		return -err->code;
	return files_collect_end(d, err);
}

static int dump_collect(void *run, struct err *err)
{
	struct dump *d = run;

	/* seen from other namespaces every name is wrong, which is not worth a word each */
	if (refuse_end(d, ids_collect(d, err), false, err) < 0)
		return -err->code;
	return refuse_end(d, collect(d, err), d->dry, err);
}

/* What a kind has left in the world goes again, or stays for the restore. */
static int dump_collected(void *run, bool ok, struct err *err)
{
	const struct file_kind *const *k;
	const struct ns_kind *const *n;

	for (k = all_kinds.files; *k; k++)
		if ((*k)->dump_end)
			(*k)->dump_end(run, ok);
	for (n = all_kinds.namespaces; *n; n++)
		if ((*n)->dump_end)
			(*n)->dump_end(run, ok);
	return 0;
}

/* ---- inject ---- */

int dump_inject(struct dump *d, struct err *err)
{
	const struct compel_image blob = { parasite_blob,
					   (size_t)(parasite_blob_end - parasite_blob) };
	struct task *t;

	for_each_alive(t, d->tree)
	{
		if (d->pre_dump && !t->wants_parasite)
			continue;
		if (compel_inject(t->victim, &blob, PARASITE_ARGS_SIZE, err) < 0 ||
		    inject_point(err, "inject:task") < 0)
			return err_in(err, "task %d", t->host_pid);
	}
	return 0;
}

static int dump_injected(void *run, struct err *err)
{
	return dump_inject(run, err);
}

int dump_cure(void *run, bool ok, struct err *err)
{
	struct dump *d = run;
	struct err first = { 0 }, e;
	struct task *t;

	/* those that are going to be killed need no cure */
	if (ok && !lives_on(d))
		return 0;

	for_each_alive(t, d->tree)
	{
		memset(&e, 0, sizeof(e));
		if (t->victim && compel_cure(t->victim, &e) < 0 && !first.code)
			first = e;
	}
	if (first.code)
		*err = first;
	return -first.code;
}

/* ---- drain ---- */

static int ask_inside(struct dump *d, struct task *t, struct err *err)
{
	size_t i;

	t->inside = arena_new(d->arena, struct parasite_task);
	if (task_call(t, PARASITE_TASK, t->inside, sizeof(*t->inside), err) < 0)
		return -err->code;
	for (i = 0; i < t->nr_threads; i++) {
		struct thread *th = &t->threads[i];

		th->inside = arena_new(d->arena, struct parasite_thread);
		if (task_call_thread(t, th, PARASITE_THREAD, th->inside, sizeof(*th->inside), err) <
		    0)
			return -err->code;
	}
	return 0;
}

/* Compressed images of an older dump would be taken for ours. */
int dump_discard(struct dump *d, struct err *err)
{
	if (store_dirfd(d->store) >= 0 && store_remove_file(d->store, STREAM_FILE, err) < 0)
		return -err->code;
	return store_remove_file(d->store, "inventory.img", err);
}

int dump_connect_page_server(struct dump *d, struct err *err)
{
	const struct remote_opts *o = &d->opts->common.remote;

	if (!o->page_server || d->opts->common.lazy_pages)
		return 0;
	if (page_link_connect(d->arena, o, &d->page_link, err) < 0)
		return -err->code;
	page_link_set_hint(d->page_link, "the tree still runs; see what happened to the page "
					 "server, start it again, and dump again");
	log_info("Memory goes to the page server at %s", page_link_peer(d->page_link));
	return 0;
}

static int drain(struct dump *d, struct err *err)
{
	struct task *t;

	if (dump_connect_page_server(d, err) < 0)
		return -err->code;
	/* from here on images are overwritten: what an older dump left is no whole any more */
	d->images_begun = true;
	if (dump_discard(d, err) < 0)
		return -err->code;
	for_each_alive(t, d->tree) if (ask_inside(d, t, err) < 0) return -err->code;
	if (dump_for_tasks(d, "drain", offsetof(struct task_kind, drain), err) < 0)
		return -err->code;
	return files_drain(d, err);
}

static int dump_drain(void *run, struct err *err)
{
	struct dump *d = run;

	return refuse_end(d, drain(d, err), false, err);
}

/* ---- write ---- */

static int write_ends(struct dump *d, struct err *err)
{
	const struct task_kind *const *k;

	for (k = all_kinds.tasks; *k; k++)
		if ((*k)->write_end && (inject_point(err, "write_end:%s", (*k)->name) < 0 ||
					(*k)->write_end(d, err) < 0))
			return err_in(err, "%s", (*k)->name);
	return 0;
}

static int ask_news(struct dump *d, struct task *t, bool *news_ret, struct err *err)
{
	const struct task_kind *const *k;
	bool news = false;

	*news_ret = false;
	for (k = all_kinds.tasks; *k; k++) {
		if (!(*k)->news)
			continue;
		if (inject_point(err, "news:%s", (*k)->name) < 0 ||
		    (*k)->news(d, t, &news, err) < 0)
			return err_in(err, "task %d: %s", t->host_pid, (*k)->name);
		*news_ret |= news;
	}
	return 0;
}

static int write_again(struct dump *d, struct task *t, struct err *err)
{
	const struct task_kind *const *k;

	for (k = all_kinds.tasks; *k; k++)
		if ((*k)->write_again && (*k)->write_again(d, t, err) < 0)
			return err_in(err, "task %d: %s", t->host_pid, (*k)->name);
	return 0;
}

/* What has come to them while images were written. */
static int write_news(struct dump *d, struct err *err)
{
	vec(struct task *) changed = { 0 };
	struct task *t, **with_news;
	bool news;

	for_each_alive(t, d->tree)
	{
		if (ask_news(d, t, &news, err) < 0)
			return -err->code;
		if (news)
			*vec_add(d->arena, &changed) = t;
	}
	if (changed.n == 0)
		return 0;
	if (dump_discard(d, err) < 0)
		return -err->code;
	vec_for_each(with_news, &changed)
		if (write_again(d, *with_news, err) < 0)
			return -err->code;
	return inventory_write(d, err);
}

int dump_finish_page_server(struct dump *d, struct err *err)
{
	return d->page_link ? page_link_finish(take_ptr(d->page_link), err) : 0;
}

static int write_all(struct dump *d, struct err *err)
{
	struct task *t;

	if (dump_for_tasks(d, "write", offsetof(struct task_kind, write), err) < 0 ||
	    write_ends(d, err) < 0)
		return -err->code;
	for_each_alive(t, d->tree) if (fdtable_write(d, t, err) < 0) return -err->code;
	if (files_write(d, err) < 0 || ns_write(d, err) < 0 || tree_write(d, err) < 0 ||
	    dump_finish_page_server(d, err) < 0 || inventory_write(d, err) < 0)
		return -err->code;
	if (tell(d, "post-dump", err) < 0)
		return -err->code;
	if (!lives_on(d) && write_news(d, err) < 0)
		return -err->code;
	if (store_finish(d->store, err) < 0)
		return -err->code;
	return d->opts->common.lazy_pages ? dump_lazy_serve(d, err) : 0;
}

static int dump_write(void *run, struct err *err)
{
	struct dump *d = run;

	return refuse_end(d, write_all(d, err), false, err);
}

static void dump_explain(void *run, struct err *err)
{
	tree_explain(run, err);
}

static const struct stage dump_stages[] = {
	{ "freeze", dump_freeze, dump_thaw, NULL },
	{ "collect", dump_collect, dump_collected, dump_explain },
	{ "inject", dump_injected, dump_cure, dump_explain },
	{ "drain", dump_drain, NULL, dump_explain },
	{ "write", dump_write, NULL, dump_explain },
};

/* What is found in a tree that goes on at once, without images: all but the last stage. */
enum { NR_STAGES = sizeof(dump_stages) / sizeof(dump_stages[0]), NR_CHECK_STAGES = NR_STAGES - 1 };

void dump_init(struct dump *d)
{
	d->network_lock = NETWORK_LOCK_SKIP;
	d->kernel = kernel_new(d->arena);
	d->cpu = arch_cpu_new(d->arena);
	d->kinds = kinds_new(d->arena, &all_kinds);
	d->tree = arena_new(d->arena, struct tree);
	d->files = files_new(d->arena);
	d->us = arena_new(d->arena, struct task);
	d->stats = stats_new(d->arena);
	list_init(&d->tree->tasks);
}

void dump_fini(struct dump *d)
{
	page_link_close(d->page_link, false);
	id_set_fini(&d->files->open_files);
	store_close(d->parent);
	store_close(d->store);
	arena_fini(d->arena);
}

/* Compressed images are one file of the directory. */
static int open_compressed(struct dump *d, struct err *err)
{
	const struct common_opts *o = &d->opts->common;
	int fd = openat(o->images_fd, STREAM_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_sys(err, "cannot create %s/" STREAM_FILE, o->images_dir);
	return store_open_stream(d->arena, fd, o->images_fd, &o->compress, &d->store, err);
}

static int open_store(struct dump *d, struct err *err)
{
	const struct common_opts *o = &d->opts->common;
	int fd;

	if (o->compress.type != STREAM_PLAIN && !o->stream)
		return open_compressed(d, err);
	fd = fcntl(o->images_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return err_sys(err, "cannot copy a descriptor");
	if (o->stream)
		return store_open_stream(d->arena, fd, -1, &o->compress, &d->store, err);
	if (store_open_dirfd(d->arena, fd, &d->store, err) < 0)
		return -err->code;
	if (faccessat(store_dirfd(d->store), ".", W_OK, AT_EACCESS) == 0)
		return 0;
	err_sys(err, "cannot write to the images directory %s", d->opts->common.images_dir);
	return err_hint(err, "give a directory by -D that can be written to");
}

int dump_begin(struct dump *d, struct err *err)
{
	d->us->host_pid = d->us->host_alive = getpid();
	d->us->pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	d->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (d->us->pidfd < 0 || d->proc < 0)
		return err_sys(err, "cannot open %s",
			       d->proc < 0 ? "/proc" : "a pidfd of ourselves");
	compel_use_proc(d->proc);
	if (d->dry) {
		d->store = store_open_null(d->arena);
		return 0;
	}
	if (open_store(d, err) < 0 || inventory_open_parent(d, err) < 0)
		return -err->code;
	return d->again || d->pre_dump
		       ? 0
		       : script_run(&d->opts->common, "pre-dump", store_dirfd(d->store), 0, err);
}

void dump_dedup(struct dump *d)
{
	struct err err = { 0 };
	struct task *t;

	if (!d->parent || !d->opts->common.auto_dedup || d->opts->common.remote.page_server)
		return;
	for_each_alive(t, d->tree)
	{
		if (dedup_image(d->arena, d->store, IMAGE_PAGEMAP, (unsigned long)t->pid, &err) ==
		    0)
			continue;
		log_warn("%s: %s", err.what, err.why);
		return;
	}
}

void dump_let_go(struct dump *d, bool ok)
{
	const struct task_kind *const *k;

	for (k = all_kinds.tasks; *k; k++)
		if ((*k)->dump_end)
			(*k)->dump_end(d, ok);
}

/* A failure of ours is what counts then; refusals stand in the log. */
static int dump_stages_run(struct dump *d, size_t n, struct err *err)
{
	int ret = dump_begin(d, err);

	if (ret == 0)
		ret = stages_run(dump_stages, n, d, err);
	dump_let_go(d, ret == 0 && !d->dry);
	if (ret < 0 && !is_refusal(err))
		d->refused->list.n = 0;
	return ret;
}

enum { TRIES = 25 };

static int dump_once(const struct dump_opts *opts, bool again, struct refusals *refused,
		     struct err *err)
{
	struct arena arena;
	struct dump d = { .opts = opts, .arena = &arena, .refused = refused, .again = again };
	struct err other = { 0 };
	int ret;

	arena_init(&arena);
	dump_init(&d);

	guard_begin();
	ret = dump_stages_run(&d, NR_STAGES, err);
	if (ret < 0)
		store_explain(d.store, err);
	if (ret < 0 && err_hint_limit(err) < 0)
		err_hint(err, "the log says more: -v4 -o FILE");
	if (ret < 0 && d.images_begun && dump_discard(&d, &other) < 0)
		log_error("%s: %s", other.what, other.why);
	if (ret == 0 && (!opts->common.stream || opts->common.work_dir))
		ret = stats_write_dump(d.stats, AT_FDCWD, err);
	if (ret == 0)
		dump_dedup(&d);
	if (ret == 0 && opts->common.display_stats)
		stats_print_dump(d.stats);
	guard_end();

	dump_fini(&d);
	return ret;
}

/* A tree that is in the middle of something is left alone for a moment, and stopped once more. */
int dump_run(const struct dump_opts *opts, struct refusals *refused, struct err *err)
{
	const struct timespec moment = { .tv_nsec = 2000000 };
	int ret = dump_once(opts, false, refused, err), i;

	for (i = 0; i < TRIES && ret < 0 && refuse_is_momentary(refused); i++) {
		log_info("once more: %s", err->what);
		refuse_forget(refused);
		memset(err, 0, sizeof(*err));
		nanosleep(&moment, NULL);
		ret = dump_once(opts, true, refused, err);
	}
	return ret;
}

int dump_check(const struct dump_opts *opts, struct refusals *refused, struct dump_report *report,
	       struct err *err)
{
	struct arena arena;
	struct dump d = { .opts = opts, .arena = &arena, .refused = refused, .dry = true };
	int ret;

	arena_init(&arena);
	dump_init(&d);

	guard_begin();
	ret = dump_stages_run(&d, NR_CHECK_STAGES, err);
	guard_end();
	if (refused->list.n)
		ret = 0;
	report->tasks = d.tree->nr_tasks;
	report->stopped_us = stats_time(d.stats, STAT_FROZEN);

	dump_fini(&d);
	return ret;
}
