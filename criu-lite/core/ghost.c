/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ghost - a file that is open but has no name any more, carried along
 *
 * dump      its inode's attributes, and the content of a regular file; holes
 *           are left out, as pieces (chunks) of data with an offset each
 * restore   made again; path_make.c gives and takes its name
 *
 * not kept  change time; inode flags (chattr); attributes that the policy of the
 *           system gives (security.*, but for capabilities)
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/ghost.h"
#include "core/ns.h"
#include "core/path_remap.h"

enum {
	WHOLE_MAX = 12288, /* from this size on, and with holes, content is in chunks */
	BUFFER = 64 * 1024,
};

/* ---- dump ---- */

static int check_limit(struct dump *d, const struct fd_probe *p, struct err *err)
{
	uint64_t size = (uint64_t)p->st.st_blocks * 512;

	if (size <= d->opts->ghost_limit)
		return 0;
	err_set(err, EOPNOTSUPP,
		"cannot carry along the deleted file %s: it has %" PRIu64 " KiB of data", p->link,
		size / 1024);
	err_why(err, "the limit is %" PRIu64 " KiB", d->opts->ghost_limit / 1024);
	return err_hint(err, "raise it: --ghost-limit %" PRIu64 "M", (size >> 20) + 1);
}

/* Others are given by the file system or the policy of the system. */
static bool is_kept(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strncmp(name, "system.posix_acl_", 17) == 0 ||
	       strcmp(name, "security.capability") == 0 ||
	       (strncmp(name, "trusted.", 8) == 0 && strncmp(name, "trusted.overlay.", 16) != 0);
}

static uint32_t get_le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static void set_le32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

/* A version, and entries of 8 bytes: what it is for (16 bits), rights (16 bits), an id. */
static void translate_acl(struct dump *d, ProtobufCBinaryData *acl)
{
	enum { ACL_USER = 0x02, ACL_GROUP = 0x08 };

	for (size_t i = 4; i + 8 <= acl->len; i += 8) {
		uint8_t *entry = acl->data + i, *id = entry + 4;

		if (entry[0] == ACL_USER)
			set_le32(id, ns_uid_inside(d->ns, get_le32(id)));
		else if (entry[0] == ACL_GROUP)
			set_le32(id, ns_gid_inside(d->ns, get_le32(id)));
	}
}

/* Capabilities of the root of a user namespace: the kernel says whose to those outside only. */
static void translate_capability(struct dump *d, ProtobufCBinaryData *cap)
{
	uint32_t magic = cap->len >= sizeof(struct vfs_ns_cap_data) ? get_le32(cap->data) : 0;
	uint8_t *root = cap->data + offsetof(struct vfs_ns_cap_data, rootid);

	if ((magic & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3)
		return;
	set_le32(root, ns_uid_inside(d->ns, get_le32(root)));
	if (get_le32(root) != 0)
		return;
	set_le32(cap->data, (magic & ~VFS_CAP_REVISION_MASK) | VFS_CAP_REVISION_2);
	cap->len = sizeof(struct vfs_cap_data);
}

/* Ids are those that the tree sees. */
static void translate_attribute(struct dump *d, GhostXattr *x)
{
	if (!d->ns->maps)
		return;
	if (strncmp(x->name, "system.posix_acl_", 17) == 0)
		translate_acl(d, &x->value);
	else if (strcmp(x->name, "security.capability") == 0)
		translate_capability(d, &x->value);
}

static int collect_attribute(struct dump *d, const char *path, const char *name, GhostXattr *x)
{
	ssize_t n = getxattr(path, name, NULL, 0);

	if (n < 0)
		return -errno;
	x->name = arena_strdup(d->arena, name);
	x->value.data = arena_alloc(d->arena, (size_t)n + 1);
	n = getxattr(path, name, x->value.data, (size_t)n);
	if (n < 0)
		return -errno;
	x->value.len = (size_t)n;
	translate_attribute(d, x);
	return 0;
}

static int collect_attributes(struct dump *d, const struct fd_probe *p, GhostFileEntry *e,
			      struct err *err)
{
	const char *path = arena_printf(d->arena, "self/fd/%d", p->own);
	scoped_cwd cwd __attribute__((unused)) = io_chdir(d->proc);
	ssize_t n = listxattr(path, NULL, 0);
	char *names = arena_alloc(d->arena, n > 0 ? (size_t)n : 1);
	vec(GhostXattr *) all = { 0 };

	n = n > 0 ? listxattr(path, names, (size_t)n) : n;
	if (n < 0 && errno != EOPNOTSUPP)
		return err_sys(err, "cannot list the attributes of the deleted file %s", p->link);
	for (const char *s = names; n > 0 && s < names + n; s += strlen(s) + 1) {
		int ret;

		if (!is_kept(s))
			continue;
		*vec_add(d->arena, &all) = record_new(d, ghost_xattr);
		ret = collect_attribute(d, path, s, all.items[all.n - 1]);
		if (ret < 0)
			return err_set(err, -ret, "cannot read the attribute %s of %s", s, p->link);
	}
	e->xattr = all.items;
	e->n_xattr = all.n;
	return 0;
}

static Timeval *timeval_of(struct dump *d, const struct timespec *ts)
{
	Timeval *t = record_new(d, timeval);

	t->tv_sec = (uint64_t)ts->tv_sec;
	t->tv_usec = (uint64_t)ts->tv_nsec / 1000;
	return t;
}

static int fill_entry(struct dump *d, const struct fd_probe *p, GhostFileEntry *e, struct err *err)
{
	const struct stat *st = &p->st;
	char target[4096];
	ssize_t n;

	e->uid = st->st_uid;
	e->gid = st->st_gid;
	e->mode = st->st_mode;
	e->has_dev = e->has_ino = true;
	e->dev = major(st->st_dev) << 20 | minor(st->st_dev);
	e->ino = st->st_ino;
	e->atim = timeval_of(d, &st->st_atim);
	e->mtim = timeval_of(d, &st->st_mtim);
	e->has_atim_nsec = e->has_mtim_nsec = true;
	e->atim_nsec = (uint32_t)(st->st_atim.tv_nsec % 1000);
	e->mtim_nsec = (uint32_t)(st->st_mtim.tv_nsec % 1000);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		e->has_rdev = true;
		e->rdev = (uint32_t)st->st_rdev;
	}
	if (!S_ISLNK(st->st_mode))
		return 0;

	n = readlinkat(p->own, "", target, sizeof(target));
	if (n < 0 || n == sizeof(target))
		return err_sys(err, "cannot read the deleted link %s", p->link);
	e->symlnk_target = arena_printf(d->arena, "%.*s", (int)n, target);
	return 0;
}

