/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mnt_make - mount namespaces, put together from their table
 *
 * The new mount API makes a mount without a place for it.  So first all mounts
 * are made, by themselves; then each namespace is put together from its own;
 * and only when all stand where they belong they are shared, as nothing may be
 * mounted twice on the way.
 *
 * What all are made from is kept in a workshop: a mount namespace of its own,
 * which goes when we leave it.  Files under way have no names anywhere else, so
 * nothing is left behind whatever happens.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/early_pty.h"
#include "core/outside.h"
#include "ns/mnt.h"

#ifndef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x100
#endif

/* A file that is there for a moment. */
struct moment {
	int dir;
	const char *path;
	bool is_dir;
};

struct workshop {
	struct restore *r;
	struct mnt_state *s;
	int origin; /* where we were before: the root's namespace, or our own */
	int ns;	    /* it would go as soon as nobody is in it */
	int yard;   /* a directory in which mounts have a place */
	unsigned int nr_places;
	vec(struct moment) moments;
};

static int is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static int set_propagation(int fd, uint64_t type, unsigned int flags)
{
	struct mount_attr attr = { .propagation = type };

	return mount_setattr(fd, "", AT_EMPTY_PATH | flags, &attr, sizeof(attr));
}

/* Nothing that is done from now on shall be seen where the mounts are from. */
static int be_private(struct err *err)
{
	scoped_fd root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || set_propagation(root, MS_PRIVATE, AT_RECURSIVE) < 0)
		return err_sys(err, "cannot make our mounts private");
	return 0;
}

/* ---- the workshop ---- */

