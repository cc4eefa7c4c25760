/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inode_path - from an inode to its path, and back
 *
 * The handle of an inode is opened, and /proc says what that is.  File systems
 * that cannot do so (overlayfs) are searched for the inode.
 *
 * Everything is opened with O_PATH only, which nobody who watches is told of.
 * A search has to open directories.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "core/inode_path.h"
#include "core/mounts.h"
#include "core/kind.h"
#include "core/task.h"

/* ---- mounts ---- */

/* In a chroot the root directory need not be a mount, and what it lies on is not listed. */
static void add_root(struct arena *a, struct mount_list *list)
{
	struct mount_point *m;
	struct stat st;

	if (stat("/", &st) < 0)
		return;
	m = vec_add(a, &list->points);
	m->id = 0;
	m->dev = (uint32_t)(major(st.st_dev) << 20 | minor(st.st_dev));
	m->path = "/";
}

static int know_mounts(int proc, const struct mounts *all, struct arena *a, struct mount_list *list,
		       struct err *err)
{
	const struct mount_ns *here = all ? all->here : NULL;
	const struct mount *m;
	mount_rows rows = { 0 };

	if (list->known && list->of == here)
		return 0;
	list->points.n = 0;
	if (mountinfo_read(proc, "self/mountinfo", a, &rows, err) < 0)
		return -err->code;
	vec_for_each(m, &rows)
		*vec_add(a, &list->points) = (struct mount_point){ m->entry->mnt_id,
								   m->entry->root_dev,
								   m->entry->mountpoint };
	add_root(a, list);
	list->known = true;
	list->of = here;
	return 0;
}

/* Does the name still lead to mount @id? */
static bool is_on_mount(const char *path, uint32_t id)
{
	struct statx sx;

	return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &sx) ==
		       0 &&
	       (sx.stx_mask & STATX_MNT_ID) && sx.stx_mnt_id == id;
}

int mount_path_by_id(struct dump *d, struct mount_list *list, uint32_t id, const char **path_ret,
		     struct err *err)
{
	const struct mount_point *m;

	if (know_mounts(d->proc, d->mounts, d->arena, list, err) < 0)
		return -err->code;
	*path_ret = NULL;
	vec_for_each(m, &list->points)
		if (m->id == id && is_on_mount(m->path, id))
			*path_ret = m->path;
	return 0;
}

int mount_path_by_dev(struct dump *d, struct mount_list *list, uint32_t dev, const char **path_ret,
		      struct err *err)
{
	const struct mount_point *m;

	if (know_mounts(d->proc, d->mounts, d->arena, list, err) < 0)
		return -err->code;
	*path_ret = NULL;
	vec_for_each(m, &list->points)
		if (m->dev == dev && !*path_ret && (!m->id || is_on_mount(m->path, m->id)))
			*path_ret = m->path;
	return 0;
}

/* ---- handles ---- */

FhEntry *inode_handle_new(struct arena *a)
{
	FhEntry *fh = record_of(a, &fh_entry__descriptor);

	fh->n_handle = HANDLE_WORDS;
	fh->handle = arena_array(a, uint64_t, HANDLE_WORDS);
	return fh;
}

