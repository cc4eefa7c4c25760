/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mm - the address space of a task
 *
 * collect   limits from /proc/PID/stat, the vector from auxv, the executable, and
 *           all areas (vma.c)
 * drain     private pages (scan.c, pages.c), and what only the task can ask for
 * map       a region for the restorer (layout.c), the areas, where their pages
 *           are (fill.c), and the limits, which are set by PR_SET_MM_MAP
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "base/log.h"
#include "core/stats.h"
#include "mem/mem.h"

/* ---- dump ---- */

static int collect_auxv(struct dump *d, struct task *t, struct err *err)
{
	MmEntry *mm = t->mm;
	char path[32], *text;
	size_t len, i, n;

	snprintf(path, sizeof(path), "%d/auxv", t->host_alive);
	if (proc_slurp(d->proc, path, d->arena, &text, &len, err) < 0)
		return -err->code;

	n = len / sizeof(uint64_t);
	mm->mm_saved_auxv = arena_array(d->arena, uint64_t, n + 1);
	memcpy(mm->mm_saved_auxv, text, n * sizeof(uint64_t));
	for (i = 0; i + 1 < n && mm->mm_saved_auxv[i]; i += 2)
		;
	mm->n_mm_saved_auxv = i;
	return 0;
}

static int collect_mm(struct dump *d, struct task *t, struct err *err)
{
	const struct proc_stat *s = &t->stat;
	struct file *exe;
	MmEntry *mm;

	if (t->state == TASK_DEAD)
		return 0;
	t->mm = mm = record_new(d, mm_entry);
	mm->mm_start_code = s->start_code;
	mm->mm_end_code = s->end_code;
	mm->mm_start_data = s->start_data;
	mm->mm_end_data = s->end_data;
	mm->mm_start_stack = s->start_stack;
	mm->mm_start_brk = s->start_brk;
	mm->mm_arg_start = s->arg_start;
	mm->mm_arg_end = s->arg_end;
	mm->mm_env_start = s->env_start;
	mm->mm_env_end = s->env_end;

	if (file_of_link(d, t, "exe", &exe, err) < 0)
		return -err->code;
	mm->exe_file_id = exe->id;
	if (collect_auxv(d, t, err) < 0)
		return -err->code;
	written_take(d, t);
	return vma_collect(d, t, err);
}

/* Another dump is to be made on top of this one. */
static bool goes_on(const struct dump *d)
{
	return d->opts->track_mem && !d->dry &&
	       (d->opts->leave_running || d->opts->common.leave_stopped);
}

/* If it cannot be watched, the next one is as large as this one. */
static void restart(struct dump *d, struct task *t)
{
	struct err err = { 0 };

	if (written_begin(d, t, &err) == 0 && written_protect(d, t, NULL, NULL, &err) == 0)
		return;
	log_warn("Nobody will know what task %d writes: %s: %s", t->host_pid, err.what, err.why);
	written_spoil(t);
}

static int drain_mm(struct dump *d, struct task *t, struct err *err)
{
	const struct parasite_task *in = t->inside;
	MmEntry *mm = t->mm;
	int ret;

	if (t->state == TASK_DEAD)
		return 0;
	if (in->thp_disabled & ~1) {
		err_set(err, EOPNOTSUPP, "cannot dump how task %d has limited huge pages",
			t->host_pid);
		err_why(err, "PR_SET_THP_DISABLE with flags %#x has no place in the image",
			in->thp_disabled);
		return err_hint(err, "set it without flags in the program");
	}
	mm->mm_brk = in->brk;
	mm->has_dumpable = true;
	mm->dumpable = in->dumpable;
	mm->has_thp_disabled = true;
	mm->thp_disabled = in->thp_disabled;

	if (aio_drain(d, t, err) < 0 || policy_drain(d, t, err) < 0)
		return -err->code;
	stats_start(d->stats, STAT_MEMDUMP);
	ret = pages_drain(d, t, err);
	stats_stop(d->stats, STAT_MEMDUMP);
	if (ret == 0 && goes_on(d))
		restart(d, t);
	return ret;
}

static int write_mm(struct dump *d, struct task *t, struct err *err)
{
	if (t->state == TASK_DEAD)
		return 0;
	return image_put_one(d->store, IMAGE_MM, (unsigned long)t->pid, &t->mm->base, err);
}

/* ---- restore ---- */

struct mem_task *mem_of(struct restore *r, const struct task *t)
{
	struct mem_state *s = kind_state(r->kinds, &mm_kind);

	if (!s->tasks)
		s->tasks = arena_array(r->arena, struct mem_task, r->tree->nr_tasks);
	return &s->tasks[t->index];
}

cow_areas *mem_held(struct restore *r)
{
	return &((struct mem_state *)kind_state(r->kinds, &mm_kind))->held;
}

