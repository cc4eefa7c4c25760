/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * path_ref - the file a record names, and how it is found again
 *
 * dump      the name is what /proc says; it must still lead to the same inode.
 *           If not: no link left -> a ghost (ghost.c); linked elsewhere -> a hard
 *           link of ours beside it (--link-remap); hidden below a mount -> refused
 * restore   plan looks whether the file is there and has not changed; tasks open
 *           it by name, or through a descriptor of the coordinator (path_make.c)
 *
 * not done  files of a process that has gone (/proc/PID/...) are refused, and so
 *           are those of threads, which exist only after files have been opened
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
#include "core/build_id.h"
#include "core/external.h"
#include "core/file.h"
#include "core/ghost.h"
#include "core/path_ref.h"
#include "core/path_remap.h"

enum { JUST_TMPFILE = O_TMPFILE & ~O_DIRECTORY };

/* ---- dump: what can be compared later ---- */

int path_open_quietly(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOATIME | O_CLOEXEC);

	/* some file systems know no O_NOATIME */
	return fd >= 0 ? fd : openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

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

static void collect_looks(struct dump *d, const struct fd_probe *p, RegFileEntry *reg)
{
	reg->has_mode = true;
	reg->mode = p->st.st_mode;
	if (!S_ISREG(p->st.st_mode))
		return;
	/* a log may grow: whoever only appends does not care how long it is */
	if ((p->flags & (O_ACCMODE | O_APPEND)) != (O_WRONLY | O_APPEND)) {
		reg->has_size = true;
		reg->size = (uint64_t)p->st.st_size;
	}
	if (d->opts->validate_build_id && p->st.st_size > 0)
		collect_build_id(d, p, reg);
}

/* ---- dump: the name ---- */

static struct path_refs *refs_of(struct arena *a, struct path_refs **refs)
{
	if (!*refs)
		*refs = arena_new(a, struct path_refs);
	return *refs;
}

