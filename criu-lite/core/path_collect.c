/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * path_collect - which name an open file has, if it has one (dump)
 *
 * The name is what /proc says; it must still lead to the same inode.  If not:
 * no link left -> a ghost (ghost.c); linked elsewhere -> a hard link of ours
 * beside it (--link-remap); hidden below a mount -> found through the mount it is on,
 * if that is the tree's own, else refused.
 *
 * A file of a process that has gone (/proc/PID/...) says so (path_dead.c).
 *
 * not done  files of threads, which exist only after files have been opened
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/build_id.h"
#include "core/external.h"
#include "core/file.h"
#include "core/file_sum.h"
#include "core/ghost.h"
#include "core/mounts.h"
#include "core/path_ref.h"
#include "core/path_remap.h"

/* ---- what can be compared later ---- */

static void collect_build_id(struct dump *d, const struct fd_probe *p, RegFileEntry *reg)
{
	uint32_t words[BUILD_ID_WORDS];
	char path[32];
	size_t n;

	snprintf(path, sizeof(path), "self/fd/%d", p->own);

	scoped_fd fd = path_open_quietly(d->proc, path);

	/* what cannot be read now cannot be compared later */
	n = fd < 0 ? 0 : build_id_read(fd, words);
	if (!n)
		return;
	reg->n_build_id = n;
	reg->build_id = arena_dup(d->arena, words, n * sizeof(words[0]));
}

static void collect_sum(struct dump *d, const struct fd_probe *p, RegFileEntry *reg)
{
	char path[32];

	snprintf(path, sizeof(path), "self/fd/%d", p->own);

	scoped_fd fd = path_open_quietly(d->proc, path);

	reg->has_checksum = fd >= 0 && file_sum(fd, reg->size, &reg->checksum) == 0;
}

/* Opening it would break the lease, and tell its owner. */
static bool is_leased(const struct fd_probe *p)
{
	return strstr(p->fdinfo, ": LEASE ");
}

static void collect_looks(struct dump *d, const struct fd_probe *p, RegFileEntry *reg)
{
	reg->has_mode = true;
	reg->mode = p->st.st_mode;
	if (!S_ISREG(p->st.st_mode))
		return;
	reg->has_size = true;
	reg->size = (uint64_t)p->st.st_size;
	if (p->st.st_size == 0 || is_leased(p) || path_is_guarded(d, &p->st))
		return;
	if (d->opts->validation >= VALIDATE_BUILD_ID)
		collect_build_id(d, p, reg);
	if (d->opts->validation >= VALIDATE_CHECKSUM && !d->dry)
		collect_sum(d, p, reg);
}

/* ---- the name ---- */

struct path_refs *path_refs_of(struct dump *d)
{
	if (!d->paths)
		d->paths = arena_new(d->arena, struct path_refs);
	return d->paths;
}

static uint64_t mount_at(const char *name)
{
	struct statx sx;

	if (statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &sx) < 0)
		return 0;
	return sx.stx_mnt_id;
}

/*
 * The host's /dev/null, which somebody had open when he joined a container: null,
 * zero, random and their like are the same behind any name.
 */
static bool is_same_device(const struct dump *d, const struct fd_probe *p, const struct stat *there)
{
	return d->mounts && !mount_by_id(d->mounts, (uint32_t)p->mnt_id) &&
	       S_ISCHR(p->st.st_mode) && S_ISCHR(there->st_mode) &&
	       p->st.st_rdev == there->st_rdev && major(there->st_rdev) == MEM_MAJOR;
}

/*
 * In a mount namespace of its own a file is opened again by its name, so that
 * must lead through the same mount.  What was opened before the task came there
 * is on a mount of somewhere else.
 */
