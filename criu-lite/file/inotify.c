/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inotify - watches on files and directories
 *
 * collect   watches are in fdinfo, with inode number and file handle
 * drain     the handle is opened to find the path.  Where a file system cannot
 *           do that (overlayfs), directories are searched for the inode (--irmap-
 *           scan-path).  What has no name any more must be open in the tree
 * plan      everything watched must be there: the path, or what the handle leads to
 * open      created empty
 * link      when all files are open, so that our opening is not seen; watches get
 *           their old numbers
 *
 * Nothing here opens a file but with O_PATH, which inotify does not report.
 *
 * not kept  events that nobody has read: reading would take them from a program
 *           that goes on, and the kernel has no way to put them back (a warning is
 *           in the log).  The next number for a watch, if the last was removed
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "base/vec.h"
#include "core/kind.h"
#include "images/fsnotify.pb-c.h"

enum { HANDLE_WORDS = 16 }; /* always that many in images */

static const unsigned long set_next_wd = _IOW('I', 0, int32_t);

struct mount_point {
	uint32_t dev; /* as the kernel writes it into fdinfo */
	const char *path;
};

struct inotify_state {
	bool mounts_known;
	vec(struct mount_point) mounts;
};

extern const struct file_kind inotify_kind;

/* ---- collect ---- */

