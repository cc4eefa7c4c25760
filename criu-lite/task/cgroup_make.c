/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cgroup_make - groups come into being again, as the mode of --manage-cgroups says
 *
 *	none	all must be there; nothing is changed
 *	props	all must be there; they get their properties
 *	soft	what is missing is made, and gets its properties
 *	full	what is missing is made; all get their properties
 *	strict	none may be there
 *
 * Where tasks may run (cpuset) and how a group is divided (version 2) is set
 * before tasks come into it, all else when their memory is there: that its
 * making is counted should not end them.  A property that is right is not
 * written.  Frozen groups are frozen when their tasks go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/opts.h"
#include "core/undo.h"
#include "task/cgroup.h"

static enum cgroup_mode mode_of(const struct cgroup_making *m)
{
	return m->r->opts->common.manage_cgroups;
}

/* ---- plan ---- */

const char *cgroup_name_of(struct arena *a, const CgControllerEntry *c)
{
	const char *name = c->n_cnames ? c->cnames[0] : "";

	for (size_t i = 1; i < c->n_cnames; i++)
		name = arena_printf(a, "%s,%s", name, c->cnames[i]);
	return name;
}

static int damaged(struct err *err)
{
	err_set(err, EBADMSG, "cannot use the control groups in cgroup.img");
	return err_hint(err, "the checkpoint is damaged; take it again");
}

static bool is_good_path(const char *path)
{
	const char *p = path;

	while (*p) {
		size_t n = strcspn(p, "/");

		if (n == 0 || n > 255 || (n == 1 && *p == '.') || (n == 2 && !memcmp(p, "..", 2)))
			return false;
		p += n;
		if (*p == '/' && !*++p)
			return false;
	}
	return p - path < 4096;
}

static int add_groups(struct cgroup_making *m, const char *hierarchy, const char *path,
		      const CgroupDirEntry *e, struct err *err)
{
	struct cgroup_made *g = vec_add(m->r->arena, &m->groups);

	if (!is_good_path(path))
		return damaged(err);
	for (size_t i = 0; i < e->n_properties; i++)
		if (strchr(e->properties[i]->name, '/') || !*e->properties[i]->name)
			return damaged(err);

	*g = (struct cgroup_made){ .hierarchy = hierarchy, .path = path, .entry = e };
	for (size_t i = 0; i < e->n_children; i++) {
		const char *name = e->children[i]->dir_name;

		if (!*name || strchr(name, '/') ||
		    add_groups(m, hierarchy, cgroup_join(m->r->arena, path, name), e->children[i],
			       err) < 0)
			return err->code ? -err->code : damaged(err);
	}
	return 0;
}

static int list_controller(struct cgroup_making *m, const CgControllerEntry *c, struct err *err)
{
	const char *name = cgroup_name_of(m->r->arena, c);
	const char *wanted = cgroup_root_wanted(&m->r->opts->common, name);

	for (size_t i = 0; i < c->n_dirs; i++) {
		const char *path = c->dirs[i]->dir_name;

		path += strspn(path, "/");
		if (i == 0 && wanted)
			path = wanted;
		if (add_groups(m, name, path, c->dirs[i], err) < 0)
			return -err->code;
	}
	return 0;
}

static bool is_there(int root, const char *path)
{
	struct stat st;

	return fstatat(root, *path ? path : ".", &st, 0) == 0;
}

/* A hierarchy that only has a name comes into being when it is asked for. */
static int check_hierarchy(struct cgroup_making *m, const char *name, struct err *err)
{
	if (m->roots->yard || cgroup_is_known(m->own, name) || strncmp(name, "name=", 5) == 0)
		return 0;
	err_set(err, ENODEV, "cannot restore control groups: this machine has no hierarchy of %s",
		*name ? name : "version 2");
	return err_hint(err, "leave them alone by --manage-cgroups=ignore");
}

/* Where we are ourselves nobody can ask for something new. */
static bool are_we_in(const struct cgroup_making *m, const struct cgroup_made *g)
{
	const char *own = cgroup_path_of(m->r->arena, m->own, g->hierarchy);

	return !*g->path || (own && cgroup_is_below(own, g->path));
}

