/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inventory - what the other images are: written last, read first
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
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
