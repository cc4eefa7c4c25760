/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * file (read and plan) - who opens what, and in which order
 *
 * A file has one owner, the first task in tree order that uses it; files that
 * must be made together (both ends of a pipe) are joined and follow the first
 * of them.  Levels say which files wait for which others, over all tasks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/inject.h"
#include "core/files.h"
#include "core/record.h"
#include "core/sock_ns.h"

enum { NOT_OPEN = -1 };

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = (*(struct file *const *)a)->id, y = (*(struct file *const *)b)->id;

	return x < y ? -1 : x > y;
}

struct file *file_by_id(struct restore *r, uint32_t id)
{
	struct file key = { .id = id }, *k = &key, **found;

	found = bsearch(&k, r->files->by_id, r->files->nr, sizeof(k), compare_ids);
	return found ? *found : NULL;
}

static int add_file(struct restore *r, FileEntry *fe, struct err *err)
{
	struct file *f = arena_new(r->arena, struct file);
	uint32_t *inner;

	f->id = fe->id;
	f->image = fe;
	f->group = f;
	f->temp = NOT_OPEN;
	f->kind = kind_of_type(r->kinds, fe->type);
	if (!f->kind) {
		err_set(err, EOPNOTSUPP, "cannot restore file %u: files of type %u are unknown",
			fe->id, fe->type);
		return err_hint(err, "this version cannot restore them yet");
	}
	inner = record_id(fe);
	if (!record_of_file(fe) || (inner && *inner != fe->id)) {
		err_set(err, EBADMSG,
			"cannot restore file %u (%s): its record in files.img is damaged", fe->id,
			f->kind->name);
		return err_hint(err,
				"the checkpoint is damaged or was not finished; take it again");
	}
	list_add_tail(&r->files->list, &f->link);
	r->files->nr++;
	return 0;
}

/* A tun file has its name, flags and owner in a record of type REG with the same id. */
static bool tells_of(const struct file *name, const struct file *f)
{
	return name->image->type == FD_TYPES__REG && f->image->type == FD_TYPES__TUNF;
}

/* The second record of an id: false, it must not be there. */
static bool join_record(struct file **first, struct file *second)
{
	if (tells_of(second, *first)) {
		(*first)->status = second->image;
		return true;
	}
	if (!tells_of(*first, second))
		return false;
	second->status = (*first)->image;
	*first = second;
	return true;
}

static int sort_files(struct restore *r, struct err *err)
{
	struct files *files = r->files;
	size_t i = 0, n = 0;
	struct file *f;

	files->by_id = arena_array(r->arena, struct file *, files->nr + 1);
	for_each_file(f, files)
		files->by_id[i++] = f;
	qsort(files->by_id, files->nr, sizeof(f), compare_ids);

	for (i = 0; i < files->nr; i++) {
		f = files->by_id[i];
		if (!n || files->by_id[n - 1]->id != f->id)
			files->by_id[n++] = f;
		else if (!join_record(&files->by_id[n - 1], f))
			return err_set(err, EBADMSG, "cannot restore: files.img has two files %u",
				       f->id);
	}
	files->nr = n;
	list_init(&files->list);
	for (i = 0; i < n; i++) {
		files->by_id[i]->slot = (uint32_t)i;
		list_add_tail(&files->list, &files->by_id[i]->link);
	}
	return 0;
}