static int check_group(struct cgroup_making *m, const struct cgroup_made *g, struct err *err)
{
	enum cgroup_mode mode = mode_of(m);
	int root;

	/* of a hierarchy that is gone nobody was in a group */
	if (!*g->path && !cgroup_is_known(m->own, g->hierarchy))
		return 0;
	if (check_hierarchy(m, g->hierarchy, err) < 0)
		return -err->code;
	if (mode == CGROUPS_SOFT || mode == CGROUPS_FULL)
		return 0;
	if (cgroup_root_open(m->roots, g->hierarchy, &root, err) < 0)
		return -err->code;
	if (mode == CGROUPS_STRICT && !are_we_in(m, g) && is_there(root, g->path)) {
		err_set(err, EEXIST, "cannot make control group %s:/%s, it is there already",
			g->hierarchy, g->path);
		return err_hint(err,
				"remove it, or give another --manage-cgroups mode than strict");
	}
	if (mode != CGROUPS_STRICT && !is_there(root, g->path)) {
		err_set(err, ENOENT, "cannot use control group %s:/%s, it is not there",
			g->hierarchy, g->path);
		return err_hint(err, "make it, or let us do so by --manage-cgroups=soft");
	}
	return 0;
}

/* ---- what goes again if the restore fails ---- */

/* Tasks that have just been killed are in their group until they are gone. */
static void remove_group(const void *what, pid_t maker)
{
	const struct timespec a_little = { .tv_nsec = 2000000 };
	const struct cgroup_missing *g = what;
	struct err err = { 0 };
	int root;

	if (cgroup_root_open(g->m->roots, g->hierarchy, &root, &err) < 0)
		return;
	for (int i = 0; i < 500; i++) {
		if (unlinkat(root, g->path, AT_REMOVEDIR) == 0 || errno != EBUSY)
			return;
		nanosleep(&a_little, NULL);
	}
	log_warn("cannot remove control group %s:/%s", g->hierarchy, g->path);
}

void cgroup_make_remove(struct cgroup_making *m)
{
	for (size_t i = m->missing.n; i > 0; i--)
		remove_group(m->missing.items[i - 1], 0);
}

static void note_missing(struct cgroup_making *m, int root, const char *hierarchy, const char *path)
{
	struct cgroup_missing *g;

	if (!*path || is_there(root, path))
		return;
	g = arena_new(m->r->arena, struct cgroup_missing);
	*g = (struct cgroup_missing){ m, hierarchy, path };
	*vec_add(m->r->arena, &m->missing) = g;
	undo_add(m->r, remove_group, g);
}

/* It and its ancestors, these first. */
static int plan_removal(struct cgroup_making *m, const struct cgroup_made *g, struct err *err)
{
	struct arena *a = m->r->arena;
	int root;

	if (!*g->path || mode_of(m) == CGROUPS_NONE || mode_of(m) == CGROUPS_PROPS)
		return 0;
	if (cgroup_root_open(m->roots, g->hierarchy, &root, err) < 0)
		return -err->code;
	for (const char *p = strchr(g->path, '/'); p; p = strchr(p + 1, '/'))
		note_missing(m, root, g->hierarchy,
			     arena_printf(a, "%.*s", (int)(p - g->path), g->path));
	note_missing(m, root, g->hierarchy, g->path);
	return 0;
}

int cgroup_make_plan(struct cgroup_making *m, const CgroupEntry *image, struct err *err)
{
	struct cgroup_made *g;

	for (size_t i = 0; i < image->n_controllers; i++)
		if (list_controller(m, image->controllers[i], err) < 0)
			return -err->code;
	vec_for_each(g, &m->groups)
		if (check_group(m, g, err) < 0 || plan_removal(m, g, err) < 0)
			return -err->code;
	return 0;
}

/* ---- making ---- */

/* Nobody can be in a new cpuset before it has CPUs and memory: those of the one around it. */
static void fill_cpuset(struct arena *a, int root, const char *path)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	struct err ignored;
	scoped_fd group = cgroup_open(root, path, &ignored);

	for (size_t i = 0; group >= 0 && i < 2; i++) {
		const char *own = cgroup_read(a, group, files[i]);
		const char *around = cgroup_read(a, group, arena_printf(a, "../%s", files[i]));

		if (own && !*own && around && *around)
			cgroup_write(group, files[i], around);
	}
}