static bool leads_to(const char *name, const struct stat *st)
{
	struct stat there;

	return fstatat(AT_FDCWD, name, &there, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 &&
	       there.st_dev == st->st_dev && there.st_ino == st->st_ino;
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
	if (!task_by_host_pid(d->tree, pid))
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump %s: a file of a thread", name);
	return err_hint(err, "have the program close it, or open it through /proc/%d", pid);
}

/* Inodes of /proc come and go: a name that exists is the right one. */
static int collect_proc(const struct fd_probe *p, struct err *err)
{
	if (!p->deleted && access(p->link, F_OK) == 0)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump %s: its process has gone", p->link);
	return err_hint(err, "have the program close it before the dump");
}

static void add_remap(struct dump *d, const RegFileEntry *reg, RemapType type, const struct path_inode *to)
{
	struct path_remap *m = vec_add(d->arena, &refs_of(d->arena, &d->paths)->remaps);

	m->reg = reg;
	m->type = type;
	m->id = to->id;
	m->link = to->link;
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

static int collect_ghost(struct dump *d, const struct fd_probe *p, RegFileEntry *reg, struct err *err)
{
	struct path_refs *refs = refs_of(d->arena, &d->paths);
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

/* ---- dump: links of ours ---- */

/* The directory of @path becomes @path; false at the top. */
static bool cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == path && !path[1])
		return false;
	slash[slash == path] = '\0';
	return true;
}

/* In the directory it was in, or, if that has gone too, in the nearest one above. */
static int link_beside(struct dump *d, const struct fd_probe *p, RegFileEntry *link, struct err *err)
{
	char *dir = arena_strdup(d->arena, p->link);
	int code = ENOENT;

	while (code == ENOENT && cut_last(dir)) {
		link->name = arena_printf(d->arena, "%s/link_remap.%u", dir[1] ? dir : "", link->id);
		code = linkat(p->own, "", AT_FDCWD, link->name, AT_EMPTY_PATH) < 0 ? errno : 0;
	}
	if (!code)
		return 0;
	err_set(err, code, "cannot link the file that was %s to %s", p->link, link->name);
	return err_hint(err, "have the program close it before the dump");
}

static int make_link(struct dump *d, const struct fd_probe *p, struct path_inode *to_ret, struct err *err)
{
	FileEntry *fe = record_new(d, file_entry);
	RegFileEntry *link = record_new(d, reg_file_entry);

	if (!d->opts->link_remap) {
		err_set(err, EOPNOTSUPP, "cannot dump %s: the file lost this name and is linked elsewhere", p->link);
		return err_hint(err, "use --link-remap: it gets a name of ours beside the old one");
	}
	fe->type = FD_TYPES__REG;
	fe->reg = link;
	link->name = "";
	to_ret->id = file_add_record(d, fe);
	to_ret->link = link;
	if (link_beside(d, p, link, err) < 0)
		return -err->code;
	collect_looks(d, p, link);
	log_info("linked %s to %s", p->link, link->name);
	return 0;
}

static int collect_link(struct dump *d, const struct fd_probe *p, RegFileEntry *reg, struct err *err)
{
	struct path_refs *refs = refs_of(d->arena, &d->paths);
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

void path_ref_dump_end(struct dump *d, bool ok)
{
	struct path_inode *i;

	if (!d->paths || (ok && !d->opts->leave_running))
		return;
	vec_for_each(i, &d->paths->inodes)
		if (i->link && unlink(i->link->name) < 0)
			log_warn("cannot remove %s: %s", i->link->name, strerror(errno));
}

static int refuse_hidden(const struct fd_probe *p, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump %s: that name leads to another file, or nowhere", p->link);
	err_why(err, "something is mounted over it, or it is on a mount we cannot see");
	return err_hint(err, "unmount what hides it, or use --external file[%" PRIx64 ":%" PRIx64 "]", p->mnt_id,
			(uint64_t)p->st.st_ino);
}

static int collect_name(struct dump *d, const struct fd_probe *p, RegFileEntry *reg, struct err *err)
{
	const char *literal;

	reg->name = arena_strdup(d->arena, p->link);
	if (leads_to(p->link, &p->st))
		return check_thread(d, p->link, err);
	if (is_on_proc(p->own))
		return collect_proc(p, err);
	if (!p->deleted)
		return refuse_hidden(p, err);

	literal = arena_printf(d->arena, "%s (deleted)", p->link);
	if (leads_to(literal, &p->st)) {
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
	collect_looks(d, p, reg);
	return collect_name(d, p, reg, err);
}

int path_ref_drain(struct dump *d, struct err *err)
{
	scoped_image *img = NULL;
	struct path_remap *m;

	if (!d->paths)
		return 0;
	if (image_create(d->store, IMAGE_REMAP_FPATH, 0, &img, err) < 0)
		return -err->code;
	vec_for_each(m, &d->paths->remaps)
	{
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

/* ---- restore: read ---- */

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
		return err_set(err, EBADMSG, "cannot use remap-fpath.img: there is no file %u", e->orig_id);
	if (!e->has_remap_type)
		m.id &= ~(1u << 31);

	if (m.type == REMAP_TYPE__PROCFS) {
		err_set(err, EOPNOTSUPP, "cannot restore %s: its process %u has gone", m.reg->name, m.id);
		return err_hint(err, "close that file before the dump; this is not supported yet");
	}
	if (m.type == REMAP_TYPE__GHOST) {
		if (ghost_read(r, m.id, &m.ghost, err) < 0)
			return -err->code;
	} else {
		m.link = reg_by_id(r, m.id);
		if (!m.link)
			return err_set(err, EBADMSG, "cannot use remap-fpath.img: there is no file %u", m.id);
	}
	*vec_add(r->arena, &r->paths->remaps) = m;
	return 0;
}

int path_ref_read(struct restore *r, struct err *err)
{
	struct path_refs *refs = refs_of(r->arena, &r->paths);
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
		qsort(refs->remaps.items, refs->remaps.n, sizeof(refs->remaps.items[0]), compare_remaps);
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

/* ---- restore: plan ---- */

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
		if (!cut_last(path))
			return false;
	return fs.f_type == PROC_SUPER_MAGIC;
}

static int check_mode(const struct restore *r, const RegFileEntry *reg, const struct stat *st, struct err *err)
{
	uint32_t differ = reg->mode ^ st->st_mode;

	if (!reg->has_mode || !(differ & (r->opts->skip_file_rwx_check ? (uint32_t)S_IFMT : ~0u)))
		return 0;
	err_set(err, EINVAL, "cannot use %s: its mode is %o, and was %o", reg->name, (unsigned int)st->st_mode,
		reg->mode);
	if (differ & S_IFMT)
		return err_hint(err, "put back the file that was there at the dump");
	return err_hint(err, "chmod it back, or use --skip-file-rwx-check");
}

static int check_size(const RegFileEntry *reg, const struct stat *st, struct err *err)
{
	if (!reg->has_size || !S_ISREG(st->st_mode) || (uint64_t)st->st_size == reg->size)
		return 0;
	err_set(err, EINVAL, "cannot use %s: it has %" PRIu64 " bytes, and had %" PRIu64, reg->name,
		(uint64_t)st->st_size, reg->size);
	return err_hint(err, "put back the file as it was at the dump");
}

static int check_build_id(const struct restore *r, const RegFileEntry *reg, struct err *err)
{
	uint32_t words[BUILD_ID_WORDS];
	size_t n;

	if (!reg->n_build_id || !r->opts->validate_build_id)
		return 0;

	scoped_fd fd = path_open_quietly(AT_FDCWD, reg->name);

	if (fd < 0)
		return err_sys(err, "cannot read %s", reg->name);
	n = build_id_read(fd, words);
	if (n == reg->n_build_id && memcmp(words, reg->build_id, n * sizeof(words[0])) == 0)
		return 0;
	err_set(err, EINVAL, "cannot use %s: it is another build of that program", reg->name);
	return err_hint(err, "put back the file as it was at the dump");
}

/* The file at the name of @reg. */
static int check_file(struct restore *r, const RegFileEntry *reg, struct err *err)
{
	struct stat st;

	if (is_name_on_proc(r, reg->name))
		return 0;
	if (fstatat(AT_FDCWD, reg->name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
		err_sys(err, "cannot find %s", reg->name);
		return err_hint(err, "put back the file as it was at the dump");
	}
	if (check_mode(r, reg, &st, err) < 0 || check_size(reg, &st, err) < 0)
		return -err->code;
	return check_build_id(r, reg, err);
}

int path_ref_plan(struct restore *r, const RegFileEntry *reg, struct err *err)
{
	const struct path_remap *m = find_remap(r, reg);

	if (path_ref_is_substituted(r, reg))
		return 0;
	if (reg->has_ext && reg->ext) {
		err_set(err, ENOENT, "cannot restore %s: it was left outside of the dump", reg->name);
		return err_hint(err, "give a descriptor for it: --inherit-fd fd[N]:%s", reg->name);
	}
	if (reg->name[0] != '/')
		return err_set(err, EBADMSG, "cannot use the file name \"%s\": it is not absolute", reg->name);
	if (!m)
		return check_file(r, reg, err);
	if (!m->link)
		return 0;
	if (m->link->name[0] != '/')
		return err_set(err, EBADMSG, "cannot use the file name \"%s\": it is not absolute", m->link->name);
	return check_file(r, m->link, err);
}

/* ---- restore: make and open ---- */

int path_ref_before(struct restore *r, struct err *err)
{
	return r->paths ? path_make_all(r, r->paths, err) : 0;
}

/* A new open file of the inode behind the coordinator's @fd. */
static int open_again(struct restore *r, int fd, unsigned int flags, const char *name, struct err *err)
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

int path_ref_open(struct restore *r, const RegFileEntry *reg, unsigned int flags, struct err *err)
{
	const struct path_remap *m = find_remap(r, reg);
	int fd = substitute_of(r, reg);

	if (fd >= 0)
		return restore_borrow_fd(r, fd, err);
	flags = open_flags(reg, flags);
	if (m)
		return open_again(r, m->fd, flags, reg->name, err);

	fd = open(reg->name, (int)flags);
	if (fd < 0)
		return err_sys(err, "cannot open %s", reg->name);
	return fd;
}

void path_ref_restore_end(struct restore *r, bool ok)
{
	struct path_remap *m;

	if (!r->paths)
		return;
	vec_for_each(m, &r->paths->remaps)
	{
		if (m->fd >= 0)
			close(m->fd);
		m->fd = -1;
		/* several records may have the same link */
		if (ok && m->link && unlink(m->link->name) < 0 && errno != ENOENT)
			log_warn("cannot remove %s: %s", m->link->name, strerror(errno));
	}
}
