/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * path_make - files without a name get it back, for a moment
 *
 * Before tasks exist every deleted file is made under the name it had, opened
 * through it and deleted at once, so that /proc says of it what it said before.
 * Directories that have gone are made on the way, and removed last.  Nothing is
 * left behind whatever happens: it is done in a helper who goes on if we are
 * killed (core/steady.h).
 *
 * A name that somebody has taken is left to him; the file then is called
 * NAME.cr.ID.ghost or NAME.cr_link, as with CRIU; beside its directory, if that is
 * what has been replaced by something else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/inject.h"
#include "base/log.h"
#include "core/ghost.h"
#include "core/mounts.h"
#include "core/path_remap.h"
#include "core/steady.h"

/* A directory that goes again at the end. */
struct made_dir {
	const char *path;
	int mnt_id;
	int fd; /* of a deleted directory, -1: only on the way to something */
	const GhostFileEntry *ghost;
};

struct made_name {
	const char *path;
	int mnt_id;
};

struct maker {
	struct restore *r;
	vec(struct made_dir) dirs;
	vec(struct made_name) names; /* of the file being made */
};

static bool is_dir(const struct path_remap *m)
{
	return m->ghost && S_ISDIR(m->ghost->mode);
}

static bool same_file(const struct path_remap *a, const struct path_remap *b)
{
	return a->type == b->type && a->id == b->id;
}

/* The mount in whose namespace the name is; -1: ours. */
static int mount_of(const struct path_remap *m)
{
	return m->reg->has_mnt_id ? m->reg->mnt_id : -1;
}

/* Directories first, outer ones before inner ones; then all names of a file together. */
static int compare_order(const void *pa, const void *pb)
{
	const struct path_remap *a = *(struct path_remap *const *)pa,
				*b = *(struct path_remap *const *)pb;
	int names = strcmp(a->reg->name, b->reg->name);

	if (is_dir(a) != is_dir(b))
		return is_dir(a) ? -1 : 1;
	if (names && (is_dir(a) || same_file(a, b)))
		return names;
	if (same_file(a, b) && mount_of(a) != mount_of(b))
		return mount_of(a) < mount_of(b) ? -1 : 1;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

/* ---- names ---- */

static int make_parents(struct maker *mk, const char *path, int mnt_id, struct err *err)
{
	char *p = arena_strdup(mk->r->arena, path);

	for (char *slash = strchr(p + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(p, 0700) == 0) {
			struct made_dir *dir = vec_add(mk->r->arena, &mk->dirs);

			dir->path = arena_strdup(mk->r->arena, p);
			dir->mnt_id = mnt_id;
			dir->fd = -1;
		} else if (errno != EEXIST) {
			/* EROFS and the like hide EEXIST */
			struct stat st;
			int code = errno;

			if (stat(p, &st) < 0)
				return err_set(err, code, "cannot make the directory %s", p);
		}
		*slash = '/';
	}
	return 0;
}

/* What has taken its name: something of that name, or a file in the place of one of its directories. */
static const char *taken_name(struct maker *mk, const struct path_remap *m)
{
	char *name = arena_strdup(mk->r->arena, m->reg->name);
	struct stat st;

	while (lstat(name, &st) < 0 && path_cut_last(name))
		;
	return S_ISDIR(st.st_mode) ? m->reg->name : name;
}

static const char *other_name(struct maker *mk, const struct path_remap *m)
{
	const char *name = taken_name(mk, m);

	if (m->type == REMAP_TYPE__GHOST)
		return arena_printf(mk->r->arena, "%s.cr.%x.ghost", name, m->id);
	return arena_printf(mk->r->arena, "%s.cr_link", name);
}

/* Make the file under @path: from its image, or as one more link to @from. */
static int make_at(struct maker *mk, const struct path_remap *m, const char *from, const char *path,
		   struct err *err)
{
	if (!from)
		return ghost_make(mk->r, m->id, m->ghost, path, err);
	if (linkat(AT_FDCWD, from, AT_FDCWD, path, 0) < 0)
		return err_sys(err, "cannot link %s to %s", from, path);

	scoped_fd fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0) {
		err_sys(err, "cannot open %s", path);
		unlink(path);
		return -err->code;
	}
	return take_fd(&fd);
}

/* The name of @m leads to the file now, and m->fd was opened through it. */
static int make_name(struct maker *mk, struct path_remap *m, const char *from, struct err *err)
{
	const char *path = m->reg->name;

	if (make_parents(mk, path, mount_of(m), err) < 0)
		m->fd = -err->code;
	else
		m->fd = make_at(mk, m, from, path, err);
	if (m->fd == -EEXIST || m->fd == -ENOTDIR) {
		path = other_name(mk, m);
		memset(err, 0, sizeof(*err));
		m->fd = make_at(mk, m, from, path, err);
	}
	if (m->fd < 0)
		return err_hint(
			err,
			"the directory must be writable for a moment; see whether it is as at the dump");
	*vec_add(mk->r->arena, &mk->names) = (struct made_name){ path, mount_of(m) };
	if (inject_point(err, "steady:name") < 0)
		return -err->code;
	log_debug("made %s for a moment", path);
	return 0;
}

/* ---- files ---- */

/* "/tmp/#1234": it never had a name (O_TMPFILE), and may still be linked into a directory. */
static bool is_unnamed(const struct path_remap *m)
{
	const char *base = strrchr(m->reg->name, '/');
	char *end;

	if (!m->ghost || !S_ISREG(m->ghost->mode) || !m->ghost->has_ino || !base || base[1] != '#')
		return false;
	return strtoull(base + 2, &end, 10) == m->ghost->ino && !*end && base[2];
}

