/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cgroup - which control groups tasks and threads are in, and these groups
 *
 * collect   the groups of each thread; what is the same for several is a set
 * write_end cgroup.img: the sets, and the groups at and below those of the
 *	     root task with their properties.  If all tasks are where we are
 *	     there is none
 * plan      --cgroup-root is applied; what the mode of --manage-cgroups forbids
 *	     is refused
 * prepare   groups are made. A cgroup namespace has as its roots the groups in
 *	     which who makes it is, so the coordinator enters these
 * fork      each task enters its own before it has children, who inherit that
 * after     properties are set
 * resume    threads that are elsewhere go there
 *
 * In a user namespace nobody may open the files of groups, so the doors to them
 * are opened before.
 *
 * Nothing of this is done with --manage-cgroups=ignore.
 *
 * not kept  what groups have counted; groups that are below the root of a
 *	     hierarchy, where the root task is, but have no task of the tree
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "core/kind.h"
#include "core/ns.h"
#include "core/outside.h"
#include "task/cgroup.h"

/* cgroup.procs, open for writing. */
struct door {
	const char *hierarchy, *path;
	int fd;
};

/* The groups of a thread: one in each hierarchy. */
struct set {
	const char *text; /* dump: as in /proc/PID/cgroup */
	CgSetEntry *entry;
};

struct state {
	struct cgroup_roots roots;
	vec(struct set) sets;
	size_t last; /* of those, the one that was found last */

	/* restore */
	const CgroupEntry *image;
	struct cgroup_making making;
	bool planned, moved;
	const CgSetEntry *in; /* the one we are in, NULL: where the coordinator was */
	vec(struct door) doors;
};

extern const struct task_kind cgroup_kind;

static bool is_ignored(const struct common_opts *o)
{
	return o->manage_cgroups == CGROUPS_IGNORE;
}

static const char *const too_far = "leave control groups alone by --manage-cgroups=ignore";

/* ---- dump ---- */

/* --cgroup-dump-controller: only these. */
static bool is_wanted(const struct dump_opts *o, const char *name)
{
	const char *const *one;

	if (!o->cgroup_controllers.n)
		return true;
	vec_for_each(one, &o->cgroup_controllers) {
		size_t n = strlen(*one);
		const char *p = strstr(name, *one);

		if (p && (p == name || p[-1] == ',') && (p[n] == ',' || !p[n]))
			return true;
	}
	return false;
}

static int bad_text(struct err *err)
{
	return err_set(err, EPROTO, "cannot understand /proc/PID/cgroup");
}

/* "8:pids:/a/b" */
static int add_member(struct dump *d, CgSetEntry *e, struct text line, struct err *err)
{
	const char *name = memchr(line.p, ':', (size_t)(line.end - line.p)), *path;
	CgMemberEntry *m;

	path = name ? memchr(name + 1, ':', (size_t)(line.end - name - 1)) : NULL;
	if (!path || path + 1 >= line.end)
		return bad_text(err);
	m = record_new(d, cg_member_entry);
	m->name = arena_printf(d->arena, "%.*s", (int)(path - name - 1), name + 1);
	m->path = arena_printf(d->arena, "%.*s", (int)(line.end - path - 1), path + 1);
	if (m->path[0] != '/' || strncmp(m->path, "/..", 3) == 0) {
		err_set(err, EOPNOTSUPP, "its control group %s:%s is outside of what we can see",
			m->name, m->path);
		return err_hint(err, "%s", too_far);
	}
	if (is_wanted(d->opts, m->name))
		e->ctls[e->n_ctls++] = m;
	return 0;
}

static int compare_members(const void *a, const void *b)
{
	return strcmp((*(CgMemberEntry *const *)a)->name, (*(CgMemberEntry *const *)b)->name);
}

