/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * predump - the memory of a tree, ahead of its dump
 *
 *	freeze	stop it
 *	collect	who remembers what it has written since the parent dump
 *	inject	code inside, where somebody is to remember from now on
 *	drain	which pages are to be saved
 *
 * Then it goes on, and meanwhile its pages are saved. inventory.img is written last,
 * and has the name that the next dump asks for.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/inject.h"
#include "base/log.h"
#include "core/freeze.h"
#include "core/guard.h"
#include "core/inventory.h"
#include "core/kernel.h"
#include "core/kind.h"
#include "core/refuse.h"
#include "core/stage.h"
#include "core/stats.h"
#include "core/task.h"
#include "dump.h"
#include "dump_stages.h"

static int predump_freeze(void *run, struct err *err)
{
	struct dump *d = run;
	int ret;

	stats_start(d->stats, STAT_FROZEN);
	stats_start(d->stats, STAT_FREEZING);
	ret = tree_freeze(d, err);
	stats_stop(d->stats, STAT_FREEZING);
	return refuse_end(d, ret, false, err);
}

static int predump_thaw(void *run, bool ok, struct err *err)
{
	struct dump *d = run;
	int ret = tree_thaw(d, COMPEL_RUN, err);

	stats_stop(d->stats, STAT_FROZEN);
	return ret;
}

static int each(struct dump *d, const char *stage, size_t member, struct err *err)
{
	return refuse_end(d, dump_for_tasks(d, stage, member, err), false, err);
}

static int predump_collect(void *run, struct err *err)
{
	/* memory that devices are just writing to is not protected against that */
	if (each(run, "settle", offsetof(struct task_kind, settle), err) < 0)
		return -err->code;
	return each(run, "pre_collect", offsetof(struct task_kind, pre_collect), err);
}

static int predump_inject(void *run, struct err *err)
{
	return dump_inject(run, err);
}

static int predump_drain(void *run, struct err *err)
{
	return each(run, "pre_drain", offsetof(struct task_kind, pre_drain), err);
}

static void predump_explain(void *run, struct err *err)
{
	tree_explain(run, err);
}

static const struct stage stages[] = {
	{ "freeze", predump_freeze, predump_thaw, NULL },
	{ "collect", predump_collect, NULL, predump_explain },
	{ "inject", predump_inject, dump_cure, predump_explain },
	{ "drain", predump_drain, NULL, predump_explain },
};

/* The tree runs. */
static int write_images(struct dump *d, struct err *err)
{
	int ret;

	if (dump_connect_page_server(d, err) < 0)
		return -err->code;
	d->images_begun = true;
	if (dump_discard(d, err) < 0)
		return -err->code;
	stats_start(d->stats, STAT_MEMDUMP);
	ret = each(d, "pre_write", offsetof(struct task_kind, pre_write), err);
	stats_stop(d->stats, STAT_MEMDUMP);
	if (ret < 0 || dump_finish_page_server(d, err) < 0)
		return -err->code;
	return inventory_write_predump(d, err);
}

static int check_kernel(struct dump *d, struct err *err)
{
	if (kernel_has(d->kernel, KERNEL_WRITTEN))
		return 0;
	err_set(err, EOPNOTSUPP, "cannot pre-dump on this kernel");
	err_why(err, "it does not tell which pages have been written since");
	return err_hint(err, "use Linux 6.7 with CONFIG_USERFAULTFD, or dump at once");
}

static int predump(struct dump *d, struct err *err)
{
	int ret = check_kernel(d, err);

	if (ret == 0)
		ret = dump_begin(d, err);
	if (ret == 0)
		ret = stages_run(stages, sizeof(stages) / sizeof(stages[0]), d, err);
	if (ret == 0)
		ret = write_images(d, err);
	if (ret == 0)
		ret = stats_write_dump(d->stats, AT_FDCWD, err);
	if (ret == 0)
		dump_dedup(d);
	dump_let_go(d, ret == 0);
	return ret;
}

int predump_run(const struct dump_opts *opts, struct refusals *refused, struct err *err)
{
	struct arena arena;
	struct dump d = { .opts = opts, .arena = &arena, .refused = refused, .pre_dump = true };
	struct err other = { 0 };
	int ret;

	arena_init(&arena);
	dump_init(&d);
	guard_begin();
	ret = predump(&d, err);
	if (ret < 0 && !is_refusal(err))
		refused->list.n = 0;
	if (ret < 0 && d.images_begun && dump_discard(&d, &other) < 0)
		log_error("%s: %s", other.what, other.why);
	if (ret == 0 && opts->common.display_stats)
		stats_print_dump(d.stats);
	guard_end();
	dump_fini(&d);
	return ret;
}
