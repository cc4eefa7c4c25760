/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ns_maps - which user is which one in the tree's user namespace
 *
 * not kept   that setgroups() was denied there
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/ns.h"
#include "core/ns_maps.h"
#include "core/proc.h"
#include "core/task.h"
#include "images/image.h"
#include "images/userns.pb-c.h"

enum { OVERFLOW_ID = 65534, NO_ID = -1 };

struct ns_maps {
	UsernsEntry *image;
};

/* ---- dump ---- */

typedef vec(UidGidExtent *) extent_list;

static bool parse_map(struct arena *a, struct text t, extent_list *list)
{
	while (t.p < t.end) {
		UidGidExtent *e = arena_new(a, UidGidExtent);
		uint64_t n[3];

		for (int i = 0; i < 3; i++) {
			text_skip_blanks(&t);
			if (!text_u64(&t, &n[i]) || n[i] > UINT32_MAX)
				return false;
		}
		if (!text_lit(&t, "\n"))
			return false;
		uid_gid_extent__init(e);
		e->first = (uint32_t)n[0];
		e->lower_first = (uint32_t)n[1];
		e->count = (uint32_t)n[2];
		*vec_add(a, list) = e;
	}
	return true;
}

static int read_map(struct dump *d, pid_t pid, const char *name, extent_list *list, struct err *err)
{
	char path[32], *text;
	size_t len;

	snprintf(path, sizeof(path), "%d/%s", pid, name);
	if (proc_slurp(d->proc, path, d->arena, &text, &len, err) < 0)
		return -err->code;
	if (!parse_map(d->arena, text_of(text, len), list))
		return err_set(err, EPROTO, "cannot understand /proc/%s", path);
	return 0;
}

int ns_maps_collect(struct dump *d, struct err *err)
{
	const struct ns *ns = d->ns->root[NS_USER];
	extent_list uids = { 0 }, gids = { 0 };
	UsernsEntry *e;

	if (!ns)
		return 0;
	if (read_map(d, ns->task->host_alive, "uid_map", &uids, err) < 0 ||
	    read_map(d, ns->task->host_alive, "gid_map", &gids, err) < 0)
		return -err->code;

	d->ns->maps = arena_new(d->arena, struct ns_maps);
	e = d->ns->maps->image = arena_new(d->arena, UsernsEntry);
	userns_entry__init(e);
	e->uid_map = uids.items;
	e->n_uid_map = uids.n;
	e->gid_map = gids.items;
	e->n_gid_map = gids.n;
	return 0;
}

int ns_maps_save(struct dump *d, struct err *err)
{
	if (!d->ns->maps)
		return 0;
	return image_put_one(d->store, IMAGE_USERNS, d->ns->root[NS_USER]->id,
			     &d->ns->maps->image->base, err);
}

static uint32_t inside(UidGidExtent *const *map, size_t n, uint32_t id)
{
	if (id == (uint32_t)NO_ID)
		return id;
	for (size_t i = 0; i < n; i++)
		if (id >= map[i]->lower_first && id - map[i]->lower_first < map[i]->count)
			return map[i]->first + (id - map[i]->lower_first);
	return OVERFLOW_ID;
}

uid_t ns_uid_inside(const struct namespaces *all, uid_t uid)
{
	const UsernsEntry *e = all->maps ? all->maps->image : NULL;

	return e ? inside(e->uid_map, e->n_uid_map, uid) : uid;
}

gid_t ns_gid_inside(const struct namespaces *all, gid_t gid)
{
	const UsernsEntry *e = all->maps ? all->maps->image : NULL;

	return e ? inside(e->gid_map, e->n_gid_map, gid) : gid;
}

/* ---- restore ---- */

static uint32_t outside(UidGidExtent *const *map, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= map[i]->first && id - map[i]->first < map[i]->count)
			return map[i]->lower_first + (id - map[i]->first);
	return (uint32_t)NO_ID;
}

uid_t ns_uid_outside(const struct namespaces *all, uid_t uid)
{
	const UsernsEntry *e = all->maps ? all->maps->image : NULL;

	return e ? outside(e->uid_map, e->n_uid_map, uid) : uid;
}

gid_t ns_gid_outside(const struct namespaces *all, gid_t gid)
{
	const UsernsEntry *e = all->maps ? all->maps->image : NULL;

	return e ? outside(e->gid_map, e->n_gid_map, gid) : gid;
}

int ns_maps_read(struct restore *r, struct err *err)
{
	uint32_t id = r->ns->root[NS_USER]->id;
	bool found;
	void *e;

	if (image_get_one(r->store, IMAGE_USERNS, id, r->arena, &e, &found, err) < 0)
		return -err->code;
	if (!found)
		return err_set(err, ENOENT, "cannot read userns-%u.img: there is no such image",
			       id);
	r->ns->maps = arena_new(r->arena, struct ns_maps);
	r->ns->maps->image = e;
	return 0;
}

static int write_map(struct restore *r, pid_t pid, const char *name, UidGidExtent *const *map,
		     size_t n, struct err *err)
{
	const char *lines = "", *path = arena_printf(r->arena, "%d/%s", pid, name);
	ssize_t len;

	for (size_t i = 0; i < n; i++)
		lines = arena_printf(r->arena, "%s%u %u %u\n", lines, map[i]->first,
				     map[i]->lower_first, map[i]->count);

	scoped_fd fd = openat(r->proc, path, O_WRONLY | O_CLOEXEC);

	len = fd < 0 ? -1 : write(fd, lines, strlen(lines));
	if (len == (ssize_t)strlen(lines))
		return 0;
	err_sys(err, "cannot give the user namespace its %s", name);
	return err_hint(err, "restore as root, where the ids of the dump can be had");
}

int ns_maps_write(struct restore *r, pid_t pid, struct err *err)
{
	const UsernsEntry *e = r->ns->maps->image;

	if (e->n_uid_map && write_map(r, pid, "uid_map", e->uid_map, e->n_uid_map, err) < 0)
		return -err->code;
	if (e->n_gid_map && write_map(r, pid, "gid_map", e->gid_map, e->n_gid_map, err) < 0)
		return -err->code;
	return 0;
}
