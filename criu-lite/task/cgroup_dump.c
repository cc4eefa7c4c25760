/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cgroup_dump - groups with their properties, owners and modes, as records
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/freezer.h"
#include "core/kind.h"
#include "task/cgroup.h"

struct dumping {
	struct dump *d;
	const struct cgroup_props *props;
	const char *name; /* of the hierarchy */
	CgControllerEntry *controller;
};

static CgroupPerms *perms_of(struct dump *d, const struct stat *st)
{
	CgroupPerms *p = record_new(d, cgroup_perms);

	p->mode = st->st_mode;
	p->uid = st->st_uid;
	p->gid = st->st_gid;
	return p;
}

/* Files that say what is inside; only who may write there is kept. */
static bool is_list_of_tasks(const char *file)
{
	return strcmp(file, "cgroup.procs") == 0 || strcmp(file, "tasks") == 0 ||
	       strcmp(file, "cgroup.threads") == 0;
}

/* What is written to have it so, NULL: nothing can be said. */
static char *value_of(struct dump *d, int group, const char *file)
{
	struct arena *a = d->arena;
	char *text;

	if (is_list_of_tasks(file))
		return arena_strdup(a, "");
	if (strcmp(file, "freezer.state") == 0) {
		/* of itself, not because of a group above it, or of us */
		text = cgroup_read(a, group, "freezer.self_freezing");
		if (!text)
			return NULL;
		if (freezer_is(d, group))
			return arena_strdup(a, freezer_was_frozen(d) ? "FROZEN" : "THAWED");
		return arena_strdup(a, *text == '1' ? "FROZEN" : "THAWED");
	}
	if (strcmp(file, "cgroup.freeze") == 0 && freezer_is(d, group))
		return arena_strdup(a, freezer_was_frozen(d) ? "1" : "0");

	text = cgroup_read(a, group, file);
	if (text && strcmp(file, "memory.oom_control") == 0 &&
	    strncmp(text, "oom_kill_disable ", 17) == 0)
		return arena_printf(a, "%c", text[17]);
	return text;
}

static void add_props(struct dumping *x, int group, const char *const *names, CgroupDirEntry *e)
{
	vec(CgroupPropEntry *) list = { e->properties, e->n_properties, e->n_properties };
	struct dump *d = x->d;

	for (; names && *names; names++) {
		struct stat st;
		CgroupPropEntry *p;
		char *value;

		if (fstatat(group, *names, &st, 0) < 0)
			continue;
		value = value_of(d, group, *names);
		if (!value)
			continue;
		p = record_new(d, cgroup_prop_entry);
		p->name = arena_strdup(d->arena, *names);
		p->value = value;
		p->perms = perms_of(d, &st);
		*vec_add(d->arena, &list) = p;
	}
	e->properties = list.items;
	e->n_properties = list.n;
}

static void note_threaded(struct dumping *x, const CgroupDirEntry *e)
{
	for (size_t i = 0; i < e->n_properties; i++)
		if (strcmp(e->properties[i]->name, "cgroup.type") == 0 &&
		    strcmp(e->properties[i]->value, "threaded") == 0)
			x->controller->has_is_threaded = x->controller->is_threaded = true;
}

/* Version 2 has the files of all its controllers in one group. */
static void add_all_props(struct dumping *x, int group, CgroupDirEntry *e)
{
	char *rest, *one;

	if (cgroup_is_v2(x->name)) {
		add_props(x, group, cgroup_props_of(x->props, "global_v2"), e);
		rest = cgroup_read(x->d->arena, group, "cgroup.controllers");
	} else {
		add_props(x, group, cgroup_props_of(x->props, "global"), e);
		rest = arena_strdup(x->d->arena, x->name);
	}
	while ((one = strsep(&rest, ", ")))
		add_props(x, group, cgroup_props_of(x->props, one), e);
	note_threaded(x, e);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

typedef vec(char *) name_list;

static int list_children(struct dump *d, int group, name_list *ret, struct err *err)
{
	scoped_fd fd = openat(group, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir)
		return err_sys(err, "cannot list a control group");
	take_fd(&fd);
	while ((e = readdir(dir)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			*vec_add(d->arena, ret) = arena_strdup(d->arena, e->d_name);
	closedir(dir);
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(ret->items[0]), compare_names);
	return 0;
}

static int dump_group(struct dumping *x, int group, const char *name, CgroupDirEntry **ret,
		      struct err *err);

static int dump_children(struct dumping *x, int group, CgroupDirEntry *e, struct err *err)
{
	name_list names = { 0 };
	char **name;

	if (list_children(x->d, group, &names, err) < 0)
		return -err->code;
	e->children = arena_array(x->d->arena, CgroupDirEntry *, names.n);
	vec_for_each(name, &names) {
		scoped_fd child = openat(group, *name, O_PATH | O_DIRECTORY | O_CLOEXEC);

		/* somebody else has removed it */
		if (child < 0 && errno == ENOENT)
			continue;
		if (child < 0)
			return err_sys(err, "cannot open control group %s", *name);
		if (dump_group(x, child, *name, &e->children[e->n_children], err) < 0)
			return -err->code;
		e->n_children++;
	}
	return 0;
}

static int dump_group(struct dumping *x, int group, const char *name, CgroupDirEntry **ret,
		      struct err *err)
{
	CgroupDirEntry *e = record_new(x->d, cgroup_dir_entry);
	struct stat st;

	if (fstat(group, &st) < 0)
		return err_sys(err, "cannot look at control group %s", name);
	e->dir_name = arena_strdup(x->d->arena, name);
	e->dir_perms = perms_of(x->d, &st);
	add_all_props(x, group, e);
	*ret = e;
	return dump_children(x, group, e, err);
}

/* The root of a hierarchy belongs to the machine: only its name is of interest. */
static int dump_top(struct dumping *x, struct cgroup_roots *roots, const char *top,
		    CgroupDirEntry **ret, struct err *err)
{
	int root;

	if (!*top) {
		*ret = record_new(x->d, cgroup_dir_entry);
		(*ret)->dir_name = arena_strdup(x->d->arena, "");
		return 0;
	}
	if (cgroup_root_open(roots, x->name, &root, err) < 0)
		return -err->code;

	scoped_fd group = cgroup_open(root, top, err);
	return group < 0 ? group : dump_group(x, group, top, ret, err);
}

static void name_controllers(struct dump *d, const char *name, CgControllerEntry *c)
{
	char *rest = arena_strdup(d->arena, name);
	size_t max = 1;

	for (const char *p = name; *p; p++)
		max += *p == ',';
	c->cnames = arena_array(d->arena, char *, max);
	while (rest)
		c->cnames[c->n_cnames++] = strsep(&rest, ",");
}

int cgroup_dump_controller(struct dump *d, struct cgroup_roots *roots,
			   const struct cgroup_props *props, const char *name,
			   const char *const *tops, size_t nr_tops, CgControllerEntry **ret,
			   struct err *err)
{
	struct dumping x = { .d = d, .props = props, .name = name };

	x.controller = record_new(d, cg_controller_entry);
	name_controllers(d, name, x.controller);
	x.controller->dirs = arena_array(d->arena, CgroupDirEntry *, nr_tops);
	for (size_t i = 0; i < nr_tops; i++) {
		if (dump_top(&x, roots, tops[i], &x.controller->dirs[i], err) < 0)
			return err_in(err, "control groups %s", *name ? name : "of version 2");
		x.controller->n_dirs++;
	}
	*ret = x.controller;
	return 0;
}
