/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inventory - what the other images are: written last, read first
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/inventory.h"
#include "core/task.h"
#include "images/inventory.pb-c.h"
#include "images/pstree.pb-c.h"

enum {
	IMAGES_VERSION = 2,
	OUR_CGROUP_SET = 1, /* no task has another one: cgroups are inherited */
	PRE_DUMP_SPLICE = 1,
	PRE_DUMP_READ = 2,
};

/* A name for this run, from the kernel. */
static char *new_run_id(struct arena *a)
{
	char *text;
	size_t n;

	if (io_slurp_at(AT_FDCWD, "/proc/sys/kernel/random/uuid", a, &text, &n) < 0 || n < 36)
		return arena_strdup(a, "00000000-0000-0000-0000-000000000000");
	text[36] = '\0';
	return text;
}

const char *inventory_run_id(struct dump *d)
{
	if (!d->run_id)
		d->run_id = new_run_id(d->arena);
	return d->run_id;
}

/* ---- the dump before ---- */

int inventory_link_parent(const struct store *s, const char *parent_dir, struct err *err)
{
	if (symlinkat(parent_dir, store_dirfd(s), "parent") == 0 || errno == EEXIST)
		return 0;
	return err_sys(err, "cannot make the link \"parent\" in the images directory");
}

int inventory_open_parent(struct dump *d, struct err *err)
{
	struct err ignored = { 0 };
	InventoryEntry *e;
	bool found;
	void *msg;

	if (!d->opts->parent_dir)
		return 0;
	if (store_dirfd(d->store) < 0) {
		err_set(err, EOPNOTSUPP, "cannot make a dump on top of another one");
		err_why(err, "streams and compressed images have no parents");
		return err_hint(err, "leave out --prev-images-dir, or --stream and --compress");
	}
	if (inventory_link_parent(d->store, d->opts->parent_dir, err) < 0 ||
	    store_open_parent(d->arena, d->store, &d->parent, err) < 0)
		return -err->code;
	if (!d->parent) {
		err_set(err, ENOENT, "cannot find the dump before this one: %s",
			d->opts->parent_dir);
		return err_hint(err, "give its directory as seen from that of the images: "
				     "--prev-images-dir ../DIR");
	}
	if (image_get_one(d->parent, IMAGE_INVENTORY, 0, d->arena, &msg, &found, &ignored) == 0 &&
	    found) {
		e = msg;
		d->parent_run = e->dump_criu_run_id;
	}
	return 0;
}

/* ---- inventory.img ---- */

static uint64_t uptime_us(const struct dump *d)
{
	struct timespec now;

	/* as the first number in /proc/uptime */
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int inventory_write_predump(struct dump *d, struct err *err)
{
	InventoryEntry e = INVENTORY_ENTRY__INIT;
	PluginsEntry plugins = PLUGINS_ENTRY__INIT;

	e.has_dump_uptime = e.has_pre_dump_mode = true;
	e.dump_uptime = uptime_us(d);
	e.pre_dump_mode = d->opts->pre_dump_read ? PRE_DUMP_READ : PRE_DUMP_SPLICE;
	e.plugins_entry = &plugins;
	e.dump_criu_run_id = (char *)inventory_run_id(d);
	return image_put_one(d->store, IMAGE_INVENTORY, 0, &e.base, err);
}

int inventory_write(struct dump *d, struct err *err)
{
	InventoryEntry e = INVENTORY_ENTRY__INIT;
	PluginsEntry plugins = PLUGINS_ENTRY__INIT;

	e.img_version = IMAGES_VERSION;
	e.has_fdinfo_per_id = e.fdinfo_per_id = 1;
	e.has_ns_per_id = e.ns_per_id = 1;
	e.root_ids = d->our_ids;
	e.has_root_cg_set = 1;
	e.root_cg_set = OUR_CGROUP_SET;
	e.has_lsmtype = 1;
	e.lsmtype = LSMTYPE__NO_LSM;
	e.plugins_entry = &plugins;
	e.has_dump_uptime = d->opts->track_mem;
	e.dump_uptime = uptime_us(d);
	e.has_network_lock_method = 1;
	e.network_lock_method = d->network_lock;
	e.has_tcp_close = e.tcp_close = d->opts->common.tcp_close;
	e.dump_criu_run_id = (char *)inventory_run_id(d);
	return image_put_one(d->store, IMAGE_INVENTORY, 0, &e.base, err);
}

int inventory_read(struct restore *r, struct err *err)
{
	InventoryEntry *e;
	bool found;
	void *msg;

	if (image_get_one(r->store, IMAGE_INVENTORY, 0, r->arena, &msg, &found, err) < 0)
		return -err->code;
	if (!found) {
		err_set(err, ENOENT, "cannot restore from \"%s\": there is no inventory.img in it",
			r->opts->common.images_dir);
		return err_hint(err, "give the directory of a finished dump with -D");
	}
	e = msg;
	if (store_set_version(r->store, e->img_version, err) < 0)
		return -err->code;
	r->root_ids = e->root_ids;
	if (!e->has_fdinfo_per_id || !e->fdinfo_per_id) {
		err_set(err, EPROTONOSUPPORT,
			"cannot restore: the images have descriptors per task, not per table");
		return err_hint(err, "they were made by a CRIU older than 2.0; restore with that");
	}
	r->run_id = e->dump_criu_run_id;
	r->network_lock = e->has_network_lock_method ? e->network_lock_method
						     : NETWORK_LOCK_IPTABLES;
	if (e->tcp_close && !r->opts->common.tcp_close) {
		err_set(err, EINVAL, "cannot restore: the dump was made with --tcp-close");
		return err_hint(err, "give --tcp-close to restore too");
	}
	return 0;
}

static int write_ids(struct dump *d, struct task *t, struct err *err)
{
	return t->ids ? image_put_one(d->store, IMAGE_IDS, (unsigned long)t->pid, &t->ids->base,
				      err)
		      : 0;
}

int tree_write(struct dump *d, struct err *err)
{
	scoped_image *img = NULL;
	struct task *t;
	size_t i;

	if (image_create_now(d->store, IMAGE_PSTREE, 0, &img, err) < 0)
		return -err->code;
	for_each_task(t, d->tree) {
		PstreeEntry e = PSTREE_ENTRY__INIT;

		e.pid = (uint32_t)t->pid;
		e.ppid = t->parent ? (uint32_t)t->parent->pid : 0;
		e.pgid = (uint32_t)t->pgid;
		e.sid = (uint32_t)t->sid;
		e.n_threads = t->nr_threads + t->leader_exited;
		e.threads = arena_array(d->arena, uint32_t, e.n_threads);
		e.threads[0] = t->state == TASK_DEAD ? 0 : (uint32_t)t->pid;
		for (i = !t->leader_exited; i < t->nr_threads; i++)
			e.threads[i + t->leader_exited] = (uint32_t)t->threads[i].tid;
		if (image_put(img, &e.base, err) < 0 || write_ids(d, t, err) < 0)
			return -err->code;
	}
	return image_close(take_ptr(img), err);
}