static int make_one(struct cgroup_making *m, const char *hierarchy, const char *path, int root,
		    bool *created_ret, struct err *err)
{
	*created_ret = mkdirat(root, path, 0755) == 0;
	if (!*created_ret && errno != EEXIST)
		return err_sys(err, "cannot make control group %s:/%s", hierarchy, path);
	if (*created_ret && strstr(hierarchy, "cpuset"))
		fill_cpuset(m->r->arena, root, path);
	return 0;
}

/* With its ancestors, which are not in the image when they are above --cgroup-root. */
static int make_group(struct cgroup_making *m, struct cgroup_made *g, int root, struct err *err)
{
	char *path = arena_strdup(m->r->arena, g->path);
	bool ignored;

	for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (make_one(m, g->hierarchy, path, root, &ignored, err) < 0)
			return -err->code;
		*p = '/';
	}
	return make_one(m, g->hierarchy, path, root, &g->created, err);
}

static bool wants_props(const struct cgroup_making *m, const struct cgroup_made *g)
{
	switch (mode_of(m)) {
	case CGROUPS_PROPS:
	case CGROUPS_FULL:
	case CGROUPS_STRICT:
		return true;
	case CGROUPS_SOFT:
		return g->created;
	default:
		return false;
	}
}

/* ---- properties ---- */

enum when { BEFORE, AFTER, LAST };

static enum when when_of(const char *name)
{
	if (strcmp(name, "freezer.state") == 0 || strcmp(name, "cgroup.freeze") == 0)
		return LAST;
	if (strncmp(name, "cpuset.", 7) == 0 || strcmp(name, "cgroup.type") == 0 ||
	    strcmp(name, "cgroup.subtree_control") == 0 ||
	    strcmp(name, "cgroup.clone_children") == 0)
		return BEFORE;
	return AFTER;
}

static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (strncmp(text, line, n) == 0 && (text[n] == '\n' || !text[n]))
			return true;
	}
	return false;
}

/* What has several lines takes one at a time. */
static int write_lines(struct arena *a, int group, const char *file, const char *value,
		       const char *now)
{
	char *rest = arena_strdup(a, value), *line;
	int ret = 0;

	while ((line = strsep(&rest, "\n")) && ret == 0)
		if (*line && !has_line(now, line))
			ret = cgroup_write(group, file, line);
	return ret;
}

static int write_devices(struct arena *a, int group, const char *value)
{
	int ret = cgroup_write(group, "devices.deny", "a");

	return ret < 0 ? ret : write_lines(a, group, "devices.allow", value, NULL);
}

/* "pids memory" is shown, "+pids +memory" is what makes it so. */
static int write_subtree(struct arena *a, int group, const char *value)
{
	char *rest = arena_strdup(a, value), *one;
	int ret = 0;

	while ((one = strsep(&rest, " ")) && ret == 0)
		if (*one)
			ret = cgroup_write(group, "cgroup.subtree_control",
					   arena_printf(a, "+%s", one));
	return ret;
}

static int write_prop(struct arena *a, int group, const CgroupPropEntry *p)
{
	const char *now = cgroup_read(a, group, p->name);

	if (now && strcmp(p->name, "memory.oom_control") == 0 && strlen(now) > 17)
		now = arena_printf(a, "%c", now[17]);
	if (now && strcmp(now, p->value) == 0)
		return 0;
	if (strcmp(p->name, "devices.list") == 0)
		return write_devices(a, group, p->value);
	if (strcmp(p->name, "cgroup.subtree_control") == 0)
		return write_subtree(a, group, p->value);
	/* the others follow from what is around */
	if (strcmp(p->name, "cgroup.type") == 0 && strcmp(p->value, "threaded") != 0)
		return 0;
	return strchr(p->value, '\n') ? write_lines(a, group, p->name, p->value, now)
				      : cgroup_write(group, p->name, p->value);
}