int files_read(struct restore *r, struct err *err)
{
	const struct file_kind *const *k;
	scoped_image *img = NULL;
	struct file *f;
	bool found;
	void *fe;
	int ret;

	if (image_open(r->store, IMAGE_FILES, 0, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found) {
		err_set(err, ENOENT, "cannot read files.img: there is no such image");
		return err_hint(err,
				"the checkpoint is damaged or was not finished; take it again");
	}
	while ((ret = image_get(img, &file_entry__descriptor, &fe, err)) > 0)
		if (add_file(r, fe, err) < 0)
			return -err->code;
	if (ret < 0 || sort_files(r, err) < 0)
		return -err->code;

	for (k = kinds_index(r->kinds)->files; *k; k++)
		if ((*k)->read_begin && (inject_point(err, "read_begin:%s", (*k)->name) < 0 ||
					 (*k)->read_begin(r, err) < 0))
			return err_in(err, "%s", (*k)->name);
	for_each_file(f, r->files)
		if (sock_ns_read(r, f, err) < 0)
			return err_in(err, "%s %u", f->kind->name, f->id);
	for_each_file(f, r->files)
		if (f->kind->read && (inject_point(err, "read:%s", f->kind->name) < 0 ||
				      f->kind->read(r, f, err) < 0))
			return err_in(err, "%s %u", f->kind->name, f->id);
	return 0;
}

struct fdtable *fdtable_of(struct arena *a, struct files *files, const struct tree *tree,
			   struct task *t)
{
	size_t max = tree->nr_tasks * 2, i = (t->ids->files_id * 2654435761u) % max;

	if (!files->tables)
		files->tables = arena_array(a, struct fdtable *, max);
	while (files->tables[i] && files->tables[i]->id != t->ids->files_id)
		i = (i + 1) % max;
	if (!files->tables[i]) {
		files->tables[i] = arena_new(a, struct fdtable);
		files->tables[i]->id = t->ids->files_id;
		files->tables[i]->task = t;
	}
	return files->tables[i];
}

int fdtable_read(struct restore *r, struct task *t, struct err *err)
{
	scoped_image *img = NULL;
	bool found;
	void *msg;
	int ret, last = -1;

	t->fdtable = fdtable_of(r->arena, r->files, r->tree, t);
	if (t->fdtable->task != t)
		return 0;
	if (image_open(r->store, IMAGE_FDINFO, t->ids->files_id, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;

	while ((ret = image_get(img, &fdinfo_entry__descriptor, &msg, err)) > 0) {
		const FdinfoEntry *e = msg;
		struct file *f = file_by_id(r, e->id);

		if (!f || f->kind->type != e->type)
			return err_set(
				err, EBADMSG,
				"cannot restore descriptor %u of task %d: no file %u of type %u",
				e->fd, t->pid, e->id, e->type);
		if ((int)e->fd <= last || e->fd > 1u << 20)
			return err_set(err, EBADMSG,
				       "cannot restore descriptor %u of task %d: %s is damaged",
				       e->fd, t->pid, image_name(img));
		last = (int)e->fd;
		*vec_add(r->arena, &t->fdtable->entries) =
			(struct fdtable_entry){ .fd = last, .cloexec = e->flags & 1, .file = f };
	}
	return ret;
}

struct fdtable_entry *fdtable_find(const struct fdtable *t, int fd)
{
	size_t lo = 0, hi = t->entries.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->entries.items[mid].fd == fd)
			return &t->entries.items[mid];
		if (t->entries.items[mid].fd < fd)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* ---- plan ---- */

static struct file *group_of(struct file *f)
{
	while (f->group != f) {
		f->group = f->group->group;
		f = f->group;
	}
	return f;
}

static void use_file(struct file *f, struct task *t)
{
	struct file *g = group_of(f);

	if (!g->owner || t->index < g->owner->index)
		g->owner = t;
}

bool file_is_used(struct file *f)
{
	return group_of(f)->owner;
}

void file_join(struct file *a, struct file *b)
{
	struct file *x = group_of(a), *y = group_of(b);

	if (x == y)
		return;
	y->group = x;
	if (!x->maker)
		x->maker = y->maker;
	if (y->owner)
		use_file(x, y->owner);
}

/* Descriptors are opened by the first task of a table only. */
void file_maker(struct file *f, struct task *t)
{
	if (t->state != TASK_DEAD && t->fdtable && t->fdtable->task == t)
		group_of(f)->maker = t;
}

struct file_need *file_need(struct restore *r, struct task *t, struct file *f, int flags)
{
	struct file_need *need = arena_new(r->arena, struct file_need);

	*need = (struct file_need){ .file = f, .flags = flags, .fd = -1 };
	*vec_add(r->arena, &t->needs) = need;
	use_file(f, t);
	return need;
}

void file_after(struct restore *r, struct file *f, struct file *first)
{
	*vec_add(r->arena, &f->after) = first;
}

enum { LEVEL_UNKNOWN = 0, LEVEL_PENDING = ~0u };

/* level 0 means "not yet known" here; files_plan() takes one off at the end */
static int find_level(struct file *f, struct err *err)
{
	unsigned int level = 1;
	struct file **first;

	if (f->level == LEVEL_PENDING)
		return err_set(err, EDEADLK, "cannot restore file %u (%s): it waits for itself",
			       f->id, f->kind->name);
	if (f->level != LEVEL_UNKNOWN)
		return 0;

	f->level = LEVEL_PENDING;
	vec_for_each(first, &f->after) {
		if (find_level(*first, err) < 0)
			return -err->code;
		if ((*first)->level >= level)
			level = (*first)->level + 1;
	}
	f->level = level;
	return 0;
}

static int plan_levels(struct restore *r, struct err *err)
{
	struct file *f;

	for_each_file(f, r->files)
		if (find_level(f, err) < 0)
			return -err->code;
	for_each_file(f, r->files) {
		f->level--;
		if (f->level >= r->files->nr_levels)
			r->files->nr_levels = f->level + 1;
		r->files->has_links |= f->kind->link != NULL;
	}
	return 0;
}

int files_plan(struct restore *r, struct err *err)
{
	struct fdtable_entry *e;
	struct task *t;
	struct file *f;

	for_each_alive(t, r->tree) vec_for_each(e, &t->fdtable->entries) use_file(e->file, t);

	for_each_file(f, r->files)
		if (f->kind->plan && (inject_point(err, "plan:%s", f->kind->name) < 0 ||
				      f->kind->plan(r, f, err) < 0))
			return err_in(err, "%s %u", f->kind->name, f->id);

	for_each_file(f, r->files) {
		f->owner = group_of(f)->owner;
		if (f->owner && group_of(f)->maker)
			f->owner = group_of(f)->maker;
		if (f->owner)
			*vec_add(r->arena, &f->owner->owned) = f;
	}
	return plan_levels(r, err);
}

int files_after(struct restore *r, struct err *err)
{
	const struct file_kind *const *k;

	for (k = kinds_index(r->kinds)->files; *k; k++)
		if ((*k)->after &&
		    (inject_point(err, "after:%s", (*k)->name) < 0 || (*k)->after(r, err) < 0))
			return err_in(err, "%s", (*k)->name);
	return 0;
}
