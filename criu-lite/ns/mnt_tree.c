/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mnt_tree - what is a bind mount of what, and who shares with whom
 *
 * Looked at in the same way when a tree of mounts is dumped (can it be made
 * again?) and when it is made.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ns/mnt.h"

bool mnt_is_external(const struct mount *m)
{
	return m->entry->ext_key != NULL;
}

bool mnt_is_root(const struct mount *m)
{
	return !m->parent && m->ns->ns->is_root;
}

/* ---- bases ---- */

const struct mnt_base *mnt_base_of(const mnt_bases *bases, const struct mount *m)
{
	const struct mnt_base *b, *widest = NULL;

	vec_for_each(b, bases) {
		if (b->mount == m)
			return b;
		if (b->dev == m->entry->root_dev && path_below(m->entry->root, b->root) &&
		    (!widest || strlen(b->root) < strlen(widest->root)))
			widest = b;
	}
	return widest;
}

static void add_base(struct arena *a, mnt_bases *bases, const struct mount *m)
{
	struct mnt_base *b = vec_add(a, bases);

	*b = (struct mnt_base){ .dev = m->entry->root_dev, .root = m->entry->root, .mount = m };
	b->fd = -1;
}

/* A file system that we make anew, and mount as a whole. */
static bool can_make(const struct mount *m)
{
	const struct mnt_fs *fs = mnt_fs_by_code(m->entry->fstype);

	if (mnt_is_root(m) || (!fs && m->entry->fstype != FSTYPE__AUTO))
		return false;
	return (fs && !fs->has_content) || strcmp(m->entry->root, "/") == 0;
}

/* A part of a file system that is the kernel's is a part of the whole. */
static void add_made(struct arena *a, mnt_bases *bases, const struct mount *m)
{
	const struct mnt_base *b = mnt_base_of(bases, m);

	if (b || !can_make(m))
		return;
	add_base(a, bases, m);
	bases->items[bases->n - 1].root = "/";
}

void mnt_find_bases(struct arena *a, const struct mounts *all, mnt_bases *ret)
{
	struct mount *const *m;

	vec_for_each(m, &all->by_id)
		if (mnt_is_root(*m) || mnt_is_external(*m)) {
			add_base(a, ret, *m);
			/* a device is mounted as a whole */
			if (mnt_is_device(*m))
				ret->items[ret->n - 1].root = "/";
		}
	vec_for_each(m, &all->by_id)
		add_made(a, ret, *m);
}

/* ---- groups ---- */

/* Is it shared with mounts outside?  Only what comes from there can be. */
static bool shares_outside(const struct mount *m)
{
	const MntEntry *e = m->entry;

	if (!e->shared_id || e->internal_sharing)
		return false;
	/* images of others say nothing of their root: then it is its own */
	return mnt_is_external(m) || (mnt_is_root(m) && e->has_internal_sharing);
}

static bool is_in_tree(const struct mounts *all, uint32_t shared_id)
{
	struct mount *const *m;

	vec_for_each(m, &all->by_id)
		if ((*m)->entry->shared_id == shared_id)
			return true;
	return false;
}

/* Who has his master outside gets it from there by way of his own base. */
static struct mnt_group *find_group(const mnt_groups *groups, const struct mnt_group *key)
{
	struct mnt_group *g;

	vec_for_each(g, groups)
		if (g->shared_id == key->shared_id && g->master_id == key->master_id &&
		    g->base == key->base)
			return g;
	return NULL;
}

static struct mnt_group *find_master(const mnt_groups *groups, const struct mnt_group *of)
{
	struct mnt_group *g;

	if (of->master_id && !of->master_outside)
		vec_for_each(g, groups)
			if (g->shared_id == of->master_id)
				return g;
	return NULL;
}

static void join_group(struct arena *a, const struct mounts *all, const mnt_bases *bases,
		       mnt_groups *groups, struct mount *m)
{
	struct mnt_group key = { .shared_id = m->entry->shared_id,
				 .master_id = m->entry->master_id,
				 .head = -1 };
	struct mnt_group *g;

	if (!key.shared_id && !key.master_id)
		return;
	key.is_outside = shares_outside(m);
	key.master_outside = key.master_id && !is_in_tree(all, key.master_id);
	if (key.is_outside || (key.master_outside && !key.shared_id))
		key.base = mnt_base_of(bases, m);
	g = find_group(groups, &key);
	if (!g) {
		g = vec_add(a, groups);
		*g = key;
	}
	*vec_add(a, &g->members) = m;
}

/* How many masters are above it: the order in which they are made. */
static size_t depth_of(const mnt_groups *groups, const struct mnt_group *g)
{
	size_t depth = 0;

	while ((g = find_master(groups, g)) && depth <= groups->n)
		depth++;
	return depth;
}

static int compare_depth(const void *pa, const void *pb)
{
	const struct mnt_group *a = pa, *b = pb;

	return a->depth < b->depth ? -1 : a->depth > b->depth;
}

static int refuse_group(const struct mnt_group *g, const char *why, struct err *err)
{
	const MntEntry *e = g->members.items[0]->entry;

	err_set(err, EOPNOTSUPP, "cannot keep how mount %s (%s, id %u) is shared", e->mountpoint,
		g->members.items[0]->type, e->mnt_id);
	err_why(err, "%s", why);
	return err_hint(
		err,
		"make it private (mount --make-private %s), or leave it outside: --external mnt[%s]:KEY",
		e->mountpoint, e->mountpoint);
}

static int check_group(const struct mnt_group *g, struct err *err)
{
	struct mount *const *m;

	vec_for_each(m, &g->members)
		if (!g->base || g->base->dev != (*m)->entry->root_dev ||
		    !path_below((*m)->entry->root, g->base->root))
			return refuse_group(g, "not all of its peers and masters can be made", err);
	if ((g->is_outside || g->master_outside) && !mnt_is_root(g->base->mount) &&
	    !mnt_is_external(g->base->mount))
		return refuse_group(g, "it is shared with mounts outside of the tree", err);
	return 0;
}

/* All members, and their masters, are binds of one thing. */
static int find_group_base(const mnt_groups *groups, const mnt_bases *bases, struct mnt_group *g,
			   struct err *err)
{
	const struct mnt_group *master = find_master(groups, g);
	struct mount *const *m;

	if (master)
		g->base = master->base;
	if (!g->base)
		vec_for_each(m, &g->members) {
			const struct mnt_base *b = mnt_base_of(bases, *m);

			if (b && (!g->base || strlen(b->root) < strlen(g->base->root)))
				g->base = b;
		}
	return check_group(g, err);
}

int mnt_find_groups(struct arena *a, const struct mounts *all, const mnt_bases *bases,
		    mnt_groups *ret, struct err *err)
{
	struct mount *const *m;
	struct mnt_group *g;

	vec_for_each(m, &all->by_id)
		join_group(a, all, bases, ret, *m);
	vec_for_each(g, ret)
		g->depth = depth_of(ret, g);
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(ret->items[0]), compare_depth);
	vec_for_each(g, ret)
		if (find_group_base(ret, bases, g, err) < 0)
			return -err->code;
	return 0;
}