static int set_new(struct dump *d, struct state *s, const char *text, CgSetEntry **ret,
		   struct err *err)
{
	struct text t = text_of(text, strlen(text)), line;
	CgSetEntry *e = record_new(d, cg_set_entry);
	struct set *set;
	size_t max = 0;

	for (const char *p = text; *p; p++)
		max += *p == '\n';
	e->ctls = arena_array(d->arena, CgMemberEntry *, max + 1);
	while (text_line(&t, &line))
		if (add_member(d, e, line, err) < 0)
			return -err->code;
	if (e->n_ctls)
		qsort(e->ctls, e->n_ctls, sizeof(e->ctls[0]), compare_members);

	set = vec_add(d->arena, &s->sets);
	set->text = text;
	set->entry = e;
	e->id = (uint32_t)s->sets.n;
	*ret = e;
	return 0;
}

static int find_set(struct dump *d, struct state *s, const char *text, CgSetEntry **ret,
		    struct err *err)
{
	for (s->last = 0; s->last < s->sets.n; s->last++)
		if (strcmp(s->sets.items[s->last].text, text) == 0) {
			*ret = s->sets.items[s->last].entry;
			return 0;
		}
	return set_new(d, s, text, ret, err);
}

/* Of thousands of threads, most say the same as the one before: that costs no memory. */
static bool says_the_same(struct dump *d, const char *proc_path, const struct set *last)
{
	char buf[4096];
	scoped_fd fd = openat(d->proc, proc_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	return n > 0 && (size_t)n < sizeof(buf) && strlen(last->text) == (size_t)n &&
	       memcmp(buf, last->text, (size_t)n) == 0;
}

static int set_of(struct dump *d, struct state *s, const char *proc_path, CgSetEntry **ret,
		  struct err *err)
{
	char *text;

	if (s->sets.n && says_the_same(d, proc_path, &s->sets.items[s->last])) {
		*ret = s->sets.items[s->last].entry;
		return 0;
	}
	if (proc_slurp(d->proc, proc_path, d->arena, &text, NULL, err) < 0)
		return -err->code;
	return find_set(d, s, text, ret, err);
}

/* What the task is in comes first, as the root's is the first of all. */
static int collect_cgroup(struct dump *d, struct task *t, struct err *err)
{
	struct state *s = kind_state(d->kinds, &cgroup_kind);
	CgSetEntry *own, *of_thread;
	char path[64];

	if (t->state == TASK_DEAD || is_ignored(&d->opts->common))
		return 0;
	snprintf(path, sizeof(path), "%d/cgroup", t->host_alive);
	if (set_of(d, s, path, &own, err) < 0)
		return -err->code;
	t->core->tc->has_cg_set = true;
	t->core->tc->cg_set = own->id;

	for (size_t i = 0; i < t->nr_threads; i++) {
		struct thread *th = &t->threads[i];

		snprintf(path, sizeof(path), "%d/task/%d/cgroup", t->host_pid, th->host_tid);
		if (set_of(d, s, path, &of_thread, err) < 0)
			return err_in(err, "thread %d", th->host_tid);
		th->core->thread_core->has_cg_set = true;
		th->core->thread_core->cg_set = of_thread->id;
	}
	return 0;
}

typedef vec(const char *) path_list;

/* The highest of all that the tree is in; the first is that of the root task, or what the user says. */
static int find_tops(struct dump *d, struct state *s, size_t ctl, path_list *tops, struct err *err)
{
	const CgMemberEntry *first = s->sets.items[0].entry->ctls[ctl];
	const char *wanted = cgroup_root_wanted(&d->opts->common, first->name);

	if (wanted && !cgroup_is_below(first->path + 1, wanted)) {
		err_set(err, EINVAL, "cannot use --cgroup-root /%s: the root task is in %s:%s",
			wanted, first->name, first->path);
		return err_hint(err, "give a control group above it");
	}
	*vec_add(d->arena, tops) = wanted ? wanted : first->path + 1;

	for (size_t i = 1; i < s->sets.n; i++) {
		const char *path = s->sets.items[i].entry->ctls[ctl]->path + 1;
		bool covered = false;

		for (size_t k = 0; k < tops->n && !covered; k++) {
			if (*path && (k || !wanted) && cgroup_is_below(tops->items[k], path))
				tops->items[k] = path;
			covered = strcmp(tops->items[k], path) == 0 ||
				  (*tops->items[k] && cgroup_is_below(path, tops->items[k]));
		}
		if (!covered)
			*vec_add(d->arena, tops) = path;
	}
	return 0;
}

/* @text: what /proc/PID/cgroup of the root task is when it is read in the namespace. */
static int note_prefix(struct dump *d, const struct state *s, CgMemberEntry *m, size_t ctl,
		       const char *text, struct err *err)
{
	const char *whole = s->sets.items[0].entry->ctls[ctl]->path;
	const char *inside = cgroup_path_of(d->arena, text, m->name);
	size_t rest = inside && *inside ? strlen(inside) + 1 : 0;

	if (!inside || rest > strlen(whole) || strncmp(inside, "..", 2) == 0)
		return err_set(err, EPROTO, "cannot find the root of the cgroup namespace in %s",
			       whole);
	m->cgns_prefix = (uint32_t)(strlen(whole) - rest);
	/* others of the tree may be outside of it */
	if (m->cgns_prefix > strlen(m->path))
		m->cgns_prefix = 1;
	m->has_cgns_prefix = m->cgns_prefix > 1;
	return 0;
}

/*
 * The roots of the cgroup namespace: what a path has in front when it is seen
 * from here, and not from inside.
 */
static int note_prefixes(struct dump *d, struct state *s, struct err *err)
{
	const struct ns *ns = d->ns->root[NS_CGROUP];
	struct ns_visit visit;
	char path[32], *text;
	struct set *set;
	int ret;

	if (!ns || ns->external)
		return 0;
	snprintf(path, sizeof(path), "%d/cgroup", d->tree->root->host_alive);
	if (ns_enter_dump(d, ns, &visit, err) < 0)
		return -err->code;
	ret = proc_slurp(d->proc, path, d->arena, &text, NULL, err);
	if (ns_leave(&visit, err) < 0 || ret < 0)
		return -err->code;

	vec_for_each(set, &s->sets)
		for (size_t i = 0; i < set->entry->n_ctls; i++)
			if (note_prefix(d, s, set->entry->ctls[i], i, text, err) < 0)
				return -err->code;
	return 0;
}

static int dump_controllers(struct dump *d, struct state *s, CgroupEntry *image, struct err *err)
{
	const CgSetEntry *first = s->sets.items[0].entry;
	struct cgroup_props *props;

	if (cgroup_props_new(d->arena, d->opts, &props, err) < 0)
		return -err->code;
	image->controllers = arena_array(d->arena, CgControllerEntry *, first->n_ctls);
	for (size_t i = 0; i < first->n_ctls; i++) {
		path_list tops = { 0 };

		if (find_tops(d, s, i, &tops, err) < 0 ||
		    cgroup_dump_controller(d, &s->roots, props, first->ctls[i]->name, tops.items,
					   tops.n, &image->controllers[i], err) < 0)
			return -err->code;
		image->n_controllers++;
	}
	return 0;
}

/* A hierarchy that has come or gone while we looked. */
static int check_sets(const struct state *s, struct err *err)
{
	const struct set *set;

	vec_for_each(set, &s->sets) {
		const CgSetEntry *first = s->sets.items[0].entry;
		bool same = set->entry->n_ctls == first->n_ctls;

		for (size_t i = 0; same && i < first->n_ctls; i++)
			same = strcmp(set->entry->ctls[i]->name, first->ctls[i]->name) == 0;
		if (!same)
			return err_set(err, EAGAIN,
				       "cannot dump control groups: they have changed");
	}
	return 0;
}

static int write_image(struct dump *d, struct state *s, struct err *err)
{
	CgroupEntry *image = record_new(d, cgroup_entry);
	struct set *set;

	if (check_sets(s, err) < 0 || note_prefixes(d, s, err) < 0 ||
	    dump_controllers(d, s, image, err) < 0)
		return -err->code;
	image->sets = arena_array(d->arena, CgSetEntry *, s->sets.n);
	vec_for_each(set, &s->sets)
		image->sets[image->n_sets++] = set->entry;
	return image_put_one(d->store, IMAGE_CGROUP, 0, &image->base, err);
}

static int write_end_cgroup(struct dump *d, struct err *err)
{
	struct state *s = kind_state(d->kinds, &cgroup_kind);
	char *ours;
	int ret;

	if (is_ignored(&d->opts->common))
		return 0;
	if (proc_slurp(d->proc, "self/cgroup", d->arena, &ours, NULL, err) < 0)
		return -err->code;
	if (s->sets.n == 1 && strcmp(s->sets.items[0].text, ours) == 0 && !d->ns->root[NS_CGROUP])
		return 0;
	s->roots.arena = d->arena;
	s->roots.yard = d->opts->common.cgroup_yard;
	ret = write_image(d, s, err);
	cgroup_roots_fini(&s->roots);
	return ret;
}

/* ---- restore ---- */

static int check_image(const CgroupEntry *e, struct err *err)
{
	for (size_t i = 0; i < e->n_sets; i++)
		for (size_t k = 0; k < e->sets[i]->n_ctls; k++)
			if (e->sets[i]->ctls[k]->path[0] != '/' ||
			    e->sets[i]->ctls[k]->cgns_prefix > strlen(e->sets[i]->ctls[k]->path)) {
				err_set(err, EBADMSG,
					"cannot use control group \"%s\" in cgroup.img",
					e->sets[i]->ctls[k]->path);
				return err_hint(err, "the checkpoint is damaged; take it again");
			}
	return 0;
}

static int read_begin_cgroup(struct restore *r, struct err *err)
{
	struct state *s = kind_state(r->kinds, &cgroup_kind);
	bool found;
	void *e;

	if (is_ignored(&r->opts->common))
		return 0;
	if (image_get_one(r->store, IMAGE_CGROUP, 0, r->arena, &e, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	s->image = e;
	return check_image(e, err);
}

static const CgSetEntry *set_by_id(const struct state *s, uint32_t id)
{
	for (size_t i = 0; i < s->image->n_sets; i++)
		if (s->image->sets[i]->id == id)
			return s->image->sets[i];
	return NULL;
}

static int need_set(const struct state *s, uint32_t id, struct err *err)
{
	if (set_by_id(s, id))
		return 0;
	err_set(err, EBADMSG, "cannot find set %u in cgroup.img", id);
	return err_hint(err, "the checkpoint is damaged; take it again");
}

/* --cgroup-root: in all sets the first group of the image becomes the one that is wanted. */
static void move_members(struct restore *r, const CgroupEntry *image, const CgControllerEntry *c)
{
	const char *name = cgroup_name_of(r->arena, c), *old;
	const char *wanted = cgroup_root_wanted(&r->opts->common, name);

	if (!wanted || !c->n_dirs)
		return;
	old = c->dirs[0]->dir_name + strspn(c->dirs[0]->dir_name, "/");
	for (size_t i = 0; i < image->n_sets; i++)
		for (size_t k = 0; k < image->sets[i]->n_ctls; k++) {
			CgMemberEntry *m = image->sets[i]->ctls[k];
			const char *rest = m->path + 1 + strlen(old);

			if (strcmp(m->name, name) != 0 || !cgroup_is_below(m->path + 1, old))
				continue;
			rest += strspn(rest, "/");
			/* the root of a namespace is inside of what is moved, or becomes it */
			if (m->has_cgns_prefix) {
				size_t below = m->cgns_prefix > strlen(old) + 1
						       ? m->cgns_prefix - strlen(old) - 1
						       : 0;

				m->cgns_prefix = (uint32_t)(strlen(wanted) + 1 + below);
			}
			m->path =
				arena_printf(r->arena, "/%s", cgroup_join(r->arena, wanted, rest));
		}
}

static int plan_all(struct restore *r, struct state *s, struct err *err)
{
	char *own;

	if (proc_slurp(r->proc, "self/cgroup", r->arena, &own, NULL, err) < 0)
		return -err->code;
	s->roots.arena = r->arena;
	s->roots.yard = r->opts->common.cgroup_yard;
	s->making = (struct cgroup_making){ .r = r, .roots = &s->roots, .own = own };
	for (size_t i = 0; i < s->image->n_controllers; i++)
		move_members(r, s->image, s->image->controllers[i]);
	return cgroup_make_plan(&s->making, s->image, err);
}

static int plan_cgroup(struct restore *r, struct task *t, struct err *err)
{
	struct state *s = kind_state(r->kinds, &cgroup_kind);

	if (!s->image)
		return 0;
	if (!s->planned && plan_all(r, s, err) < 0)
		return -err->code;
	s->planned = true;
	if (t->core->tc->has_cg_set && need_set(s, t->core->tc->cg_set, err) < 0)
		return -err->code;
	for (size_t i = 0; i < t->nr_threads; i++) {
		const ThreadCoreEntry *e = t->threads[i].core->thread_core;

		if (e->has_cg_set && need_set(s, e->cg_set, err) < 0)
			return -err->code;
	}
	return 0;
}

/* Where a thread of ours is in one hierarchy. */
static const char *path_in(struct arena *a, const struct state *s, const CgSetEntry *in,
			   const char *name)
{
	for (size_t i = 0; in && i < in->n_ctls; i++)
		if (strcmp(in->ctls[i]->name, name) == 0)
			return in->ctls[i]->path + 1;
	return cgroup_path_of(a, s->making.own, name);
}

static int open_door(struct state *s, const char *hierarchy, const char *path, const char *file,
		     struct err *err)
{
	int root, fd;

	if (cgroup_root_open(&s->roots, hierarchy, &root, err) < 0)
		return -err->code;

	scoped_fd group = cgroup_open(root, path, err);
	if (group < 0)
		return err_hint(err, "make it, or %s", too_far);
	fd = openat(group, file, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	err_sys(err, "cannot enter control group %s:/%s", hierarchy, path);
	return err_hint(err, "%s", too_far);
}

static int enter_door(int door, const char *hierarchy, const char *path, pid_t tid, struct err *err)
{
	char number[16];
	int n = snprintf(number, sizeof(number), "%d", tid);

	if (write(door, number, (size_t)n) == n)
		return 0;
	err_sys(err, "cannot enter control group %s:/%s", hierarchy, path);
	return err_hint(err, "%s", too_far);
}

/* We ourselves (@tid 0: all threads of us), by the door that was opened for it, or a thread. */
static int enter_group(struct state *s, const char *hierarchy, const char *path, const char *file,
		       pid_t tid, struct err *err)
{
	const struct door *d;

	if (!tid)
		vec_for_each(d, &s->doors)
			if (strcmp(d->hierarchy, hierarchy) == 0 && strcmp(d->path, path) == 0)
				return enter_door(d->fd, hierarchy, path, 0, err);

	scoped_fd door = open_door(s, hierarchy, path, file, err);
	return door < 0 ? door : enter_door(door, hierarchy, path, tid, err);
}

/* A thread (0: ourselves, all threads of us) that is in @from comes to @to. */
static int enter_set(struct restore *r, struct state *s, const CgSetEntry *from,
		     const CgSetEntry *to, pid_t tid, struct err *err)
{
	for (size_t i = 0; i < to->n_ctls; i++) {
		const CgMemberEntry *m = to->ctls[i];
		const char *now = path_in(r->arena, s, from, m->name);
		const char *file = !tid			   ? "cgroup.procs"
				   : cgroup_is_v2(m->name) ? "cgroup.threads"
							   : "tasks";

		if ((now && strcmp(now, m->path + 1) == 0) || (!now && !m->path[1]))
			continue;
		if (enter_group(s, m->name, m->path + 1, file, tid, err) < 0)
			return -err->code;
	}
	return 0;
}

static int fork_cgroup(struct restore *r, struct task *t, struct err *err)
{
	struct state *s = kind_state(r->kinds, &cgroup_kind);
	const CgSetEntry *to;

	if (!s->image || !t->core->tc->has_cg_set)
		return 0;
	to = set_by_id(s, t->core->tc->cg_set);
	if (to != s->in && enter_set(r, s, s->in, to, 0, err) < 0)
		return -err->code;
	s->in = to; /* our children have a copy of this */
	return 0;
}

/* ---- the coordinator ---- */

static int need_door(struct restore *r, struct state *s, const char *hierarchy, const char *path,
		     struct err *err)
{
	struct door *d;
	int fd;

	vec_for_each(d, &s->doors)
		if (strcmp(d->hierarchy, hierarchy) == 0 && strcmp(d->path, path) == 0)
			return 0;
	fd = open_door(s, hierarchy, path, "cgroup.procs", err);
	if (fd < 0)
		return fd;
	*vec_add(r->arena, &s->doors) = (struct door){ hierarchy, path, fd };
	return 0;
}

/* For all who will be in a user namespace then, and for our way back. */
static int open_doors(struct restore *r, struct state *s, struct err *err)
{
	for (size_t i = 0; i < s->image->n_sets; i++)
		for (size_t k = 0; k < s->image->sets[i]->n_ctls; k++) {
			const CgMemberEntry *m = s->image->sets[i]->ctls[k];
			const char *own = cgroup_path_of(r->arena, s->making.own, m->name);

			if (!own && !m->path[1])
				continue;
			if (own && need_door(r, s, m->name, own, err) < 0)
				return -err->code;
			if (need_door(r, s, m->name, m->path + 1, err) < 0)
				return -err->code;
		}
	return 0;
}

/* Into the groups that are to be the roots of the cgroup namespace. */
static int enter_roots(struct restore *r, struct state *s, struct err *err)
{
	CgSetEntry *roots = record_new(r, cg_set_entry);
	const CgSetEntry *set;

	if (!r->tree->root->core->tc->has_cg_set)
		return 0;
	set = set_by_id(s, r->tree->root->core->tc->cg_set);
	roots->ctls = arena_array(r->arena, CgMemberEntry *, set->n_ctls);
	for (; roots->n_ctls < set->n_ctls; roots->n_ctls++) {
		const CgMemberEntry *m = set->ctls[roots->n_ctls];
		CgMemberEntry *root = record_new(r, cg_member_entry);

		root->name = m->name;
		root->path = m->cgns_prefix
				     ? arena_printf(r->arena, "%.*s", (int)m->cgns_prefix, m->path)
				     : arena_strdup(r->arena, "/");
		roots->ctls[roots->n_ctls] = root;
	}
	s->moved = true;
	if (enter_set(r, s, NULL, roots, 0, err) < 0)
		return -err->code;
	s->in = roots; /* so are those who are born of us */
	return 0;
}

static int prepare_cgroup(struct restore *r, struct err *err)
{
	struct state *s = kind_state(r->kinds, &cgroup_kind);
	const struct ns *ns = r->ns->root[NS_CGROUP];

	if (!s->image)
		return 0;
	if (cgroup_make_before(&s->making, err) < 0)
		return -err->code;
	if ((r->ns->root[NS_USER] || ns) && open_doors(r, s, err) < 0)
		return -err->code;
	return ns && !ns->external && !ns->given ? enter_roots(r, s, err) : 0;
}

static int after_outside(struct restore *r, void *args, int *fd, struct err *err)
{
	struct state *s = kind_state(r->kinds, &cgroup_kind);

	return cgroup_make_after(&s->making, err);
}

static int after_cgroup(struct restore *r, struct err *err)
{
	const struct state *s = kind_state(r->kinds, &cgroup_kind);
	char none = 0;

	return s->image ? outside_run(r, after_outside, &none, sizeof(none), NULL, err) : 0;
}

/* A thread that is elsewhere than its task. */
struct move {
	uint32_t from, to;
	pid_t tid;
};

static int move_outside(struct restore *r, void *args, int *fd, struct err *err)
{
	struct state *s = kind_state(r->kinds, &cgroup_kind);
	const struct move *m = args;

	return enter_set(r, s, set_by_id(s, m->from), set_by_id(s, m->to), m->tid, err);
}

static int resume_cgroup(struct restore *r, struct task *t, struct err *err)
{
	struct state *s = kind_state(r->kinds, &cgroup_kind);

	if (!s->image || !t->core->tc->has_cg_set)
		return 0;
	for (size_t i = 0; i < t->nr_threads; i++) {
		const struct thread *th = &t->threads[i];
		const ThreadCoreEntry *e = th->core->thread_core;
		struct move m = { t->core->tc->cg_set, e->cg_set, th->host_tid };

		if (e->has_cg_set && m.from != m.to &&
		    outside_run(r, move_outside, &m, sizeof(m), NULL, err) < 0)
			return err_in(err, "thread %d", th->tid);
	}
	return 0;
}

static int end_outside(struct restore *r, void *args, int *fd, struct err *err)
{
	struct state *s = kind_state(r->kinds, &cgroup_kind);

	if (*(bool *)args)
		cgroup_make_end(&s->making);
	else
		cgroup_make_remove(&s->making);
	return 0;
}

/* Our way back; the one outside was born of us when we were away. */
static int go_back(struct restore *r, struct state *s, struct err *err)
{
	const CgSetEntry *away = s->in;

	for (size_t i = 0; i < away->n_ctls; i++) {
		const char *name = away->ctls[i]->name;
		const char *own = cgroup_path_of(r->arena, s->making.own, name);

		if (own && strcmp(own, away->ctls[i]->path + 1) != 0 &&
		    enter_group(s, name, own, "cgroup.procs", 0, err) < 0)
			return -err->code;
	}
	return 0;
}

static int go_back_outside(struct restore *r, void *args, int *fd, struct err *err)
{
	return go_back(r, kind_state(r->kinds, &cgroup_kind), err);
}

static void restore_end_cgroup(struct restore *r, bool ok)
{
	struct state *s = kind_state(r->kinds, &cgroup_kind);
	struct err err = { 0 };
	struct door *d;

	if (s->moved && s->in &&
	    (go_back(r, s, &err) < 0 ||
	     outside_run(r, go_back_outside, &ok, sizeof(ok), NULL, &err) < 0))
		log_warn("%s: %s", err.what, err.why);
	if (s->planned && outside_run(r, end_outside, &ok, sizeof(ok), NULL, &err) < 0)
		log_warn("%s: %s", err.what, err.why);
	vec_for_each(d, &s->doors)
		close(d->fd);
	cgroup_roots_fini(&s->roots);
}

const struct task_kind cgroup_kind = {
	.name = "cgroup",
	.state_size = sizeof(struct state),
	.collect = collect_cgroup,
	.write_end = write_end_cgroup,
	.read_begin = read_begin_cgroup,
	.plan = plan_cgroup,
	.prepare = prepare_cgroup,
	.fork = fork_cgroup,
	.after = after_cgroup,
	.resume = resume_cgroup,
	.restore_end = restore_end_cgroup,
};
