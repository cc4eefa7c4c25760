/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * path_ref - the file a record names, found again (restore)
 *
 * Plan looks whether it is there and has not changed (path_check.c).  Tasks open it by its
 * name, or, if it has none of its own, through a descriptor of the coordinator
 * (path_make.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/external.h"
#include "core/file.h"
#include "core/ghost.h"
#include "core/mounts.h"
#include "core/ns.h"
#include "core/path_ref.h"
#include "core/path_remap.h"

enum { JUST_TMPFILE = O_TMPFILE & ~O_DIRECTORY };

/* ---- for both sides ---- */

bool path_cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == path && !path[1])
		return false;
	slash[slash == path] = '\0';
	return true;
}

int path_open_quietly(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOATIME | O_CLOEXEC);

	/* some file systems know no O_NOATIME */
	return fd >= 0 ? fd : openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* ---- read ---- */

static int compare_remaps(const void *pa, const void *pb)
{
	const struct path_remap *a = pa, *b = pb;

	return a->reg->id < b->reg->id ? -1 : a->reg->id > b->reg->id;
}

static const RegFileEntry *reg_by_id(struct restore *r, uint32_t id)
{
	const struct file *f = file_by_id(r, id);

	return f ? f->image->reg : NULL;
}

/* Old images have no type: bit 31 says that it is a ghost. */
static RemapType type_of(const RemapFilePathEntry *e)
{
	if (e->has_remap_type)
		return e->remap_type;
	return e->remap_id & 1u << 31 ? REMAP_TYPE__GHOST : REMAP_TYPE__LINKED;
}

static int read_remap(struct restore *r, const RemapFilePathEntry *e, struct err *err)
{
	struct path_remap m = { .type = type_of(e), .id = e->remap_id, .fd = -1 };

	m.reg = reg_by_id(r, e->orig_id);
	if (!m.reg)
		return err_set(err, EBADMSG, "cannot use remap-fpath.img: there is no file %u",
			       e->orig_id);
	if (!e->has_remap_type)
		m.id &= ~(1u << 31);

	if (m.type == REMAP_TYPE__GHOST) {
		if (ghost_read(r, m.id, &m.ghost, err) < 0)
			return -err->code;
	} else if (m.type != REMAP_TYPE__PROCFS) {
		m.link = reg_by_id(r, m.id);
		if (!m.link)
			return err_set(err, EBADMSG,
				       "cannot use remap-fpath.img: there is no file %u", m.id);
	}
	*vec_add(r->common, &r->paths->remaps) = m;
	return 0;
}