static int make_yard(struct workshop *w, struct err *err)
{
	scoped_fd fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "700", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(err, "cannot make a tmpfs");
	w->yard = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (w->yard < 0 || move_mount(w->yard, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(err, "cannot mount a tmpfs");
	return 0;
}

/* A mount must have a place to be cloned or shared; any will do. */
static int give_place(struct workshop *w, int fd, struct err *err)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", w->nr_places++);
	if (is_directory(fd)) {
		if (mkdirat(w->yard, name, 0700) < 0)
			return err_sys(err, "cannot make a directory in a tmpfs");
	} else {
		scoped_fd file = openat(w->yard, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		if (file < 0)
			return err_sys(err, "cannot make a file in a tmpfs");
	}
	if (move_mount(fd, "", w->yard, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(err, "cannot mount it");
	return 0;
}

/* ---- bases ---- */

struct source {
	char path[4096];
};

/* Outside: the mount that is there. */
static int clone_outside(struct restore *r, void *args, int *fd, struct err *err)
{
	const struct source *s = args;

	*fd = open_tree(AT_FDCWD, s->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (*fd < 0)
		return err_sys(err, "cannot mount %s", s->path);
	return 0;
}

static int go_to(int ns, struct err *err)
{
	if (setns(ns, CLONE_NEWNS) < 0)
		return err_sys(err, "cannot enter a mount namespace");
	return 0;
}

/* Its root is hidden by the yard: who comes from elsewhere must know it. */
static int go_to_work(const struct workshop *w, int root, struct err *err)
{
	if (go_to(w->ns, err) < 0)
		return -err->code;
	if (fchdir(root) < 0 || chroot(".") < 0)
		return err_sys(err, "cannot come back to a mount namespace");
	return 0;
}

/* What is there in the namespace that we were given. */
static int fetch_inside(const struct workshop *w, const char *path, struct err *err)
{
	scoped_fd root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err back = { 0 };
	scoped_fd fd = -1;

	if (root < 0)
		return err_sys(err, "cannot open the root");
	if (go_to(w->origin, err) < 0)
		return -err->code;
	fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0)
		err_sys(err, "cannot mount %s of process %d", path, w->r->opts->into);
	if (go_to_work(w, root, &back) < 0) {
		*err = back;
		return -err->code;
	}
	return fd < 0 ? -err->code : take_fd(&fd);
}

static int fetch(struct restore *r, const char *path, struct err *err)
{
	struct source s;
	int fd = -1;

	if (snprintf(s.path, sizeof(s.path), "%s", path) >= (int)sizeof(s.path))
		return err_set(err, ENAMETOOLONG, "cannot mount %s", path);
	if (outside_run(r, clone_outside, &s, sizeof(s), &fd, err) < 0)
		return -err->code;
	return fd;
}

/*
 * Who is root of a user namespace only may not mount a sysfs anew if that which
 * he sees is read-only as a whole: that of the namespace that we were given does.
 */
static int fetch_sysfs(const struct workshop *w, const struct mount *m)
{
	struct err ignored = { 0 };
	struct statfs fs;

	if (!mnt_is_given(w->r) || !w->r->ns->root[NS_USER] || m->entry->fstype != FSTYPE__SYSFS)
		return -1;

	scoped_fd fd = fetch_inside(w, m->entry->mountpoint, &ignored);

	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == SYSFS_MAGIC ? take_fd(&fd) : -1;
}

static int open_base(struct workshop *w, struct mnt_base *b, struct err *err)
{
	const struct mount *m = b->mount;
	const char *source;
	int fd;

	if (mnt_is_root(m) && mnt_is_given(w->r) && !w->r->opts->root)
		return fetch_inside(w, "/", err);
	if (mnt_is_root(m)) {
		fd = fetch(w->r, w->r->opts->root ? w->r->opts->root : "/", err);
		return fd < 0 ? err_hint(err, "give the new root: --root PATH") : fd;
	}
	if (mnt_is_external(m) && !mnt_is_device(m)) {
		source = mnt_external_source(w->r, m);
		if (!source)
			return fetch_inside(w, m->entry->mountpoint, err);
		fd = fetch(w->r, source, err);
		return fd < 0 ? err_hint(err, "say where it is now: --external mnt[%s]:PATH",
					 m->entry->ext_key)
			      : fd;
	}
	fd = fetch_sysfs(w, m);
	b->fetched = fd >= 0;
	if (fd >= 0)
		return fd;
	return mnt_fs_make(w->r, m,
			   mnt_is_device(m) ? mnt_external_source(w->r, m) : m->entry->source, err);
}

static int make_base(struct workshop *w, struct mnt_base *b, struct err *err)
{
	b->fd = open_base(w, b, err);
	if (b->fd < 0 || give_place(w, b->fd, err) < 0)
		return -err->code;
	return mnt_is_root(b->mount) || mnt_is_external(b->mount)
		       ? 0
		       : mnt_content_restore(w->r, b, err);
}

static int make_bases(struct workshop *w, struct err *err)
{
	struct mnt_base *b;

	vec_for_each(b, &w->s->bases)
		if (make_base(w, b, err) < 0)
			return err_in(err, "mount %s", b->mount->entry->mountpoint);
	return 0;
}

/* ---- mounts ---- */

static int open_beneath(int dir, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_XDEV };

	return (int)syscall(SYS_openat2, dir, *path ? path : ".", &how, sizeof(how));
}

/* A copy of what is at @below of a base, or of the base itself, which may be a file. */
static int clone_below(const struct mnt_base *b, const char *below)
{
	scoped_fd at = -1;

	if (!*below)
		return open_tree(b->fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	at = open_beneath(b->fd, below);
	if (at < 0)
		return -1;
	return open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
}

static bool is_made(const struct workshop *w, const struct mnt_base *b, const char *below)
{
	const struct moment *m;

	vec_for_each(m, &w->moments)
		if (m->dir == b->fd && strcmp(m->path, below) == 0)
			return true;
	return false;
}

static int make_for_a_moment(const struct mnt_base *b, const char *below, bool is_dir)
{
	if (is_dir)
		return mkdirat(b->fd, below, 0755);

	scoped_fd file = openat(b->fd, below, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return file < 0 ? -1 : 0;
}

/* What was bound has been removed since: it is there until it is mounted. */
static int clone_deleted(struct workshop *w, const struct mnt_base *b, const char *below,
			 bool is_dir)
{
	struct moment *m;

	if (!is_made(w, b, below)) {
		if (make_for_a_moment(b, below, is_dir) < 0)
			return -1;
		m = vec_add(w->r->arena, &w->moments);
		*m = (struct moment){ b->fd, below, is_dir };
	}
	return clone_below(b, below);
}

static void remove_moments(struct workshop *w)
{
	const struct moment *m;

	vec_for_each(m, &w->moments)
		if (unlinkat(m->dir, m->path, m->is_dir ? AT_REMOVEDIR : 0) < 0)
			log_warn("cannot remove %s: %s", m->path, strerror(errno));
}

/* Where it is to be mounted: a directory or a file? */
static bool is_directory_at(const struct workshop *w, const struct mount *m)
{
	const struct mnt_base *b = mnt_base_of(&w->s->bases, m->parent);
	const char *point = path_below(m->entry->mountpoint, m->parent->entry->mountpoint);
	const char *root = path_below(m->parent->entry->root, b->root);

	if (!point || !root)
		return true;

	scoped_fd at = open_beneath(b->fd, arena_printf(w->r->arena, "%s%s%s", root,
							*root ? "/" : "", point));

	return at < 0 || is_directory(at);
}

/* Its master stays open: so it is one of a mount that stays, if there is one by now. */
static int dir_of_terminals(const struct workshop *w, const struct mnt_base *b)
{
	struct mount **m;

	vec_for_each(m, &w->r->mounts->by_id)
		if ((*m)->fd >= 0 && (*m)->entry->root_dev == b->dev &&
		    strcmp((*m)->entry->root, b->root) == 0)
			return (*m)->fd;
	return b->fd;
}

/* A terminal that was mounted somewhere, as /dev/console: it is made when its file system is. */
static int make_terminal(struct workshop *w, const struct mnt_base *b, const char *below,
			 struct err *err)
{
	unsigned long index;
	char *end;

	if (b->mount->entry->fstype != FSTYPE__DEVPTS || *below < '0' || *below > '9' ||
	    faccessat(b->fd, below, F_OK, 0) == 0)
		return 0;
	index = strtoul(below, &end, 10);
	if (*end || index > UINT32_MAX)
		return 0;
	return early_pty_make(w->r, dir_of_terminals(w, b), (uint32_t)index, err);
}

static int clone_mount(struct workshop *w, const struct mount *m, struct err *err)
{
	const struct mnt_base *b = mnt_base_of(&w->s->bases, m);
	const char *below = path_below(m->entry->root, b->root);
	int fd;

	if (below && make_terminal(w, b, below, err) < 0)
		return -err->code;
	if (m->entry->deleted && below && *below && m->parent)
		fd = clone_deleted(w, b, below, is_directory_at(w, m));
	else
		fd = clone_below(b, below ? below : "");
	if (fd < 0) {
		err_sys(err, "cannot find %s, which was mounted at %s", m->entry->root,
			m->entry->mountpoint);
		return err_hint(err, "put it back where it was at the dump");
	}
	return fd;
}

static int make_mount(struct workshop *w, struct mount *m, struct err *err)
{
	m->fd = clone_mount(w, m, err);
	if (m->fd < 0)
		return m->fd;
	if (set_propagation(m->fd, MS_PRIVATE, 0) < 0)
		return err_sys(err, "cannot make a mount private");
	return mnt_set_flags(m->fd, m->entry->flags & ~(uint32_t)MS_RDONLY, err);
}

static int make_mounts(struct workshop *w, struct err *err)
{
	struct mount **m;

	vec_for_each(m, &w->r->mounts->by_id)
		if (make_mount(w, *m, err) < 0)
			return err_in(err, "mount %s", (*m)->entry->mountpoint);
	return 0;
}

/* ---- groups ---- */

static int set_group(int from, int to)
{
	return move_mount(from, "", to, "",
			  MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static const struct mnt_group *master_of(const mnt_groups *groups, const struct mnt_group *of)
{
	const struct mnt_group *g;

	if (of->master_id && !of->master_outside)
		vec_for_each(g, groups)
			if (g->shared_id == of->master_id)
				return g;
	return NULL;
}

/* A mount that shares with nobody but those with whom this group does. */
static int make_head(struct workshop *w, struct mnt_group *g, struct err *err)
{
	const struct mnt_group *master = master_of(&w->s->groups, g);

	g->head = clone_below(g->base, "");
	if (g->head < 0)
		return err_sys(err, "cannot copy a mount");
	if (!g->is_outside && !g->master_outside && set_propagation(g->head, MS_PRIVATE, 0) < 0)
		return err_sys(err, "cannot make a mount private");
	if (give_place(w, g->head, err) < 0)
		return -err->code;
	if (g->is_outside)
		return 0;
	if (master && set_group(master->head, g->head) < 0)
		return err_sys(err, "cannot make a mount a peer");
	if (g->master_id && set_propagation(g->head, MS_SLAVE, 0) < 0)
		return err_sys(err, "cannot make a mount a slave");
	if (g->shared_id && set_propagation(g->head, MS_SHARED, 0) < 0)
		return err_sys(err, "cannot make a mount shared");
	return 0;
}

static int make_heads(struct workshop *w, struct err *err)
{
	struct mnt_group *g;

	vec_for_each(g, &w->s->groups)
		if (make_head(w, g, err) < 0)
			return err_in(err, "group %u of mount %s", g->shared_id,
				      g->members.items[0]->entry->mountpoint);
	return 0;
}

static int share(const struct mnt_group *g, const struct mount *m, struct err *err)
{
	if (set_group(g->head, m->fd) == 0)
		return 0;
	if (errno == EINVAL && (g->is_outside || g->master_outside)) {
		log_warn("mount %s is private: its source is not shared any more",
			 m->entry->mountpoint);
		return 0;
	}
	return err_sys(err, "cannot share mount %s as it was", m->entry->mountpoint);
}

static int share_all(struct workshop *w, struct err *err)
{
	struct mnt_group *g;
	struct mount **m;

	vec_for_each(g, &w->s->groups)
		vec_for_each(m, &g->members)
			if (share(g, *m, err) < 0)
				return -err->code;
	return 0;
}

/* ---- a namespace ---- */

static int compare_points(const void *pa, const void *pb)
{
	const struct mount *a = *(struct mount *const *)pa, *b = *(struct mount *const *)pb;

	return -strcmp(a->entry->mountpoint, b->entry->mountpoint);
}

static int open_beneath_it(struct restore *r, void *args, int *fd, struct err *err)
{
	const struct source *s = args;
	int at = open_beneath(*fd, s->path);

	if (at < 0)
		return err_sys(err, "cannot open %s", s->path);
	*fd = at;
	return 0;
}

/* Where @m is to be mounted; who may not look into a mount from outside has it opened there. */
static int open_point(struct restore *r, const struct mount *m, const char *below)
{
	int fd = m->parent->fd, at;
	struct err err = { 0 };
	struct source s;

	/* to the kernel every directory of an autofs is one to another mount */
	if (mnt_is_autofs(m->parent))
		return open_tree(fd, below,
				 OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW);
	at = open_beneath(fd, below);
	if (at >= 0 || errno != EACCES || !r->ns->root[NS_USER] || strlen(below) >= sizeof(s.path))
		return at;
	strcpy(s.path, below);
	if (outside_run(r, open_beneath_it, &s, sizeof(s), &fd, &err) == 0)
		return fd;
	errno = err.code;
	return -1;
}

/* On its parent, at a path that may be hidden by what is mounted there later. */
static int attach(struct restore *r, struct mount *m, struct err *err)
{
	const char *below = path_below(m->entry->mountpoint, m->parent->entry->mountpoint);
	scoped_fd at = -1;

	if (!below)
		return err_set(err, EBADMSG, "cannot mount %s: it is not below its parent %s",
			       m->entry->mountpoint, m->parent->entry->mountpoint);
	at = *below ? open_point(r, m, below) : fcntl(m->parent->fd, F_DUPFD_CLOEXEC, 3);
	if (at < 0) {
		err_sys(err, "cannot find the mount point %s", m->entry->mountpoint);
		return err_hint(err, "make it again: %s in the new root",
				is_directory(m->fd) ? "a directory" : "a file");
	}
	if (move_mount(m->fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(err, "cannot mount %s", m->entry->mountpoint);
	m->under = take_fd(&at);
	return 0;
}

/*
 * A parent before its children; of these the deeper ones first, as they may be
 * hidden by others later.
 */
static int attach_children(struct restore *r, const struct mount *parent, struct err *err)
{
	const struct mount_ns *mns = parent->ns;
	vec(struct mount *) children = { 0 };
	struct mount **m;
	size_t i;

	for (i = 0; i < mns->n; i++)
		if (mns->mounts[i].parent == parent)
			*vec_add(r->arena, &children) = &mns->mounts[i];
	if (children.n)
		qsort(children.items, children.n, sizeof(struct mount *), compare_points);
	vec_for_each(m, &children)
		if (attach(r, *m, err) < 0 || attach_children(r, *m, err) < 0)
			return -err->code;
	return 0;
}

/* The namespace still has a copy of other mounts: they go. */
static int change_root(const struct mount *top, struct err *err)
{
	if (fchdir(top->fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(err, "cannot change the root");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(err, "cannot leave the old root");
	return 0;
}

static int assemble(struct restore *r, struct mount_ns *mns, struct err *err)
{
	if (move_mount(mns->top->fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(err, "cannot mount the new root");
	if (attach_children(r, mns->top, err) < 0 || change_root(mns->top, err) < 0)
		return -err->code;
	mns->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return mns->root < 0 ? err_sys(err, "cannot open the new root") : 0;
}

/* A nested one is a new one, which begins as a copy of that in which we are. */
static int make_nested(struct restore *r, struct mount_ns *mns, struct err *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(err, "cannot make a mount namespace");
	if (be_private(err) < 0)
		return -err->code;
	mns->ns->fd = openat(r->proc, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (mns->ns->fd < 0)
		return err_sys(err, "cannot open the new mount namespace");
	return assemble(r, mns, err);
}

static int make_all_nested(struct workshop *w, struct err *err)
{
	struct mount_ns **mns;

	vec_for_each(mns, &w->r->mounts->ns)
		if (!(*mns)->ns->is_root &&
		    (go_to(w->origin, err) < 0 || make_nested(w->r, *mns, err) < 0))
			return err_in(err, "mount namespace %u", (*mns)->ns->id);
	return 0;
}

/* ---- all ---- */

static int open_workshop(struct workshop *w, struct err *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(err, "cannot make a mount namespace");
	w->ns = openat(w->r->proc, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	/* entered, one is at its real root, even if we are in a chroot */
	if (w->ns < 0 || setns(w->ns, CLONE_NEWNS) < 0)
		return err_sys(err, "cannot enter our own mount namespace");
	return be_private(err) < 0 || make_yard(w, err) < 0 ? -err->code : 0;
}

static int build(struct workshop *w, struct err *err)
{
	const struct ns *root = w->r->ns->root[NS_MNT];

	if (open_workshop(w, err) < 0 || make_bases(w, err) < 0 || make_mounts(w, err) < 0 ||
	    make_heads(w, err) < 0 || make_all_nested(w, err) < 0)
		return -err->code;
	if (root && (go_to(w->origin, err) < 0 || be_private(err) < 0 ||
		     assemble(w->r, mounts_of(w->r->mounts, root), err) < 0))
		return -err->code;
	return share_all(w, err);
}

/* Where we were before, if that is not a namespace of the tree. */
static int go_back(struct workshop *w, int cwd, struct err *err)
{
	if (w->r->ns->root[NS_MNT])
		return 0;
	if (setns(w->origin, CLONE_NEWNS) < 0 || fchdir(w->r->mounts->ours) < 0 ||
	    chroot(".") < 0 || fchdir(cwd) < 0)
		return err_sys(err, "cannot come back to our own mount namespace");
	return 0;
}

/* Nobody is in the workshop any more; with its last descriptor it goes. */
static void tidy_up(struct workshop *w)
{
	struct mnt_group *g;
	struct mnt_base *b;

	remove_moments(w);
	vec_for_each(g, &w->s->groups)
		if (g->head >= 0)
			close(take_fd(&g->head));
	vec_for_each(b, &w->s->bases)
		if (b->fd >= 0)
			close(take_fd(&b->fd));
	if (w->yard >= 0)
		close(take_fd(&w->yard));
	if (w->ns >= 0)
		close(take_fd(&w->ns));
}

int mnt_make_all(struct restore *r, struct err *err)
{
	scoped_fd origin = openat(r->proc, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	/* who goes on in a namespace of the tree needs it no more, and may not be allowed to see it */
	bool comes_back = !r->ns->root[NS_MNT];
	scoped_fd cwd = comes_back ? open(".", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	struct workshop w = {
		.r = r, .s = kind_state(r->kinds, &mnt_kind), .origin = origin, .ns = -1, .yard = -1
	};
	struct err back = { 0 };
	int ret;

	if (origin < 0 || (comes_back && cwd < 0))
		return err_sys(err, "cannot remember where we are");
	ret = build(&w, err);
	tidy_up(&w);
	if (go_back(&w, cwd, &back) < 0) {
		*err = back;
		return -err->code;
	}
	return ret;
}

static int finish_mount(const struct mnt_state *s, const struct mount *m, struct err *err)
{
	const struct mnt_base *b = mnt_base_of(&s->bases, m);
	const MntEntry *e = m->entry;

	if (m->unbindable && set_propagation(m->fd, MS_UNBINDABLE, 0) < 0)
		return err_sys(err, "cannot make it unbindable");
	if (e->flags & MS_RDONLY && mnt_set_flags(m->fd, e->flags, err) < 0)
		return -err->code;
	/* file systems that others use too are left as they are */
	if (b->mount != m || mnt_is_root(m) || mnt_is_external(m) || b->fetched || !e->sb_flags)
		return 0;
	return mnt_set_sb_flags(m->fd, e, err);
}

/* What refers to files of the new root. */
static int fill_late(struct restore *r, const struct mnt_state *s, const struct mount *m,
		     struct err *err)
{
	const struct mnt_base *b = mnt_base_of(&s->bases, m);

	return b->mount == m && mnt_has_entries(m) ? mnt_binfmt_restore(r, m->fd, err) : 0;
}

/* Flags of a mount are changed in its namespace only. */
static int finish_ns(struct restore *r, const struct mount_ns *mns, struct err *err)
{
	const struct mnt_state *s = kind_state(r->kinds, &mnt_kind);
	size_t i;

	for (i = 0; i < mns->n; i++)
		if (fill_late(r, s, &mns->mounts[i], err) < 0 ||
		    finish_mount(s, &mns->mounts[i], err) < 0)
			return err_in(err, "mount %s", mns->mounts[i].entry->mountpoint);
	return 0;
}

int mnt_make_finish(struct restore *r, struct err *err)
{
	struct mount_ns **mns;

	vec_for_each(mns, &r->mounts->ns) {
		const struct ns *ns = (*mns)->ns;
		struct ns_visit visit;
		struct err back = { 0 };
		int ret;

		if (ns_enter_restore(r, ns->is_root ? NULL : ns, &visit, err) < 0)
			return -err->code;
		ret = finish_ns(r, *mns, err);
		if (ns_leave(&visit, &back) < 0) {
			*err = back;
			ret = -err->code;
		}
		if (ret < 0)
			return ret;
	}
	return 0;
}
