/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * path_link - the name that --link-remap gives to a file, and its end
 *
 * Where the mount is read-only it is made in a copy of that mount, which is
 * writable and mounted nowhere.  In a file system of a user namespace only those
 * who have a number there make names: then it is made as its root.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/ns.h"
#include "core/path_remap.h"
#include "core/sockopt.h"

/* Its root is the directory of @path. */
static int copy_writable(const char *path)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_RDONLY };
	char dir[PATH_MAX];
	scoped_fd fd = -1;

	snprintf(dir, sizeof(dir), "%s", path);
	if (!path_cut_last(dir))
		return -1;
	fd = open_tree(AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -1;
	return take_fd(&fd);
}

static const char *base_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* The file of @fd as one of the mount at the working directory: links do not lead from one mount to another. */
static int open_in_cwd(int fd)
{
	struct {
		struct file_handle head;
		unsigned char bytes[MAX_HANDLE_SZ];
	} h = { .head.handle_bytes = MAX_HANDLE_SZ };
	int unused;

	if (name_to_handle_at(fd, "", &h.head, &unused, AT_EMPTY_PATH) < 0)
		return -1;
	return open_by_handle_at(AT_FDCWD, &h.head, O_PATH | O_CLOEXEC);
}

static int link_in_copy(int fd, const char *path)
{
	scoped_fd copy = copy_writable(path);
	scoped_cwd cwd = copy < 0 ? -1 : io_chdir(copy);
	scoped_fd file = cwd < 0 ? -1 : open_in_cwd(fd);

	if (file < 0)
		return -EROFS;
	return linkat(file, "", AT_FDCWD, base_of(path), AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int link_now(int fd, const char *path)
{
	if (linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0)
		return 0;
	return errno == EROFS ? link_in_copy(fd, path) : -errno;
}

int path_link(struct dump *d, int fd, const char *path)
{
	struct err ignored = { 0 };
	int ret = link_now(fd, path);

	if (ret != -EOVERFLOW || !d->ns->maps ||
	    sock_act_as(ns_uid_outside(d->ns, 0), ns_gid_outside(d->ns, 0), &ignored) < 0)
		return ret;
	ret = link_now(fd, path);
	sock_act_as_root();
	return ret;
}

int path_unlink(const char *path)
{
	scoped_fd copy = -1;

	if (unlink(path) == 0)
		return 0;
	if (errno != EROFS)
		return -errno;
	copy = copy_writable(path);
	return copy < 0 || unlinkat(copy, base_of(path), 0) < 0 ? -errno : 0;
}