int path_ref_read(struct restore *r, struct err *err)
{
	struct path_refs *refs = r->paths = arena_new(r->arena, struct path_refs);
	scoped_image *img = NULL;
	bool found;
	void *msg;
	int ret;

	if (image_open(r->store, IMAGE_REMAP_FPATH, 0, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	while ((ret = image_get(img, &remap_file_path_entry__descriptor, &msg, err)) > 0)
		if (read_remap(r, msg, err) < 0)
			return -err->code;
	if (refs->remaps.n)
		qsort(refs->remaps.items, refs->remaps.n, sizeof(refs->remaps.items[0]),
		      compare_remaps);
	return ret;
}

static struct path_remap *find_remap(const struct restore *r, const RegFileEntry *reg)
{
	struct path_remap key = { .reg = reg };
	const struct path_refs *refs = r->paths;

	if (!refs || !refs->remaps.n)
		return NULL;
	return bsearch(&key, refs->remaps.items, refs->remaps.n, sizeof(key), compare_remaps);
}

bool path_is_plain(const struct restore *r, const RegFileEntry *reg)
{
	return !path_ref_is_substituted(r, reg) && !(reg->has_ext && reg->ext) &&
	       !(reg->has_message_queue && reg->message_queue) && !find_remap(r, reg);
}

/* ---- plan ---- */

/* The user gave us something in its place; -1: no. */
static int substitute_of(const struct restore *r, const RegFileEntry *reg)
{
	return external_inherited(r, reg->name + (reg->name[0] == '/'));
}

bool path_ref_is_substituted(const struct restore *r, const RegFileEntry *reg)
{
	return substitute_of(r, reg) >= 0;
}

/* Names of tasks to come: nothing is known of them yet. */
static bool is_name_on_proc(struct restore *r, const char *name)
{
	char *path = arena_strdup(r->arena, name);
	struct statfs fs;

	while (statfs(path, &fs) < 0)
		if (!path_cut_last(path))
			return false;
	return fs.f_type == PROC_SUPER_MAGIC;
}

/* The file at the name of @reg. */
static int check_file(struct restore *r, const RegFileEntry *reg, struct err *err)
{
	struct stat st;

	if (r->mounts || is_name_on_proc(r, reg->name))
		return 0;
	if (fstatat(AT_FDCWD, reg->name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
		err_sys(err, "cannot find %s", reg->name);
		return err_hint(err, "put back the file as it was at the dump");
	}
	return path_check(r, reg, &st, AT_FDCWD, reg->name, err);
}

/* The same when it is open: in a mount namespace that is not there before. */
static int check_open(struct restore *r, const RegFileEntry *reg, int fd, struct err *err)
{
	struct statfs fs;
	struct stat st;
	char path[32];

	if (!r->mounts || (fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC))
		return 0;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "cannot stat %s", reg->name);
	snprintf(path, sizeof(path), "self/fd/%d", fd);
	return path_check(r, reg, &st, r->proc, path, err);
}

int path_ref_plan(struct restore *r, const RegFileEntry *reg, struct err *err)
{
	const struct path_remap *m = find_remap(r, reg);

	if (path_ref_is_substituted(r, reg))
		return 0;
	if (reg->has_ext && reg->ext) {
		err_set(err, ENOENT, "cannot restore %s: it was left outside of the dump",
			reg->name);
		return err_hint(err, "give a descriptor for it: --inherit-fd fd[N]:%s", reg->name);
	}
	if (reg->name[0] != '/')
		return err_set(err, EBADMSG, "cannot use the file name \"%s\": it is not absolute",
			       reg->name);
	if (reg->has_message_queue && reg->message_queue)
		return path_queue_plan(r, reg, err);
	if (!m)
		return check_file(r, reg, err);
	if (m->type == REMAP_TYPE__PROCFS)
		return path_dead_plan(r, m, err);
	if (!m->link)
		return 0;
	if (m->link->name[0] != '/')
		return err_set(err, EBADMSG, "cannot use the file name \"%s\": it is not absolute",
			       m->link->name);
	return check_file(r, m->link, err);
}

/* ---- make and open ---- */

int path_ref_before(struct restore *r, struct err *err)
{
	if (!r->paths)
		return 0;
	if (path_check_before(r, err) < 0 || path_dead_before(r, r->paths, err) < 0)
		return -err->code;
	return path_make_all(r, err);
}

/* A new open file of the inode behind the coordinator's @fd. */
static int open_again(struct restore *r, int fd, unsigned int flags, const char *name,
		      struct err *err)
{
	scoped_fd own = restore_borrow_fd(r, fd, err);
	char path[32];
	int again;

	if (own < 0)
		return own;
	/* the last link is one of /proc: it must be followed, and leads to a symbolic link if that is what it was */
	snprintf(path, sizeof(path), "self/fd/%d", own);
	again = openat(r->proc, path, (int)(flags & ~(unsigned int)O_NOFOLLOW));
	if (again < 0)
		return err_sys(err, "cannot open the deleted file %s", name);
	return again;
}

static unsigned int open_flags(const RegFileEntry *reg, unsigned int flags)
{
	if (flags & JUST_TMPFILE)
		flags &= ~(unsigned int)O_TMPFILE;
	flags &= ~(unsigned int)(O_CREAT | O_EXCL | O_TRUNC | O_ASYNC);
	if (reg->has_mode && S_ISLNK(reg->mode))
		flags |= O_PATH | O_NOFOLLOW;
	return flags | O_NOCTTY | O_CLOEXEC;
}

int path_open_name(struct restore *r, const RegFileEntry *reg, int flags)
{
	int mnt_id = reg->has_mnt_id ? reg->mnt_id : -1;

	int fd = reg->has_covered && reg->covered ? mounts_open_covered(r, mnt_id, reg->name, flags)
						  : mounts_open(r, mnt_id, reg->name, flags);

	return fd < 0 ? ns_open_outside(r, reg->name, flags) : fd;
}

int path_ref_open(struct restore *r, const RegFileEntry *reg, unsigned int flags, struct err *err)
{
	const struct path_remap *m = find_remap(r, reg);
	int fd = substitute_of(r, reg);

	if (fd >= 0)
		return restore_borrow_fd(r, fd, err);
	if (reg->has_message_queue && reg->message_queue)
		return path_queue_open(reg, flags, err);
	flags = open_flags(reg, flags);
	if (m && m->type != REMAP_TYPE__PROCFS)
		return open_again(r, m->fd, flags, reg->name, err);

	fd = path_open_name(r, reg, (int)flags);
	if (fd < 0) {
		err_sys(err, "cannot open %s", reg->name);
		return r->mounts ? err_hint(err, "put back the file as it was at the dump")
				 : -err->code;
	}
	if (check_open(r, reg, fd, err) < 0) {
		close(fd);
		return -err->code;
	}
	return fd;
}

/* The name that --link-remap gave it. */
static void remove_link(struct restore *r, const RegFileEntry *link)
{
	struct err unused = { 0 };
	struct ns_visit visit;
	int ret;

	if (mounts_enter_restore(r, link->has_mnt_id ? link->mnt_id : -1, &visit, &unused) < 0)
		return;
	ret = path_unlink(link->name);
	if (ret < 0 && ret != -ENOENT)
		log_warn("cannot remove %s: %s", link->name, strerror(-ret));
	ns_leave(&visit, &unused);
}

void path_ref_restore_end(struct restore *r, bool ok)
{
	struct path_remap *m;

	if (!r->paths)
		return;
	vec_for_each(m, &r->paths->remaps) {
		if (m->fd >= 0)
			close(m->fd);
		m->fd = -1;
		/* several records may have the same link */
		if (ok && m->link)
			remove_link(r, m->link);
	}
}