static int make_unnamed(struct maker *mk, struct path_remap *m, struct err *err)
{
	const char *slash = strrchr(m->reg->name, '/');
	const char *dir =
		arena_printf(mk->r->arena, "%.*s", (int)(slash - m->reg->name) + 1, m->reg->name);

	return ghost_make_unnamed(mk->r, m->id, m->ghost, dir, err);
}

static int make_first(struct maker *mk, struct path_remap *m, struct err *err)
{
	if (is_unnamed(m)) {
		m->fd = make_unnamed(mk, m, err);
		if (m->fd != -EOPNOTSUPP)
			return m->fd < 0 ? -err->code : 0;
		memset(err, 0, sizeof(*err));
	}
	return make_name(mk, m, m->link ? m->link->name : NULL, err);
}

/* Two mounts may show the same directory: the name is there already. */
static bool is_there(struct path_remap *m, const struct path_remap *first)
{
	scoped_fd fd = open(m->reg->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st, other;

	if (fd < 0 || fstat(fd, &st) < 0 || fstat(first->fd, &other) < 0 ||
	    st.st_dev != other.st_dev || st.st_ino != other.st_ino)
		return false;
	m->fd = take_fd(&fd);
	return true;
}

static int make_other(struct maker *mk, struct path_remap *m, const struct path_remap *first,
		      struct err *err)
{
	return is_there(m, first) ? 0 : make_name(mk, m, mk->names.items[0].path, err);
}

/* In the mount namespace that has the name; @first: NULL, it is the first of its group. */
static int make_there(struct maker *mk, struct path_remap *m, const struct path_remap *first,
		      struct err *err)
{
	struct ns_visit visit;
	struct err back = { 0 };
	int ret;

	if (mounts_enter_restore(mk->r, mount_of(m), &visit, err) < 0)
		return -err->code;
	ret = first ? make_other(mk, m, first, err) : make_first(mk, m, err);
	if (ns_leave(&visit, &back) < 0) {
		*err = back;
		return -err->code;
	}
	return ret;
}

/* @group: all remaps of one file, those with the same name side by side. */
static int make_group(struct maker *mk, struct path_remap **group, size_t n, struct err *err)
{
	size_t i;

	if (make_there(mk, group[0], NULL, err) < 0)
		return -err->code;
	for (i = 1; i < n; i++) {
		struct path_remap *before = group[i - 1];

		if (!mk->names.n || (strcmp(group[i]->reg->name, before->reg->name) == 0 &&
				     mount_of(group[i]) == mount_of(before))) {
			group[i]->fd = fcntl(before->fd, F_DUPFD_CLOEXEC, 3);
			if (group[i]->fd < 0)
				return err_sys(err, "cannot copy a descriptor");
		} else if (make_there(mk, group[i], group[0], err) < 0) {
			return -err->code;
		}
	}
	return 0;
}

/* By unlink() or rmdir(); what cannot be removed stays. */
static void remove_there(struct maker *mk, int (*remove)(const char *), const char *path,
			 int mnt_id)
{
	struct err unused = { 0 };
	struct ns_visit visit;

	if (mounts_enter_restore(mk->r, mnt_id, &visit, &unused) < 0)
		return;
	if (remove(path) < 0)
		log_warn("cannot remove %s: %s", path, strerror(errno));
	ns_leave(&visit, &unused);
}

static void remove_names(struct maker *mk, const struct path_remap *m)
{
	const struct made_name *name;

	vec_for_each(name, &mk->names) {
		if (is_dir(m)) {
			struct made_dir *dir = vec_add(mk->r->arena, &mk->dirs);

			*dir = (struct made_dir){ name->path, name->mnt_id, m->fd, m->ghost };
		} else {
			remove_there(mk, unlink, name->path, name->mnt_id);
		}
	}
	mk->names.n = 0;
}

static void remove_dirs(struct maker *mk)
{
	while (mk->dirs.n) {
		const struct made_dir *dir = &mk->dirs.items[--mk->dirs.n];

		if (dir->ghost)
			ghost_set_times(dir->fd, dir->ghost);
		remove_there(mk, rmdir, dir->path, dir->mnt_id);
	}
}

static int make_groups(struct maker *mk, struct path_remap **order, size_t n, struct err *err)
{
	size_t i, end;
	int ret;

	for (i = 0; i < n; i = end) {
		for (end = i + 1; end < n && same_file(order[i], order[end]); end++)
			;
		ret = make_group(mk, order + i, end - i, err);
		remove_names(mk, order[i]);
		if (ret < 0)
			return err_in(err, "%s", order[i]->reg->name);
	}
	return 0;
}

static int make_all(void *arg, struct err *err)
{
	struct restore *r = arg;
	struct path_refs *refs = r->paths;
	struct path_remap **order = arena_array(r->arena, struct path_remap *, refs->remaps.n);
	struct maker mk = { .r = r };
	size_t i, n = 0;
	int ret;

	for (i = 0; i < refs->remaps.n; i++)
		if (refs->remaps.items[i].type != REMAP_TYPE__PROCFS)
			order[n++] = &refs->remaps.items[i];
	qsort(order, n, sizeof(order[0]), compare_order);
	ret = make_groups(&mk, order, n, err);
	remove_dirs(&mk);
	return ret;
}

int path_make_all(struct restore *r, struct err *err)
{
	return r->paths->remaps.n ? steady_run(make_all, r, err) : 0;
}