static bool has_holes(int fd, uint64_t size)
{
	off_t hole = lseek(fd, 0, SEEK_HOLE);

	return hole >= 0 && (uint64_t)hole < size;
}

static int write_content(struct image *img, int fd, uint64_t off, uint64_t len, struct err *err)
{
	int to = image_fd(img, err);
	int ret;

	if (to < 0)
		return to;
	if (lseek(fd, (off_t)off, SEEK_SET) < 0)
		return err_sys(err, "cannot seek in a deleted file");
	ret = io_copy(fd, to, len);
	return ret < 0 ? err_set(err, -ret, "cannot copy a deleted file into %s", image_name(img))
		       : 0;
}

static int write_chunks(struct image *img, int fd, uint64_t size, struct err *err)
{
	off_t data = 0, end = 0;

	while ((data = lseek(fd, end, SEEK_DATA)) >= 0 && (uint64_t)data < size) {
		GhostChunkEntry chunk = GHOST_CHUNK_ENTRY__INIT;

		end = lseek(fd, data, SEEK_HOLE);
		if (end < 0)
			return err_sys(err, "cannot find the holes of a deleted file");
		if ((uint64_t)end > size)
			end = (off_t)size;
		chunk.off = (uint64_t)data;
		chunk.len = (uint64_t)(end - data);
		if (image_put(img, &chunk.base, err) < 0 ||
		    write_content(img, fd, chunk.off, chunk.len, err) < 0)
			return -err->code;
	}
	if (data < 0 && errno != ENXIO)
		return err_sys(err, "cannot find the data of a deleted file");
	return 0;
}

/* A descriptor that reads @p, whatever it was opened for. */
static int open_content(struct dump *d, const struct fd_probe *p, struct err *err)
{
	char path[32];
	int fd;

	if (strstr(p->fdinfo, ": LEASE ")) {
		err_set(err, EOPNOTSUPP, "cannot carry along the deleted file %s: it has a lease",
			p->link);
		err_why(err, "reading it would break the lease");
		return err_hint(err, "have the program give up the lease before the dump");
	}
	if (path_is_guarded(d, &p->st)) {
		err_set(err, EOPNOTSUPP,
			"cannot carry along the deleted file %s: the program itself permits to read it (fanotify)",
			p->link);
		return err_hint(err, "have the program remove that mark before the dump");
	}
	snprintf(path, sizeof(path), "self/fd/%d", p->own);
	fd = path_open_quietly(d->proc, path);
	if (fd < 0)
		return err_sys(err, "cannot read the deleted file %s", p->link);
	return fd;
}