static bool leads_to(const struct dump *d, const struct fd_probe *p, const char *name)
{
	struct stat there;

	if (fstatat(AT_FDCWD, name, &there, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return false;
	if (is_same_device(d, p, &there))
		return true;
	return there.st_dev == p->st.st_dev && there.st_ino == p->st.st_ino &&
	       (!mount_by_id(d->mounts, (uint32_t)p->mnt_id) || mount_at(name) == p->mnt_id);
}

/* Readers that know mounts look for the one with this id. */
static void note_mount(const struct dump *d, const struct fd_probe *p, RegFileEntry *reg)
{
	if (!d->mounts)
		return;
	reg->has_mnt_id = true;
	reg->mnt_id = mount_by_id(d->mounts, (uint32_t)p->mnt_id) ? (int32_t)p->mnt_id
								  : (int32_t)mount_at(reg->name);
}

static bool is_on_proc(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* "/proc/12/task/15/stat": threads are born after files have been opened. */
static int check_thread(const struct dump *d, const char *name, struct err *err)
{
	int pid, tid;

	if (sscanf(name, "/proc/%d/task/%d", &pid, &tid) != 2 || pid == tid)
		return 0;
	if (!task_by_pid(d->tree, pid))
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump %s: a file of a thread", name);
	return err_hint(err, "have the program close it, or open it through /proc/%d", pid);
}

static void add_remap(struct dump *d, const RegFileEntry *reg, RemapType type,
		      const struct path_inode *to)
{
	struct path_remap *m = vec_add(d->arena, &path_refs_of(d)->remaps);

	m->reg = reg;
	m->type = type;
	m->id = to->id;
	m->link = to->link;
}

/* Its pid may be another's by now. */
static bool is_of_dead(const struct fd_probe *p)
{
	char byte;

	return p->deleted || access(p->link, F_OK) < 0 ||
	       (pread(p->own, &byte, 1, 0) < 0 && errno == ESRCH);
}

/* Inodes of /proc come and go: a name that exists is the right one. */
static int collect_proc(struct dump *d, const struct fd_probe *p, const RegFileEntry *reg,
			struct err *err)
{
	struct path_inode dead = { .id = (uint32_t)path_dead_pid(p->link) };

	if (!is_of_dead(p))
		return 0;
	if (dead.id) {
		add_remap(d, reg, REMAP_TYPE__PROCFS, &dead);
		return 0;
	}
	err_set(err, EOPNOTSUPP, "cannot dump %s: what it tells of has gone", p->link);
	return err_hint(err, "have the program close it before the dump");
}

static struct path_inode *find_inode(struct path_refs *refs, const struct stat *st)
{
	struct path_inode *i;

	vec_for_each(i, &refs->inodes)
		if (i->dev == st->st_dev && i->ino == st->st_ino)
			return i;
	return NULL;
}

static struct path_inode *add_inode(struct dump *d, struct path_refs *refs, const struct stat *st)
{
	struct path_inode *i = vec_add(d->arena, &refs->inodes);

	i->dev = st->st_dev;
	i->ino = st->st_ino;
	return i;
}

static int collect_ghost(struct dump *d, const struct fd_probe *p, RegFileEntry *reg,
			 struct err *err)
{
	struct path_refs *refs = path_refs_of(d);
	struct path_inode *i = find_inode(refs, &p->st);

	if (!i) {
		if (ghost_write(d, p, refs->last_ghost + 1, err) < 0)
			return -err->code;
		i = add_inode(d, refs, &p->st);
		i->id = ++refs->last_ghost;
	}
	log_debug("%s is deleted: ghost %u", p->link, i->id);
	add_remap(d, reg, REMAP_TYPE__GHOST, i);
	return 0;
}

/* ---- links of ours ---- */

enum { NAMES_MAX = 100 };

/*
 * A dump that was killed has left its names, and another may live beside them;
 * so a name that is taken is left alone.  Returns an errno, positive.
 */
static int link_in(struct dump *d, const struct fd_probe *p, const char *dir, RegFileEntry *link)
{
	int n = 0, ret;

	link->name = arena_printf(d->arena, "%s/link_remap.%u", dir, link->id);
	while ((ret = path_link(d, p->own, link->name)) < 0) {
		if (ret != -EEXIST || n == NAMES_MAX)
			return -ret;
		link->name = arena_printf(d->arena, "%s/link_remap.%u.%d", dir, link->id, ++n);
	}
	return 0;
}

/* In the directory it was in, or, if that has gone too, in the nearest one above. */
static int link_beside(struct dump *d, const struct fd_probe *p, RegFileEntry *link,
		       struct err *err)
{
	char *dir = arena_strdup(d->arena, p->link);
	int code = ENOENT;

	while ((code == ENOENT || code == ENOTDIR) && path_cut_last(dir))
		code = link_in(d, p, dir[1] ? dir : "", link);
	if (!code)
		return 0;
	err_set(err, code, "cannot link the file that was %s to %s", p->link, link->name);
	return err_hint(err, "have the program close it before the dump");
}

static int make_link(struct dump *d, const struct fd_probe *p, struct path_inode *to_ret,
		     struct err *err)
{
	FileEntry *fe = record_new(d, file_entry);
	RegFileEntry *link = record_new(d, reg_file_entry);

	if (!d->opts->link_remap) {
		err_set(err, EOPNOTSUPP,
			"cannot dump %s: the file lost this name and is linked elsewhere", p->link);
		return err_hint(err, "use --link-remap: it gets a name of ours beside the old one");
	}
	fe->type = FD_TYPES__REG;
	fe->reg = link;
	link->name = "";
	to_ret->id = file_add_record(d, fe);
	to_ret->link = link;
	if (d->dry)
		return 0;
	if (link_beside(d, p, link, err) < 0)
		return -err->code;
	collect_looks(d, p, link);
	note_mount(d, p, link);
	log_info("linked %s to %s", p->link, link->name);
	return 0;
}

static int collect_link(struct dump *d, const struct fd_probe *p, RegFileEntry *reg,
			struct err *err)
{
	struct path_refs *refs = path_refs_of(d);
	struct path_inode *i = find_inode(refs, &p->st);
	struct path_inode new = { 0 };

	if (!i) {
		if (make_link(d, p, &new, err) < 0)
			return -err->code;
		i = add_inode(d, refs, &p->st);
		i->id = new.id;
		i->link = new.link;
	}
	add_remap(d, reg, REMAP_TYPE__LINKED, i);
	return 0;
}

static void remove_link(struct dump *d, const RegFileEntry *link)
{
	struct err unused = { 0 };
	struct ns_visit visit;
	int ret = mounts_enter_dump(d, NULL, link->has_mnt_id ? (uint64_t)link->mnt_id : 0, &visit,
				    &unused);

	if (ret == 0)
		ret = path_unlink(link->name);
	if (ret < 0)
		log_warn("cannot remove %s: %s", link->name, strerror(-ret));
	mounts_leave(d, &visit, &unused);
}

void path_ref_dump_end(struct dump *d, bool ok)
{
	struct path_inode *i;

	if (!d->paths || d->dry || (ok && !d->opts->leave_running))
		return;
	vec_for_each(i, &d->paths->inodes)
		if (i->link)
			remove_link(d, i->link);
}

static int refuse_hidden(const struct fd_probe *p, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump %s: that name leads to another file, or nowhere",
		p->link);
	err_why(err, "something is mounted over it, or it is on a mount we cannot see");
	return err_hint(err,
			"unmount what hides it, or use --external file[%" PRIx64 ":%" PRIx64 "]",
			p->mnt_id, (uint64_t)p->st.st_ino);
}

static int collect_name(struct dump *d, const struct fd_probe *p, RegFileEntry *reg,
			struct err *err)
{
	const char *literal;

	reg->name = arena_strdup(d->arena, p->link);
	if (leads_to(d, p, p->link))
		return check_thread(d, p->link, err);
	if (is_on_proc(p->own))
		return collect_proc(d, p, reg, err);
	if (!p->deleted && mount_by_id(d->mounts, (uint32_t)p->mnt_id)) {
		reg->has_covered = reg->covered = true;
		return 0;
	}
	if (!p->deleted)
		return refuse_hidden(p, err);

	literal = arena_printf(d->arena, "%s (deleted)", p->link);
	if (leads_to(d, p, literal)) {
		reg->name = (char *)literal;
		return 0;
	}
	/* not all file systems count the links of directories */
	if (p->st.st_nlink == 0 || S_ISDIR(p->st.st_mode))
		return collect_ghost(d, p, reg, err);
	return collect_link(d, p, reg, err);
}

int path_ref_collect(struct dump *d, const struct fd_probe *p, RegFileEntry *reg, struct err *err)
{
	if (external_file(d, p->mnt_id, p->st.st_ino)) {
		reg->name = (char *)external_file_key(d->arena, p->mnt_id, p->st.st_ino);
		reg->has_ext = reg->ext = true;
		return 0;
	}
	if (path_is_queue(p))
		return path_queue_collect(d, p, reg, err);
	collect_looks(d, p, reg);
	if (collect_name(d, p, reg, err) < 0)
		return -err->code;
	note_mount(d, p, reg);
	return 0;
}

int path_ref_drain(struct dump *d, struct err *err)
{
	scoped_image *img = NULL;
	struct path_remap *m;

	if (!d->paths)
		return 0;
	if (image_create(d->store, IMAGE_REMAP_FPATH, 0, &img, err) < 0)
		return -err->code;
	vec_for_each(m, &d->paths->remaps) {
		RemapFilePathEntry e = REMAP_FILE_PATH_ENTRY__INIT;

		e.orig_id = m->reg->id;
		e.remap_id = m->id;
		e.has_remap_type = true;
		e.remap_type = m->type;
		if (image_put(img, &e.base, err) < 0)
			return -err->code;
	}
	return image_close(take_ptr(img), err);
}