static int is_missing(const struct task *t, enum image_type type, struct err *err)
{
	char name[IMAGE_NAME_MAX];

	err_set(err, ENOENT, "cannot find %s", image_file_name(type, (unsigned long)t->pid, name));
	return err_hint(err, "copy all files of the dump");
}

static int read_mm(struct restore *r, struct task *t, struct err *err)
{
	struct mem_task *m = mem_of(r, t);
	bool found;

	if (t->state == TASK_DEAD)
		return 0;
	if (image_get_one(r->store, IMAGE_MM, (unsigned long)t->pid, r->arena, (void **)&t->mm,
			  &found, err) < 0)
		return -err->code;
	if (!found)
		return is_missing(t, IMAGE_MM, err);
	if (vma_check(t, err) < 0 || aio_check(t, err) < 0)
		return -err->code;

	if (pagemap_read(r, IMAGE_PAGEMAP, (unsigned long)t->pid, &m->pages, &found, err) < 0)
		return -err->code;
	if (!found)
		return is_missing(t, IMAGE_PAGEMAP, err);
	if (fill_check(t, m, err) < 0)
		return -err->code;
	return lazy_read(r, t, m, err);
}

static int plan_mm(struct restore *r, struct task *t, struct err *err)
{
	struct mem_task *m = mem_of(r, t);
	struct file *exe = file_by_id(r, t->mm->exe_file_id);

	if (!exe) {
		err_set(err, EBADMSG, "cannot find the executable of task %d: there is no file %u",
			t->pid, t->mm->exe_file_id);
		return err_hint(err, "see whether files.img is damaged");
	}
	m->exe = file_need(r, t, exe, O_RDONLY);
	if (vdso_plan(r, t, m, err) < 0)
		return -err->code;
	return vma_plan(r, t, m, err);
}

static int map_limits(struct restore *r, const struct task *t, const struct mem_task *m,
		      struct err *err)
{
	struct restorer_mm *out = &r->region->args->mm;
	const MmEntry *mm = t->mm;
	size_t auxv_size = mm->n_mm_saved_auxv * sizeof(uint64_t);
	struct prctl_mm_map *map = region_alloc(r->region, sizeof(*map), err);
	uint64_t *auxv = region_alloc(r->region, auxv_size + 1, err);

	if (!map || !auxv)
		return -err->code;
	memcpy(auxv, mm->mm_saved_auxv, auxv_size);
	*map = (struct prctl_mm_map){
		.start_code = mm->mm_start_code,
		.end_code = mm->mm_end_code,
		.start_data = mm->mm_start_data,
		.end_data = mm->mm_end_data,
		.start_brk = mm->mm_start_brk,
		.brk = mm->mm_brk,
		.start_stack = mm->mm_start_stack,
		.arg_start = mm->mm_arg_start,
		.arg_end = mm->mm_arg_end,
		.env_start = mm->mm_env_start,
		.env_end = mm->mm_env_end,
		.auxv = (void *)auxv,
		.auxv_size = (uint32_t)auxv_size,
		.exe_fd = (uint32_t)m->exe->fd,
	};
	out->prctl_map = (uintptr_t)map;
	out->prctl_map_size = sizeof(*map);
	return 0;
}

static int map_mm(struct restore *r, struct task *t, struct err *err)
{
	struct mem_task *m = mem_of(r, t);
	struct restorer_mm *out;

	if (region_create(r, t, m, err) < 0)
		return -err->code;
	out = &r->region->args->mm;
	out->task_size = arch_task_size();
	out->dumpable = t->mm->has_dumpable ? t->mm->dumpable : 1;
	out->thp_disabled = t->mm->has_thp_disabled && t->mm->thp_disabled;
	out->membarrier = t->core->tc->has_membarrier_registration_mask
				  ? t->core->tc->membarrier_registration_mask
				  : 0;

	if (map_limits(r, t, m, err) < 0 || vdso_map(r, m, err) < 0 || vma_map(r, t, m, err) < 0)
		return -err->code;
	if (fill_map(r, t, m, err) < 0)
		return -err->code;
	return lazy_map(r, t, err);
}

/* It must stand first among all kinds with a map: it makes the region they pack into. */
const struct task_kind mm_kind = {
	.name = "mm",
	.state_size = sizeof(struct mem_state),
	.settle = aio_settle,
	.collect = collect_mm,
	.drain = drain_mm,
	.write = write_mm,
	.dump_end = written_end,
	.pre_collect = predump_collect,
	.pre_drain = predump_drain,
	.pre_write = predump_write,
	.read_begin = lazy_read_begin,
	.read = read_mm,
	.plan = plan_mm,
	.newborn = cow_newborn,
	.map = map_mm,
	.after = lazy_after,
	.resume = lazy_resume,
	.restore_end = lazy_end,
};