static int write_file(struct dump *d, const struct fd_probe *p, struct image *img,
		      GhostFileEntry *e, struct err *err)
{
	scoped_fd fd = open_content(d, p, err);
	uint64_t size = (uint64_t)p->st.st_size;

	if (fd < 0)
		return fd;
	e->has_size = e->has_chunks = e->chunks = size >= WHOLE_MAX || has_holes(fd, size);
	e->size = size;
	if (image_put(img, &e->base, err) < 0)
		return -err->code;
	return e->chunks ? write_chunks(img, fd, size, err) : write_content(img, fd, 0, size, err);
}

int ghost_write(struct dump *d, const struct fd_probe *p, uint32_t id, struct err *err)
{
	GhostFileEntry *e = record_new(d, ghost_file_entry);
	scoped_image *img = NULL;
	int ret;

	if (check_limit(d, p, err) < 0 || collect_attributes(d, p, e, err) < 0 ||
	    fill_entry(d, p, e, err) < 0)
		return -err->code;
	if (d->dry)
		return 0;
	if (image_create_now(d->store, IMAGE_GHOST_FILE, id, &img, err) < 0)
		return -err->code;
	ret = S_ISREG(p->st.st_mode) ? write_file(d, p, img, e, err)
				     : image_put(img, &e->base, err);
	if (ret < 0)
		return err_in(err, "%s", p->link);
	return image_close(take_ptr(img), err);
}

/* ---- restore ---- */

static int open_image(struct restore *r, uint32_t id, struct image **img_ret,
		      GhostFileEntry **ghost_ret, struct err *err)
{
	scoped_image *img = NULL;
	bool found;
	void *msg;
	int ret;

	if (image_open(r->store, IMAGE_GHOST_FILE, id, r->arena, &img, &found, err) < 0)
		return -err->code;
	ret = found ? image_get(img, &ghost_file_entry__descriptor, &msg, err) : 0;
	if (ret < 0)
		return ret;
	if (ret == 0) {
		err_set(err, ENOENT, "cannot read the deleted file in ghost-file-%x.img", id);
		return err_hint(err,
				"the checkpoint is damaged or was not finished; take it again");
	}
	*img_ret = take_ptr(img);
	*ghost_ret = msg;
	return 0;
}

int ghost_read(struct restore *r, uint32_t id, GhostFileEntry **ghost_ret, struct err *err)
{
	scoped_image *img = NULL;
	GhostFileEntry *g;
	bool known;

	if (open_image(r, id, &img, &g, err) < 0)
		return -err->code;
	switch (g->mode & S_IFMT) {
	case S_IFREG:
		known = !(g->has_chunks && g->chunks) || (g->has_size && g->size <= INT64_MAX);
		break;
	case S_IFLNK:
		known = g->symlnk_target && *g->symlnk_target;
		break;
	case S_IFCHR:
	case S_IFBLK:
		known = g->has_rdev;
		break;
	default:
		known = S_ISDIR(g->mode) || S_ISFIFO(g->mode) || S_ISSOCK(g->mode);
	}
	if (!known) {
		err_set(err, EBADMSG, "cannot use %s: it does not describe a file",
			image_name(img));
		return err_hint(err, "the checkpoint is damaged; take it again");
	}
	*ghost_ret = g;
	return 0;
}

static int read_content(struct image *img, int fd, uint64_t off, uint64_t len, struct err *err)
{
	char buf[BUFFER];

	while (len > 0) {
		size_t n = len < sizeof(buf) ? (size_t)len : sizeof(buf);
		int ret;

		if (image_get_raw(img, buf, n, err) < 0)
			return -err->code;
		ret = io_pwrite(fd, buf, n, (off_t)off);
		if (ret < 0)
			return err_set(err, -ret, "cannot write a deleted file");
		off += n;
		len -= n;
	}
	return 0;
}

static int read_chunks(struct image *img, int fd, uint64_t size, struct err *err)
{
	void *msg;
	int ret;

	if (ftruncate(fd, (off_t)size) < 0)
		return err_sys(err, "cannot give a deleted file its size");
	while ((ret = image_get(img, &ghost_chunk_entry__descriptor, &msg, err)) > 0) {
		const GhostChunkEntry *chunk = msg;

		if (chunk->off > size || chunk->len > size - chunk->off)
			return err_set(err, EBADMSG,
				       "cannot use %s: data behind the end of the file",
				       image_name(img));
		if (read_content(img, fd, chunk->off, chunk->len, err) < 0)
			return -err->code;
	}
	return ret;
}

/* All that is left of the image, for a file without chunks. */
static int read_whole(struct image *img, int fd, struct err *err)
{
	int64_t left = image_left(img);

	if (left < 0 || left > INT32_MAX)
		return err_set(err, EBADMSG, "cannot use %s: its size is unknown", image_name(img));
	return read_content(img, fd, 0, (uint64_t)left, err);
}

