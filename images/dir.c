/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dir - a directory of image files, the first and simplest store
 *
 * A file is removed and made anew, never truncated: a link to it elsewhere
 * keeps its content, and a symlink planted under its name leads nowhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "images/store.h"

struct dir_store {
	struct store store;
	int fd;
	store_opener *opener; /* NULL: we ourselves */
	void *opener_arg;
};

static struct dir_store *dir_of(struct store *s)
{
	return container_of(s, struct dir_store, store);
}

static int dir_create(struct store *s, const char *name, struct err *err)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
	int fd = openat(dir_of(s)->fd, name, flags, 0644);

	if (fd < 0)
		return err_sys(err, "cannot create %s%s", s->label, name);
	return fd;
}

static int open_below(const struct dir_store *d, const char *name, int flags)
{
	char path[4096];

	if (!d->opener)
		return openat(d->fd, name, flags);
	snprintf(path, sizeof(path), "%s%s", d->store.label, name);
	return d->opener(d->opener_arg, path, flags);
}

/* A fifo would make us wait for a writer, so nothing is waited for before we know. */
static int dir_open(struct store *s, const char *name, int *fd_ret, struct err *err)
{
	struct stat st;

	scoped_fd fd = open_below(dir_of(s), name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return err_sys(err, "cannot open %s%s", s->label, name);
	if (fd >= 0 && fstat(fd, &st) < 0)
		return err_sys(err, "cannot open %s%s", s->label, name);
	if (fd >= 0 && !S_ISREG(st.st_mode)) {
		err_set(err, EINVAL, "cannot read %s%s: not a regular file", s->label, name);
		return err_hint(err, "is this the directory of the images?");
	}

	*fd_ret = take_fd(&fd);
	return 0;
}

static int dir_exists(struct store *s, const char *name, bool *exists_ret, struct err *err)
{
	int ret = faccessat(dir_of(s)->fd, name, F_OK, 0);

	if (ret < 0 && errno != ENOENT)
		return err_sys(err, "cannot look for %s%s", s->label, name);
	*exists_ret = ret == 0;
	return 0;
}

static int dir_remove(struct store *s, const char *name, struct err *err)
{
	if (unlinkat(dir_of(s)->fd, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, "cannot remove %s%s", s->label, name);
	return 0;
}

static void dir_close(struct store *s)
{
	close(dir_of(s)->fd);
}

static const struct store_ops dir_ops = {
	.create = dir_create,
	.open = dir_open,
	.exists = dir_exists,
	.remove = dir_remove,
	.close = dir_close,
};

/* Takes @fd. */
static struct store *dir_new(struct arena *a, int fd, const char *label)
{
	struct dir_store *d = arena_new(a, struct dir_store);

	d->store.ops = &dir_ops;
	d->store.label = label;
	d->store.version = 2;
	d->fd = fd;
	return &d->store;
}

int store_open_dir(struct arena *a, const char *path, bool create, struct store **store_ret,
		   struct err *err)
{
	if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "cannot create the image directory %s", path);

	scoped_fd fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err_sys(err, "cannot open the image directory %s", path);
		return err_hint(err, "name the directory of the images with --images-dir");
	}

	*store_ret = dir_new(a, take_fd(&fd), "");
	return 0;
}

int store_open_dirfd(struct arena *a, int dirfd, struct store **store_ret, struct err *err)
{
	scoped_fd fd = dirfd;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "cannot use descriptor %d as the image directory", dirfd);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "cannot use descriptor %d as the image directory",
			       dirfd);

	*store_ret = dir_new(a, take_fd(&fd), "");
	return 0;
}

int store_open_parent(struct arena *a, struct store *child, struct store **store_ret,
		      struct err *err)
{
	int dirfd = store_dirfd(child);
	struct store *parent = NULL;

	scoped_fd fd =
		dirfd < 0 ? -1
			  : open_below(dir_of(child), "parent", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (dirfd >= 0 && fd < 0 && errno != ENOENT)
		return err_sys(err, "cannot open the parent images %sparent", child->label);
	if (fd >= 0) {
		parent = dir_new(a, take_fd(&fd), arena_printf(a, "%sparent/", child->label));
		parent->version = child->version;
		store_set_opener(parent, dir_of(child)->opener, dir_of(child)->opener_arg);
	}

	*store_ret = parent;
	return 0;
}

void store_set_opener(struct store *s, store_opener *open, void *arg)
{
	if (s->ops != &dir_ops)
		return;
	dir_of(s)->opener = open;
	dir_of(s)->opener_arg = arg;
}

int store_dirfd(const struct store *s)
{
	if (s->ops != &dir_ops)
		return -1;
	return container_of(s, const struct dir_store, store)->fd;
}