static bool parse_number(struct text *t, const char *key, uint32_t *ret)
{
	uint64_t n;

	text_skip_blanks(t);
	if (!text_lit(t, key) || !text_hex(t, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

bool inode_handle_parse(struct text *t, FhEntry *fh)
{
	uint8_t *bytes = (uint8_t *)fh->handle;
	char digits[3] = { 0 };
	struct slice hex;
	size_t i;

	if (!parse_number(t, "fhandle-bytes:", &fh->bytes) ||
	    !parse_number(t, "fhandle-type:", &fh->type))
		return false;
	text_skip_blanks(t);
	if (!text_lit(t, "f_handle:") || !text_word(t, &hex) || hex.n != 2 * (size_t)fh->bytes ||
	    fh->bytes > HANDLE_WORDS * sizeof(uint64_t))
		return false;
	for (i = 0; i < fh->bytes; i++) {
		memcpy(digits, hex.p + 2 * i, 2);
		bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

bool inode_handle_is_sound(const FhEntry *fh)
{
	return fh->n_handle <= HANDLE_WORDS && fh->bytes <= fh->n_handle * sizeof(uint64_t);
}

/* ---- from handle to file ---- */

/*
 * Open (O_PATH) what @fh is in the file system of directory @dir.  The system
 * call does not take an O_PATH descriptor for that, and opening a directory in
 * another way would be seen by who watches it; but the working directory will do.
 */
static int open_handle(int dir, const FhEntry *fh)
{
	struct {
		struct file_handle head;
		uint8_t bytes[HANDLE_WORDS * sizeof(uint64_t)];
	} h = { .head = { .handle_bytes = fh->bytes, .handle_type = (int)fh->type } };
	scoped_fd cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (cwd < 0 || !fh->bytes)
		return -1;
	memcpy(h.bytes, fh->handle, fh->bytes);
	if (fchdir(dir) < 0)
		return -1;
	fd = open_by_handle_at(AT_FDCWD, &h.head, O_PATH | O_CLOEXEC);
	return fchdir(cwd) < 0 ? -1 : fd;
}

static bool has_ino(int fd, uint64_t ino)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == ino;
}

/* ---- dump: by searching ---- */

/* Is @fd the inode?  A watch of our own shows it with the same numbers, whatever stat() says. */
static bool is_inode(struct dump *d, int fd, const struct inode_path *i)
{
	scoped_fd in = inotify_init1(IN_CLOEXEC);
	scoped_cwd cwd = io_chdir(d->proc);
	char path[64], *fdinfo, *line;
	uint64_t ino;
	uint32_t dev;

	snprintf(path, sizeof(path), "self/fd/%d", fd);
	if (in < 0 || cwd < 0 || inotify_add_watch(in, path, IN_DELETE_SELF) < 0)
		return false;
	snprintf(path, sizeof(path), "self/fdinfo/%d", in);
	if (io_slurp_at(d->proc, path, d->arena, &fdinfo, NULL) < 0)
		return false;
	line = strstr(fdinfo, "inotify wd:");
	return line &&
	       sscanf(line, "inotify wd:%*x ino:%" SCNx64 " sdev:%" SCNx32, &ino, &dev) == 2 &&
	       ino == i->ino && dev == i->dev;
}

/* Look for it below @dir, on this file system. */
static const char *search(struct dump *d, const char *dir, const struct inode_path *i)
{
	char *roots[] = { (char *)dir, NULL };
	const char *found = NULL;
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	FTSENT *at;

	while (fts && !found && (at = fts_read(fts))) {
		scoped_fd fd = -1;

		if (at->fts_info == FTS_DP || !at->fts_statp || at->fts_statp->st_ino != i->ino)
			continue;
		fd = open(at->fts_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && is_inode(d, fd, i))
			found = arena_strdup(d->arena, at->fts_path);
	}
	if (fts)
		fts_close(fts);
	return found;
}

static const char *search_all(struct dump *d, const struct mount_list *list,
			      const struct inode_path *i)
{
	const char *const *dir, *found;
	const struct mount_point *m;

	vec_for_each(dir, &d->opts->irmap_scan_paths) {
		found = search(d, *dir, i);
		if (found)
			return found;
	}
	vec_for_each(m, &list->points)
		if (m->dev == i->dev) {
			found = search(d, m->path, i);
			if (found)
				return found;
		}
	return NULL;
}

/* ---- dump ---- */

static const char *path_of(int proc, struct arena *a, int fd)
{
	char ref[32], path[PATH_MAX + 16];
	ssize_t n;

	snprintf(ref, sizeof(ref), "self/fd/%d", fd);
	n = readlinkat(proc, ref, path, sizeof(path) - 1);
	if (n < 0)
		return "?";
	path[n] = '\0';
	return arena_strdup(a, path);
}

static bool is_at(const char *path, const struct stat *st)
{
	struct stat there;

	return lstat(path, &there) == 0 && there.st_dev == st->st_dev && there.st_ino == st->st_ino;
}

/* A file that the tree has open is there again after restore, with or without a name. */
static const struct file *find_open(struct dump *d, const struct inode_path *i)
{
	const struct file *f;
	char path[64];

	for_each_file(f, d->files) {
		scoped_fd fd = -1;

		if (f->fd < 0)
			continue;
		snprintf(path, sizeof(path), "%d/fd/%d", f->task->host_alive, f->fd);
		fd = openat(d->proc, path, O_PATH | O_CLOEXEC);
		if (has_ino(fd, i->ino) && is_inode(d, fd, i))
			return f;
	}
	return NULL;
}

/* The path of @fd, if it is still there. */
static const char *name_of_fd(int proc, struct arena *a, int fd)
{
	const char *path = path_of(proc, a, fd);
	struct stat st;

	return fstat(fd, &st) == 0 && is_at(path, &st) ? path : NULL;
}

static int open_on_mount(const struct mount_point *m, const struct inode_path *i)
{
	scoped_fd at = open(m->path, O_PATH | O_CLOEXEC);

	if (has_ino(at, i->ino))
		return take_fd(&at); /* a file may be a mount point too */
	return at < 0 ? -1 : open_handle(at, i->handle);
}

/*
 * Through any mount of its file system, though not each of them has the whole of it (a
 * container is made of such): best one that has a name for it, @path_ret.  -1: not found so.
 */
static int find_by_handle(int proc, struct arena *a, const struct mount_list *list,
			  const struct inode_path *i, const char **path_ret)
{
	const struct mount_point *m;
	scoped_fd nameless = -1;

	vec_for_each(m, &list->points) {
		scoped_fd fd = m->dev == i->dev ? open_on_mount(m, i) : -1;

		if (fd < 0)
			continue;
		*path_ret = name_of_fd(proc, a, fd);
		if (*path_ret)
			return take_fd(&fd);
		if (nameless < 0)
			nameless = take_fd(&fd);
	}
	return take_fd(&nameless);
}

/* In the mount namespace in which we are; *@fd_ret: what its handle leads to, or -1. */
static int find_here(struct dump *d, struct mount_list *m, const struct inode_path *i, int *fd_ret,
		     struct err *err)
{
	const char *path = NULL;
	struct statx sx;

	*fd_ret = -1;
	if (know_mounts(d->proc, d->mounts, d->arena, m, err) < 0)
		return -err->code;
	if (!d->opts->force_irmap)
		*fd_ret = find_by_handle(d->proc, d->arena, m, i, &path);
	if (*fd_ret < 0)
		path = search_all(d, m, i);
	i->handle->path = (char *)path;
	if (path && d->mounts &&
	    statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &sx) == 0) {
		i->handle->has_mnt_id = true;
		i->handle->mnt_id = (uint32_t)sx.stx_mnt_id;
	}
	return 0;
}

static int find_there(struct dump *d, struct mount_list *list, const struct inode_path *i,
		      uint32_t mnt_id, struct err *err)
{
	struct err back = { 0 };
	struct ns_visit visit;
	int fd = -1;

	if (mounts_enter_dump(d, NULL, mnt_id, &visit, err) < 0 ||
	    find_here(d, list, i, &fd, err) < 0)
		return -err->code;
	if (fd >= 0)
		close(fd);
	if (mounts_leave(d, &visit, &back) < 0) {
		*err = back;
		return -err->code;
	}
	return 0;
}

/* Where the program made the watch it had other mounts: perhaps those of another task. */
static int find_elsewhere(struct dump *d, struct mount_list *list, const struct inode_path *i,
			  struct err *err)
{
	const struct mount_ns *here = d->mounts ? d->mounts->here : NULL;
	struct mount **m;

	if (!d->mounts)
		return 0;
	vec_for_each(m, &d->mounts->by_id) {
		if ((*m)->entry->root_dev != i->dev || (*m)->ns == here)
			continue;
		if (find_there(d, list, i, (*m)->entry->mnt_id, err) < 0)
			return -err->code;
		if (i->handle->path)
			return 0;
	}
	return 0;
}

int inode_path_find(struct dump *d, struct mount_list *m, const struct inode_path *i,
		    const struct file **file_ret, struct err *err)
{
	int found;

	if (find_here(d, m, i, &found, err) < 0)
		return -err->code;

	scoped_fd fd = found;

	*file_ret = i->handle->path ? NULL : find_open(d, i);
	if (i->handle->path || *file_ret)
		return 0;
	if (find_elsewhere(d, m, i, err) < 0)
		return -err->code;
	if (i->handle->path)
		return 0;
	if (fd >= 0) {
		err_set(err, EOPNOTSUPP,
			"cannot dump a watch on %s, which nobody in the tree has open",
			path_of(d->proc, d->arena, fd));
		err_why(err, "the name leads to nothing, or to another file");
		return err_hint(err, "remove the watch, or close the file where it is open");
	}
	err_set(err, EOPNOTSUPP,
		"cannot dump a watch on inode %" PRIu64 " of device %u:%u: cannot find its path",
		i->ino, i->dev >> 20, i->dev & 0xfffff);
	err_why(err, "its file handle leads nowhere, and a search has not met it");
	return err_hint(err, "name its directory with --irmap-scan-path");
}

/* ---- restore ---- */

/* The directory of @path that is still there. */
static int open_ancestor(const char *path)
{
	char dir[PATH_MAX];
	char *slash;
	int fd = -1;

	snprintf(dir, sizeof(dir), "%s", path);
	while (fd < 0 && (slash = strrchr(dir, '/'))) {
		slash[slash == dir] = '\0';
		fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (slash == dir)
			break;
	}
	return fd;
}

static int open_moved(const char *path, const struct inode_path *i)
{
	scoped_fd dir = open_ancestor(path);
	scoped_fd fd = dir < 0 ? -1 : open_handle(dir, i->handle);

	return has_ino(fd, i->ino) ? take_fd(&fd) : -1;
}

int inode_path_open(struct restore *r, struct mount_list *m, const struct inode_path *i,
		    struct err *err)
{
	const char *path = i->handle->path;
	scoped_fd at = -1;
	int fd;

	if (!path) {
		if (know_mounts(r->proc, NULL, r->arena, m, err) < 0)
			return -err->code;
		fd = find_by_handle(r->proc, r->arena, m, i, &path);
		return fd < 0 ? err_set(err, ESTALE,
					"cannot find inode %" PRIu64 ", which is watched", i->ino)
			      : fd;
	}
	at = mounts_open(r, i->handle->has_mnt_id ? (int)i->handle->mnt_id : -1, path,
			 O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (has_ino(at, i->ino))
		return take_fd(&at);
	fd = open_moved(path, i);
	if (fd >= 0)
		return fd;
	if (at >= 0)
		return take_fd(&at);
	err_set(err, ENOENT, "cannot find %s, which is watched", path);
	return err_hint(err, "put it back where it was at the dump");
}