static int fill_file(struct restore *r, uint32_t id, int fd, struct err *err)
{
	scoped_image *img = NULL;
	GhostFileEntry *g;

	if (open_image(r, id, &img, &g, err) < 0)
		return -err->code;
	return g->has_chunks && g->chunks ? read_chunks(img, fd, g->size, err)
					  : read_whole(img, fd, err);
}

/* ---- making ---- */

static struct timespec timespec_of(const Timeval *t, uint32_t nsec)
{
	if (!t)
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	return (struct timespec){ (time_t)t->tv_sec,
				  (long)(t->tv_usec % 1000000) * 1000 + nsec % 1000 };
}

void ghost_set_times(int fd, const GhostFileEntry *g)
{
	struct timespec times[2] = { timespec_of(g->atim, g->atim_nsec),
				     timespec_of(g->mtim, g->mtim_nsec) };

	utimensat(fd, "", times, AT_EMPTY_PATH);
}

/* @fd is an O_PATH descriptor, which fchmod() does not take. */
static int set_mode(struct restore *r, int fd, unsigned int mode)
{
	char path[32];

	snprintf(path, sizeof(path), "self/fd/%d", fd);
	return fchmodat(r->proc, path, mode, 0);
}

/* After the mode, which is part of a list of rights too. */
static int set_xattrs(struct restore *r, int fd, const GhostFileEntry *g, struct err *err)
{
	scoped_cwd cwd __attribute__((unused)) = io_chdir(r->proc);
	char path[32];
	size_t i;

	snprintf(path, sizeof(path), "self/fd/%d", fd);
	for (i = 0; i < g->n_xattr; i++) {
		const GhostXattr *x = g->xattr[i];

		if (setxattr(path, x->name, x->value.data, x->value.len, 0) < 0) {
			err_sys(err, "cannot give a deleted file its attribute %s", x->name);
			return err_hint(err,
					"its directory must be on a file system that has them");
		}
	}
	return 0;
}

static int set_attributes(struct restore *r, int fd, const GhostFileEntry *g, struct err *err)
{
	if (fchownat(fd, "", g->uid, g->gid, AT_EMPTY_PATH) < 0)
		return err_sys(err, "cannot give a deleted file to user %u, group %u", g->uid,
			       g->gid);
	if (!S_ISLNK(g->mode) && set_mode(r, fd, g->mode & 07777) < 0)
		return err_sys(err, "cannot set the mode of a deleted file");
	if (set_xattrs(r, fd, g, err) < 0)
		return -err->code;
	ghost_set_times(fd, g);
	return 0;
}

/* Its content comes through @fd, then its attributes; the result is an O_PATH descriptor. */
static int finish_file(struct restore *r, uint32_t id, const GhostFileEntry *g, int fd,
		       struct err *err)
{
	char path[32];

	snprintf(path, sizeof(path), "self/fd/%d", fd);

	scoped_fd at = openat(r->proc, path, O_PATH | O_CLOEXEC);

	if (at < 0)
		return err_sys(err, "cannot open a deleted file");
	if (fill_file(r, id, fd, err) < 0 || set_attributes(r, at, g, err) < 0)
		return -err->code;
	return take_fd(&at);
}

static int make_file(struct restore *r, uint32_t id, const GhostFileEntry *g, const char *path,
		     struct err *err)
{
	scoped_fd fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int at;

	if (fd < 0)
		return err_sys(err, "cannot make %s", path);
	at = finish_file(r, id, g, fd, err);
	if (at < 0)
		unlink(path);
	return at;
}

static int make_special(const GhostFileEntry *g, const char *path)
{
	if (S_ISDIR(g->mode))
		return mkdir(path, 0700);
	if (S_ISLNK(g->mode))
		return symlink(g->symlnk_target, path);
	return mknod(path, (g->mode & S_IFMT) | 0600, g->has_rdev ? g->rdev : 0);
}

int ghost_make(struct restore *r, uint32_t id, const GhostFileEntry *g, const char *path,
	       struct err *err)
{
	if (S_ISREG(g->mode))
		return make_file(r, id, g, path, err);
	if (make_special(g, path) < 0)
		return err_sys(err, "cannot make %s", path);

	scoped_fd at = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (at < 0 || set_attributes(r, at, g, err) < 0) {
		if (at < 0)
			err_sys(err, "cannot open %s", path);
		unlinkat(AT_FDCWD, path, S_ISDIR(g->mode) ? AT_REMOVEDIR : 0);
		return -err->code;
	}
	return take_fd(&at);
}

int ghost_make_unnamed(struct restore *r, uint32_t id, const GhostFileEntry *g, const char *dir,
		       struct err *err)
{
	scoped_fd fd = open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_set(err, EOPNOTSUPP, "cannot make a file without a name in %s", dir);
	return finish_file(r, id, g, fd, err);
}