static int set_perms(int dir, const char *file, const CgroupPerms *p)
{
	struct stat st;

	if (!p || fstatat(dir, file, &st, 0) < 0)
		return 0;
	if ((st.st_uid != p->uid || st.st_gid != p->gid) &&
	    fchownat(dir, file, p->uid, p->gid, 0) < 0)
		return -errno;
	if ((st.st_mode & 07777) != (p->mode & 07777) &&
	    fchmodat(dir, file, p->mode & 07777, 0) < 0)
		return -errno;
	return 0;
}

static int prop_failed(const struct cgroup_made *g, const CgroupPropEntry *p, int code,
		       struct err *err)
{
	err_set(err, -code, "cannot set %s of control group %s:/%s to \"%s\"", p->name,
		g->hierarchy, g->path, p->value);
	return err_hint(err, "restore without properties: --manage-cgroups=none, or ignore");
}

/*
 * Limits that depend on each other may have to be set in another order than
 * they stand in: what fails at first is tried again when all others are set.
 */
static int set_props(struct cgroup_making *m, const struct cgroup_made *g, int group,
		     enum when when, struct err *err)
{
	const CgroupPropEntry *failed = NULL;
	int code = 0, ret;

	for (int round = 0; round < 3 && (round == 0 || failed); round++) {
		failed = NULL;
		for (size_t i = 0; i < g->entry->n_properties; i++) {
			const CgroupPropEntry *p = g->entry->properties[i];

			if (when_of(p->name) != when || !*p->value)
				continue;
			ret = write_prop(m->r->arena, group, p);
			/* CPUs and memory that are not here, or a file of a younger kernel */
			if (ret == -ENOENT)
				log_warn("control group %s:/%s: there is no %s here", g->hierarchy,
					 g->path, p->name);
			else if (ret < 0 && !failed) {
				failed = p;
				code = ret;
			}
		}
	}
	return failed ? prop_failed(g, failed, code, err) : 0;
}

static int set_all_perms(const struct cgroup_made *g, int group, struct err *err)
{
	int ret = set_perms(group, ".", g->entry->dir_perms);

	for (size_t i = 0; ret == 0 && i < g->entry->n_properties; i++)
		ret = set_perms(group, g->entry->properties[i]->name,
				g->entry->properties[i]->perms);
	if (ret == 0)
		return 0;
	return err_set(err, -ret, "cannot set the owner and mode of control group %s:/%s",
		       g->hierarchy, g->path);
}

static int set_group(struct cgroup_making *m, const struct cgroup_made *g, enum when when,
		     struct err *err)
{
	int root;

	if (!*g->path || !wants_props(m, g))
		return 0;
	if (cgroup_root_open(m->roots, g->hierarchy, &root, err) < 0)
		return -err->code;

	scoped_fd group = cgroup_open(root, g->path, err);
	if (group < 0 || set_props(m, g, group, when, err) < 0)
		return -err->code;
	return when == AFTER ? set_all_perms(g, group, err) : 0;
}

int cgroup_make_before(struct cgroup_making *m, struct err *err)
{
	enum cgroup_mode mode = mode_of(m);
	struct cgroup_made *g;
	int root;

	vec_for_each(g, &m->groups) {
		if (!*g->path)
			continue;
		if (cgroup_root_open(m->roots, g->hierarchy, &root, err) < 0 ||
		    (mode != CGROUPS_NONE && mode != CGROUPS_PROPS &&
		     make_group(m, g, root, err) < 0) ||
		    set_group(m, g, BEFORE, err) < 0)
			return -err->code;
	}
	return 0;
}

/* Limits of what is inside come before those of what is around it. */
int cgroup_make_after(struct cgroup_making *m, struct err *err)
{
	for (size_t i = m->groups.n; i > 0; i--)
		if (set_group(m, &m->groups.items[i - 1], AFTER, err) < 0)
			return -err->code;
	return 0;
}

void cgroup_make_end(struct cgroup_making *m)
{
	struct err err = { 0 };

	for (size_t i = m->groups.n; i > 0; i--)
		if (set_group(m, &m->groups.items[i - 1], LAST, &err) < 0)
			log_warn("%s: %s", err.what, err.why);
}
