/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * path_guard - files that nobody can open while the tree is stopped
 *
 * A task that is asked for permission (fanotify) cannot answer now: whoever opens
 * such a file waits until it goes on, and we would wait for ever.  So marks are
 * looked for before anything is opened for reading.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/path_ref.h"
#include "core/path_remap.h"
#include "core/refuse.h"
#include "core/task.h"

enum {
	PRE_ACCESS = 0x00100000, /* FAN_PRE_ACCESS, Linux 6.14 */
	PERMISSION = FAN_OPEN_PERM | FAN_ACCESS_PERM | FAN_OPEN_EXEC_PERM | PRE_ACCESS,
};

static bool is_fanotify(const struct dump *d, const struct task *t, int fd)
{
	static const char name[] = "anon_inode:[fanotify]";
	char path[64], link[sizeof(name)];

	snprintf(path, sizeof(path), "%d/fd/%d", t->host_alive, fd);
	return readlinkat(d->proc, path, link, sizeof(link)) == sizeof(name) - 1 &&
	       memcmp(link, name, sizeof(name) - 1) == 0;
}

static int refuse_all(const struct task *t, int fd, struct err *err)
{
	err_set(err, EOPNOTSUPP,
		"cannot dump fanotify %d of task %d: it is asked for permission on a whole mount or file system",
		fd, t->host_pid);
	err_why(err, "nobody could open a file there as long as the program is stopped");
	return err_hint(err, "mark single files, or remove that mark before the dump");
}

/* "fanotify ino:a8c83f sdev:fe00000 mflags:40 mask:a ..."; marks on more than a file begin otherwise. */
static int guard_line(struct dump *d, const struct task *t, int fd, const char *line,
		      struct err *err)
{
	const char *mask_at = strstr(line, " mask:"), *end = strchr(line, '\n');
	struct path_guard g;
	uint32_t mask;

	if (!mask_at || (end && mask_at > end) || sscanf(mask_at, " mask:%" SCNx32, &mask) != 1 ||
	    !(mask & PERMISSION))
		return 0;
	if (sscanf(line, "fanotify ino:%" SCNx64 " sdev:%" SCNx32, &g.ino, &g.dev) != 2)
		return refuse_all(t, fd, err);
	*vec_add(d->arena, &path_refs_of(d)->guards) = g;
	return 0;
}

static int guard_fd(struct dump *d, const struct task *t, int fd, struct err *err)
{
	struct proc_fdinfo info;
	const char *line;

	if (proc_read_fdinfo(d->proc, t->host_alive, fd, d->arena, &info, err) < 0)
		return -err->code;
	for (line = info.text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (guard_line(d, t, fd, line, err) < 0)
			return -err->code;
	}
	return 0;
}

static int guard_task(struct dump *d, const struct task *t, struct err *err)
{
	fd_list fds = { 0 };
	int *fd;

	if (proc_read_fds(d->proc, t->host_alive, d->arena, &fds, err) < 0)
		return -err->code;
	vec_for_each(fd, &fds)
		if (is_fanotify(d, t, *fd) && guard_fd(d, t, *fd, err) < 0)
			return -err->code;
	return 0;
}

int path_guard_collect(struct dump *d, struct err *err)
{
	const struct task *t;

	for_each_alive(t, d->tree) if (guard_task(d, t, err) < 0) return -err->code;
	return 0;
}

bool path_is_guarded(const struct dump *d, const struct stat *st)
{
	uint32_t dev = major(st->st_dev) << 20 | minor(st->st_dev);
	const struct path_guard *g;

	if (!d->paths)
		return false;
	vec_for_each(g, &d->paths->guards)
		if (g->ino == st->st_ino && g->dev == dev)
			return true;
	return false;
}