static bool parse_hex_field(struct text *line, const char *key, uint32_t *ret)
{
	uint64_t n;

	text_skip_blanks(line);
	if (!text_lit(line, key) || !text_hex(line, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* "fhandle-bytes:8 fhandle-type:1 f_handle:4c20a700d124dbdd" */
static bool parse_handle(struct text *line, FhEntry *fh)
{
	struct slice hex;
	uint8_t *bytes = (uint8_t *)fh->handle;
	char digits[3] = { 0 };
	size_t i;

	if (!parse_hex_field(line, "fhandle-bytes:", &fh->bytes) ||
	    !parse_hex_field(line, "fhandle-type:", &fh->type))
		return false;
	text_skip_blanks(line);
	if (!text_lit(line, "f_handle:") || !text_word(line, &hex) || hex.n != 2 * (size_t)fh->bytes ||
	    fh->bytes > HANDLE_WORDS * sizeof(uint64_t))
		return false;
	for (i = 0; i < fh->bytes; i++) {
		memcpy(digits, hex.p + 2 * i, 2);
		bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

/* "wd:1 ino:a7204b sdev:fe00000 mask:fff ignored_mask:0 fhandle-bytes:8 ..." */
static bool parse_watch(struct text line, InotifyWdEntry *w)
{
	if (!parse_hex_field(&line, "wd:", &w->wd))
		return false;
	text_skip_blanks(&line);
	if (!text_lit(&line, "ino:") || !text_hex(&line, &w->i_ino) ||
	    !parse_hex_field(&line, "sdev:", &w->s_dev) || !parse_hex_field(&line, "mask:", &w->mask) ||
	    !parse_hex_field(&line, "ignored_mask:", &w->ignored_mask))
		return false;
	text_skip_blanks(&line);
	return line.p == line.end || parse_handle(&line, w->f_handle);
}

static InotifyWdEntry *watch_new(struct arena *a)
{
	InotifyWdEntry *w = record_of(a, &inotify_wd_entry__descriptor);

	w->f_handle = record_of(a, &fh_entry__descriptor);
	w->f_handle->n_handle = HANDLE_WORDS;
	w->f_handle->handle = arena_array(a, uint64_t, HANDLE_WORDS);
	return w;
}

static bool parse_watches(struct arena *a, const char *fdinfo, InotifyFileEntry *e)
{
	struct text rest = text_of(fdinfo, strlen(fdinfo)), line;
	vec(InotifyWdEntry *) watches = { 0 };

	while (text_line(&rest, &line)) {
		InotifyWdEntry *w;

		if (!text_lit(&line, "inotify "))
			continue;
		w = watch_new(a);
		if (!parse_watch(line, w))
			return false;
		*vec_add(a, &watches) = w;
	}
	e->wd = watches.items;
	e->n_wd = watches.n;
	return true;
}

static int collect_inotify(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	InotifyFileEntry *e = record_new(d, inotify_file_entry);
	int queued;

	if (!parse_watches(d->arena, p->fdinfo, e))
		return err_set(err, EPROTO, "cannot read the watches of inotify %d", p->fd);
	if (ioctl(p->own, FIONREAD, &queued) < 0)
		return err_sys(err, "cannot ask inotify %d for unread events", p->fd);
	if (queued)
		log_warn("inotify %d of task %d has %d bytes of unread events: they are not in the checkpoint",
			 p->fd, p->task->host_pid, queued);

	e->flags = p->flags;
	fe->ify = e;
	return 0;
}

/* ---- from handle to path, and back ---- */

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

/* "\040" is a blank. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		char octal[4] = { 0 };

		if (*s != '\\') {
			*to++ = *s++;
			continue;
		}
		memcpy(octal, s + 1, strnlen(s + 1, 3));
		*to++ = (char)strtoul(octal, NULL, 8);
		s += 1 + strlen(octal);
	}
	*to = '\0';
}

/* "36 35 98:0 /root /mnt/point rw ..." */
static bool parse_mount(struct arena *a, struct text line, struct mount_point *m)
{
	uint64_t n, major_nr, minor_nr;
	struct slice root, path;
	char *s;

	if (!text_u64(&line, &n) || !text_u64(&line, &n) || !text_u64(&line, &major_nr) || !text_lit(&line, ":") ||
	    !text_u64(&line, &minor_nr) || !text_word(&line, &root) || !text_word(&line, &path))
		return false;
	s = arena_alloc(a, path.n + 1);
	memcpy(s, path.p, path.n);
	unescape(s);
	m->path = s;
	m->dev = (uint32_t)(major_nr << 20 | minor_nr);
	return true;
}

static int know_mounts(int proc, struct arena *a, struct inotify_state *s, struct err *err)
{
	struct text rest, line;
	char *text;
	size_t len;
	int ret;

	if (s->mounts_known)
		return 0;
	ret = io_slurp_at(proc, "self/mountinfo", a, &text, &len);
	if (ret < 0)
		return err_set(err, -ret, "cannot read /proc/self/mountinfo");
	rest = text_of(text, len);
	while (text_line(&rest, &line)) {
		struct mount_point m;

		if (parse_mount(a, line, &m))
			*vec_add(a, &s->mounts) = m;
	}
	s->mounts_known = true;
	return 0;
}

/* Is @fd the inode of @w?  A watch of our own shows it with the same numbers, whatever stat() says. */
static bool is_watched(struct arena *a, int proc, int fd, const InotifyWdEntry *w)
{
	InotifyFileEntry own = INOTIFY_FILE_ENTRY__INIT;
	scoped_fd in = inotify_init1(IN_CLOEXEC);
	char path[64], *fdinfo;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (in < 0 || inotify_add_watch(in, path, IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF) < 0)
		return false;
	snprintf(path, sizeof(path), "self/fdinfo/%d", in);
	if (io_slurp_at(proc, path, a, &fdinfo, NULL) < 0 || !parse_watches(a, fdinfo, &own) || own.n_wd != 1)
		return false;
	return own.wd[0]->i_ino == w->i_ino && own.wd[0]->s_dev == w->s_dev;
}

/* ---- drain: what is watched? ---- */

/* Look for the inode below @dir, on this file system. */
static const char *search(struct dump *d, const char *dir, const InotifyWdEntry *w)
{
	char *roots[] = { (char *)dir, NULL };
	const char *found = NULL;
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	FTSENT *at;

	while (fts && !found && (at = fts_read(fts))) {
		scoped_fd fd = -1;

		if (at->fts_info == FTS_DP || !at->fts_statp || at->fts_statp->st_ino != w->i_ino)
			continue;
		fd = open(at->fts_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && is_watched(d->arena, d->proc, fd, w))
			found = arena_strdup(d->arena, at->fts_path);
	}
	if (fts)
		fts_close(fts);
	return found;
}

static const char *search_all(struct dump *d, const struct inotify_state *s, const InotifyWdEntry *w)
{
	const char *const *dir, *found;
	const struct mount_point *m;

	vec_for_each(dir, &d->opts->irmap_scan_paths)
	{
		found = search(d, *dir, w);
		if (found)
			return found;
	}
	vec_for_each(m, &s->mounts)
		if (m->dev == w->s_dev) {
			found = search(d, m->path, w);
			if (found)
				return found;
		}
	return NULL;
}

static const char *path_of(struct dump *d, int fd)
{
	char ref[32], path[PATH_MAX + 16];
	ssize_t n;

	snprintf(ref, sizeof(ref), "self/fd/%d", fd);
	n = readlinkat(d->proc, ref, path, sizeof(path) - 1);
	if (n < 0)
		return "?";
	path[n] = '\0';
	return arena_strdup(d->arena, path);
}

static bool is_at(const char *path, const struct stat *st)
{
	struct stat there;

	return lstat(path, &there) == 0 && there.st_dev == st->st_dev && there.st_ino == st->st_ino;
}

/* What is watched, by its handle, through any mount of its file system; -1: not found so. */
static int find_by_handle(const struct inotify_state *s, const InotifyWdEntry *w)
{
	const struct mount_point *m;
	struct stat st;

	vec_for_each(m, &s->mounts)
	{
		scoped_fd at = -1;
		int fd;

		if (m->dev != w->s_dev)
			continue;
		at = open(m->path, O_PATH | O_CLOEXEC);
		if (at < 0 || fstat(at, &st) < 0)
			continue;
		if (st.st_ino == w->i_ino)
			return take_fd(&at); /* a file may be a mount point too */
		fd = open_handle(at, w->f_handle);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

/* A file that the tree has open is there again after restore, with or without a name. */
static const struct file *find_open(struct dump *d, const struct stat *st)
{
	const struct file *f;
	struct stat other;
	char path[64];

	for_each_file(f, d->files)
	{
		if (f->fd < 0)
			continue;
		snprintf(path, sizeof(path), "%d/fd/%d", f->task->host_pid, f->fd);
		if (fstatat(d->proc, path, &other, 0) == 0 && other.st_dev == st->st_dev &&
		    other.st_ino == st->st_ino)
			return f;
	}
	return NULL;
}

static int name_by_fd(struct dump *d, int fd, InotifyWdEntry *w, struct err *err)
{
	const struct file *f;
	struct stat st;

	w->f_handle->path = (char *)path_of(d, fd);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "cannot stat %s, which is watched", w->f_handle->path);
	if (is_at(w->f_handle->path, &st))
		return 0;

	f = find_open(d, &st);
	if (!f) {
		err_set(err, ENOENT, "cannot dump a watch on %s: it has no name and nobody in the tree has it open",
			w->f_handle->path);
		return err_hint(err, "remove the watch, or close the file where it is open");
	}
	w->has_file_id = true;
	w->file_id = f->id;
	return 0;
}

static int name_watch(struct dump *d, const struct inotify_state *s, InotifyWdEntry *w, struct err *err)
{
	scoped_fd fd = d->opts->force_irmap ? -1 : find_by_handle(s, w);
	const char *path;

	if (fd >= 0)
		return name_by_fd(d, fd, w, err);
	path = search_all(d, s, w);
	if (path) {
		w->f_handle->path = (char *)path;
		return 0;
	}
	err_set(err, ENOENT, "cannot dump a watch on inode %lu of device %u:%u: cannot find its path",
		(unsigned long)w->i_ino, w->s_dev >> 20, w->s_dev & 0xfffff);
	return err_hint(err, "name its directory with --irmap-scan-path");
}

static int drain_inotify(struct dump *d, struct file *f, struct err *err)
{
	struct inotify_state *s = kind_state(d->kinds, &inotify_kind);
	InotifyFileEntry *e = f->image->ify;
	size_t i;

	if (know_mounts(d->proc, d->arena, s, err) < 0)
		return -err->code;
	for (i = 0; i < e->n_wd; i++)
		if (name_watch(d, s, e->wd[i], err) < 0)
			return -err->code;
	return 0;
}

/* ---- restore ---- */

static bool is_sound(const InotifyWdEntry *w)
{
	const FhEntry *fh = w->f_handle;

	return w->wd >= 1 && w->wd <= INT_MAX && fh->n_handle <= HANDLE_WORDS &&
	       fh->bytes <= fh->n_handle * sizeof(uint64_t);
}

static int read_inotify(struct restore *r, struct file *f, struct err *err)
{
	const InotifyFileEntry *e = f->image->ify;
	size_t i;

	for (i = 0; i < e->n_wd; i++) {
		const InotifyWdEntry *w = e->wd[i];

		if (!is_sound(w) || (w->has_file_id && !file_by_id(r, w->file_id))) {
			err_set(err, EBADMSG, "cannot restore watch %u: its record is damaged", w->wd);
			return err_hint(err, "the checkpoint is damaged or was not finished; take it again");
		}
	}
	return 0;
}

static bool has_ino(int fd, uint64_t ino)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == ino;
}

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

/*
 * What is watched: the inode at its path; or where it has moved to; or, on
 * another machine or after a copy, what is at the path now.
 */
static int find_watched(struct restore *r, const InotifyWdEntry *w, struct err *err)
{
	struct inotify_state *s = kind_state(r->kinds, &inotify_kind);
	const char *path = w->f_handle->path;
	scoped_fd at = -1;
	scoped_fd dir = -1;
	int fd;

	if (!path) {
		if (know_mounts(r->proc, r->arena, s, err) < 0)
			return -err->code;
		fd = find_by_handle(s, w);
		return fd < 0 ? err_set(err, ESTALE, "cannot find what watch %u is on", w->wd) : fd;
	}
	at = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (has_ino(at, w->i_ino))
		return take_fd(&at);
	dir = open_ancestor(path);
	fd = dir < 0 ? -1 : open_handle(dir, w->f_handle);
	if (has_ino(fd, w->i_ino))
		return fd;
	if (fd >= 0)
		close(fd);
	if (at < 0) {
		err_set(err, ENOENT, "cannot find %s, which is watched", path);
		return err_hint(err, "put it back where it was at the dump");
	}
	return take_fd(&at);
}

static int plan_inotify(struct restore *r, struct file *f, struct err *err)
{
	const InotifyFileEntry *e = f->image->ify;
	size_t i;

	for (i = 0; i < e->n_wd; i++) {
		int fd = e->wd[i]->has_file_id ? -1 : find_watched(r, e->wd[i], err);

		if (fd >= 0)
			close(fd);
		else if (!e->wd[i]->has_file_id)
			return fd;
	}
	return 0;
}

static int open_inotify(struct restore *r, struct file *f, struct err *err)
{
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd < 0) {
		err_sys(err, "cannot create an inotify");
		return err_hint(err, "raise the sysctl fs.inotify.max_user_instances");
	}
	return fd;
}

static int add_watch(int in, int target, const InotifyWdEntry *w, struct err *err)
{
	char path[64];
	int wd;

	if (ioctl(in, set_next_wd, w->wd) < 0)
		return err_sys(err, "cannot choose the number %u for a watch", w->wd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
	wd = inotify_add_watch(in, path, w->mask);
	if (wd < 0) {
		err_sys(err, "cannot add watch %u", w->wd);
		return err_hint(err, "see the sysctl fs.inotify.max_user_watches");
	}
	if ((uint32_t)wd != w->wd)
		return err_set(err, EEXIST, "cannot add watch %u: watch %d is on the same file", w->wd, wd);
	return 0;
}

static int link_watch(struct restore *r, int in, const InotifyWdEntry *w, struct err *err)
{
	bool lent = false;
	int target, ret;

	target = w->has_file_id ? file_borrow(r, file_by_id(r, w->file_id), &lent, err) : find_watched(r, w, err);
	if (target < 0)
		return target;
	ret = add_watch(in, target, w, err);
	if (!lent)
		close(target);
	return ret;
}

static int link_inotify(struct restore *r, struct file *f, int fd, struct err *err)
{
	const InotifyFileEntry *e = f->image->ify;
	uint32_t last = 0;
	size_t i;

	/* fdinfo shows the newest first */
	for (i = e->n_wd; i-- > 0;) {
		if (link_watch(r, fd, e->wd[i], err) < 0)
			return -err->code;
		last = e->wd[i]->wd > last ? e->wd[i]->wd : last;
	}
	if (last && last < INT_MAX && ioctl(fd, set_next_wd, last + 1) < 0)
		return err_sys(err, "cannot choose the number for the next watch");
	return 0;
}

const struct file_kind inotify_kind = {
	.name = "inotify",
	.type = FD_TYPES__INOTIFY,
	.anon = "inotify",
	.state_size = sizeof(struct inotify_state),
	.collect = collect_inotify,
	.drain = drain_inotify,
	.read = read_inotify,
	.plan = plan_inotify,
	.open = open_inotify,
	.link = link_inotify,
};
