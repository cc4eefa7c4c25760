/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fs - working directory, root directory, umask
 *
 * collect   both directories are files like others: they may be deleted
 * map       the restorer enters them, as names lead elsewhere then.  Of tasks
 *           that share them (CLONE_FS) one does it for all
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/births.h"
#include "core/kind.h"
#include "core/region.h"
#include "images/fs.pb-c.h"

struct fs {
	FsEntry *entry;
	struct file_need *cwd, *root;
};

struct fs_state {
	struct fs *of; /* by task->index */
};

extern const struct task_kind fs_kind;

static struct fs *fs_of(struct arena *a, struct kinds *kinds, const struct tree *tree,
			const struct task *t)
{
	struct fs_state *s = kind_state(kinds, &fs_kind);

	if (!s->of)
		s->of = arena_array(a, struct fs, tree->nr_tasks);
	return &s->of[t->index];
}

/* ---- dump ---- */

static int collect_fs(struct dump *d, struct task *t, struct err *err)
{
	struct file *cwd, *root;
	FsEntry *e;

	if (t->state == TASK_DEAD)
		return 0;
	if (file_of_link(d, t, "cwd", &cwd, err) < 0 || file_of_link(d, t, "root", &root, err) < 0)
		return -err->code;

	e = record_new(d, fs_entry);
	e->cwd_id = cwd->id;
	e->root_id = root->id;
	e->has_umask = true;
	e->umask = t->threads[0].status.umask;
	fs_of(d->arena, d->kinds, d->tree, t)->entry = e;
	return 0;
}

static int write_fs(struct dump *d, struct task *t, struct err *err)
{
	const FsEntry *e = fs_of(d->arena, d->kinds, d->tree, t)->entry;

	return e ? image_put_one(d->store, IMAGE_FS, (unsigned long)t->pid, &e->base, err) : 0;
}

/* ---- restore ---- */

static int read_fs(struct restore *r, struct task *t, struct err *err)
{
	struct fs *fs = fs_of(r->arena, r->kinds, r->tree, t);
	bool found;
	void *msg;

	if (t->state == TASK_DEAD)
		return 0;
	if (image_get_one(r->store, IMAGE_FS, (unsigned long)t->pid, r->arena, &msg, &found, err) <
	    0)
		return -err->code;
	if (!found) {
		err_set(err, ENOENT, "cannot read fs-%d.img: there is no such image", t->pid);
		return err_hint(err,
				"the checkpoint is damaged or was not finished; take it again");
	}
	fs->entry = msg;
	return 0;
}

static int need_dir(struct restore *r, struct task *t, uint32_t id, struct file_need **need_ret,
		    struct err *err)
{
	struct file *f = file_by_id(r, id);

	if (!f || !f->image->reg)
		return err_set(err, EBADMSG, "cannot use fs-%d.img: there is no directory %u",
			       t->pid, id);
	*need_ret = file_need(r, t, f, -1);
	return 0;
}

static int plan_fs(struct restore *r, struct task *t, struct err *err)
{
	struct fs *fs = fs_of(r->arena, r->kinds, r->tree, t);

	if (need_dir(r, t, fs->entry->cwd_id, &fs->cwd, err) < 0)
		return -err->code;
	return need_dir(r, t, fs->entry->root_id, &fs->root, err);
}

/* The same directory may be mounted elsewhere, too. */
static bool is_our_root(int fd)
{
	struct statx root, ours;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &root) < 0 ||
	    statx(AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, &ours) < 0)
		return false;
	return root.stx_ino == ours.stx_ino && root.stx_mnt_id == ours.stx_mnt_id &&
	       root.stx_dev_major == ours.stx_dev_major && root.stx_dev_minor == ours.stx_dev_minor;
}

static int map_fs(struct restore *r, struct task *t, struct err *err)
{
	const struct fs *fs = fs_of(r->arena, r->kinds, r->tree, t);
	struct restorer_args *args = r->region->args;
	bool is_served = birth_is_served(t->birth, TABLE_FS);

	args->fs_root = is_served || is_our_root(fs->root->fd) ? -1 : fs->root->fd;
	args->fs_cwd = is_served ? -1 : fs->cwd->fd;
	args->umask = is_served || !fs->entry->has_umask ? -1 : (int32_t)fs->entry->umask;
	return 0;
}

const struct task_kind fs_kind = {
	.name = "fs",
	.state_size = sizeof(struct fs_state),
	.collect = collect_fs,
	.write = write_fs,
	.read = read_fs,
	.plan = plan_fs,
	.map = map_fs,
};
