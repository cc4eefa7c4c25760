/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TASK_CGROUP_H
#define TASK_CGROUP_H

/*
 * Private to cgroup.c and cgroup_*.c: hierarchies of control groups, and what
 * of them is in cgroup.img.  A hierarchy has the name that /proc/PID/cgroup has
 * for it: "cpu,cpuacct", "name=systemd", "" for version 2.  Paths of groups
 * have no slash in front: "" is the root.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "base/vec.h"
#include "core/context.h"
#include "images/cgroup.pb-c.h"

struct cgroup_root {
	const char *name;
	int dir;
};

struct cgroup_roots {
	struct arena *arena;
	const char *yard; /* --cgroup-yard */
	vec(struct cgroup_root) list;
};

static inline bool cgroup_is_v2(const char *name)
{
	return !*name;
}

/* ---- cgroup_fs.c ---- */

/* The root directory of a hierarchy, kept open until cgroup_roots_fini(). */
int cgroup_root_open(struct cgroup_roots *roots, const char *name, int *dir_ret, struct err *err);
void cgroup_roots_fini(struct cgroup_roots *roots);

/* Is this hierarchy there?  @own is the text of /proc/self/cgroup. */
bool cgroup_is_known(const char *own, const char *name);

/* The path of one hierarchy in such a text, or NULL. */
const char *cgroup_path_of(struct arena *a, const char *text, const char *name);

/* Is @path the same as @top, or below it? */
bool cgroup_is_below(const char *path, const char *top);
const char *cgroup_join(struct arena *a, const char *path, const char *name);

/* A group as O_PATH; -ENOENT (with @err) if it is not there. */
int cgroup_open(int root, const char *path, struct err *err);

/* The text of one of its files without the last newline; NULL if it cannot be read. */
char *cgroup_read(struct arena *a, int group, const char *file);

/* Returns a negative errno, and fills nothing. */
int cgroup_write(int group, const char *file, const char *value);

/* What the user asked for by --cgroup-root for this hierarchy, or NULL. */
const char *cgroup_root_wanted(const struct common_opts *o, const char *name);

/* ---- cgroup_props.c ---- */

struct cgroup_props;

/* The tables of properties, as --cgroup-props and --cgroup-props-file change them. */
int cgroup_props_new(struct arena *a, const struct dump_opts *o, struct cgroup_props **ret,
		     struct err *err);

/* The names for one controller, ended by NULL; NULL: none.  "global", "global_v2": of all. */
const char *const *cgroup_props_of(const struct cgroup_props *props, const char *controller);

/* ---- cgroup_dump.c ---- */

/* The record of one hierarchy: the groups at and below each of @tops. */
int cgroup_dump_controller(struct dump *d, struct cgroup_roots *roots,
			   const struct cgroup_props *props, const char *name,
			   const char *const *tops, size_t nr_tops, CgControllerEntry **ret,
			   struct err *err);

/* ---- cgroup_make.c ---- */

/* A group that restore looks after. */
struct cgroup_made {
	const char *hierarchy, *path;
	const CgroupDirEntry *entry;
	bool created;
};

/* A group that is not there at plan, and so is made by us. */
struct cgroup_missing {
	struct cgroup_making *m;
	const char *hierarchy, *path;
};

struct cgroup_making {
	struct restore *r;
	struct cgroup_roots *roots;
	const char *own; /* /proc/self/cgroup */
	vec(struct cgroup_made) groups;
	vec(const struct cgroup_missing *) missing;
};

/* The name of the hierarchy of a record: its controllers, joined by commas. */
const char *cgroup_name_of(struct arena *a, const CgControllerEntry *c);

/* Plan: list the groups of the image, with --cgroup-root applied; refuse what the mode does. */
int cgroup_make_plan(struct cgroup_making *m, const CgroupEntry *image, struct err *err);
/* Create what is missing, and set what must be set before tasks are inside. */
int cgroup_make_before(struct cgroup_making *m, struct err *err);
/* The other properties, owners and modes. */
int cgroup_make_after(struct cgroup_making *m, struct err *err);
/* The tasks run: freeze what was frozen. */
void cgroup_make_end(struct cgroup_making *m);
/* They do not: remove what was not there before. */
void cgroup_make_remove(struct cgroup_making *m);

#endif
