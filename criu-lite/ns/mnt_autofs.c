/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mnt_autofs - automounts: a file system that tells a daemon, by a pipe, what is
 * to be mounted
 *
 * write     what mountinfo says; which task reads the pipe; directories, which only
 *           the group of the daemon may make
 * make      as a member of a group of our own, so that we may make directories; then
 *           it is told that its daemon has gone (catatonic), so that nobody who looks
 *           into it waits
 * open      the daemon gives it its pipe and group.  The end to write to need not be
 *           open anywhere: it is that of what the daemon reads
 *
 * not kept  who waits for a mount at this moment asks again
 *
 * refused   one whose daemon is outside of the tree
 */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <linux/auto_dev-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/outside.h"
#include "core/shared.h"
#include "core/task.h"
#include "images/autofs.pb-c.h"
#include "ns/mnt.h"

struct automount {
	const struct mount *mount;
	AutofsEntry *e;
};

struct mnt_autofs_state {
	bool is_read;
	vec(struct automount) all;
};

extern const struct task_kind mnt_autofs_kind;

bool mnt_is_autofs(const struct mount *m)
{
	return m->entry->fstype == FSTYPE__AUTOFS && !mnt_is_external(m);
}

/* ---- dump ---- */

/* Of "fd=6,pgrp=1,timeout=5,indirect,pipe_ino=77"; @otherwise, if it is not there. */
static long option_of(const char *options, const char *name, long otherwise)
{
	size_t n = strlen(name);

	for (const char *p = options; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, name, n) == 0 && (!p[n] || p[n] == ',' || p[n] == '='))
			return p[n] == '=' ? strtol(p + n + 1, NULL, 10) : 1;
	return otherwise;
}

/* Whoever reads what is told. */
static const struct file *find_reader(struct dump *d, long pipe_ino)
{
	const struct file *f;

	for_each_file(f, d->files)
		if (f->image->pipe && f->fd >= 0 && (long)f->image->pipe->pipe_id == pipe_ino &&
		    (f->image->pipe->flags & O_ACCMODE) == O_RDONLY)
			return f;
	return NULL;
}

static int refuse_daemon(const struct mount *m, const char *why, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump mount %s (autofs)", m->entry->mountpoint);
	err_why(err, "%s", why);
	return err_hint(err, "dump its daemon too, or leave it out: --skip-mnt %s",
			m->entry->mountpoint);
}

static int describe_daemon(struct dump *d, const struct mount *m, AutofsEntry *e, struct err *err)
{
	long pipe_ino = option_of(m->entry->options, "pipe_ino", -1);
	const struct file *reader = find_reader(d, pipe_ino);
	const struct task *leader =
		task_by_host_pid(d->tree, (pid_t)option_of(m->entry->options, "pgrp", 0));

	e->fd = e->read_fd = -1;
	e->has_read_fd = true;
	if (pipe_ino == -1) /* it had gone before */
		return 0;
	if (!reader)
		return refuse_daemon(m, "nobody in the tree reads what it asks for", err);
	if (!leader || reader->task->pgid != leader->pid)
		return refuse_daemon(m, "who reads what it asks for is not of its process group",
				     err);
	e->pgrp = leader->pid;
	e->read_fd = reader->fd;
	e->has_pid = true;
	e->pid = reader->task->pid;
	return 0;
}

static int mode_of(const char *options)
{
	if (option_of(options, "direct", 0))
		return AUTOFS_TYPE_DIRECT;
	return option_of(options, "offset", 0) ? AUTOFS_TYPE_OFFSET : AUTOFS_TYPE_INDIRECT;
}

/* An empty one cannot be opened by us: it is taken for one that waits for its mount. */
static int list_directories(struct dump *d, int root, AutofsEntry *e, struct err *err)
{
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *at;
	vec(char *) names = { 0 };

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "cannot list an autofs");
	while ((at = readdir(dir)))
		if (at->d_type == DT_DIR && strcmp(at->d_name, ".") != 0 &&
		    strcmp(at->d_name, "..") != 0)
			*vec_add(d->arena, &names) = arena_strdup(d->arena, at->d_name);
	closedir(dir);
	e->directory = names.items;
	e->n_directory = names.n;
	return 0;
}

int mnt_autofs_write(struct dump *d, const struct mount *m, int root, struct err *err)
{
	AutofsEntry *e = record_new(d, autofs_entry);
	const char *options = m->entry->options;

	e->timeout = (int32_t)option_of(options, "timeout", 0);
	e->minproto = (int32_t)option_of(options, "minproto", AUTOFS_MIN_PROTO_VERSION);
	e->maxproto = (int32_t)option_of(options, "maxproto", AUTOFS_MAX_PROTO_VERSION);
	e->mode = mode_of(options);
	e->has_uid = option_of(options, "uid", -1) >= 0;
	e->uid = (int32_t)option_of(options, "uid", 0);
	e->has_gid = option_of(options, "gid", -1) >= 0;
	e->gid = (int32_t)option_of(options, "gid", 0);
	if (describe_daemon(d, m, e, err) < 0 || list_directories(d, root, e, err) < 0)
		return -err->code;
	return image_put_one(d->store, IMAGE_AUTOFS, m->entry->root_dev, &e->base, err);
}

/* ---- restore: the mount ---- */

static int read_entry(struct restore *r, const struct mount *m, AutofsEntry **ret, struct err *err)
{
	bool found;

	if (image_get_one(r->store, IMAGE_AUTOFS, m->entry->root_dev, r->arena, (void **)ret,
			  &found, err) < 0)
		return -err->code;
	if (found)
		return 0;
	err_set(err, ENOENT, "cannot read autofs-%u.img: there is no such image",
		m->entry->root_dev);
	return err_hint(err, "the checkpoint is damaged; take it again");
}

static int set_number(struct restore *r, int fs, const char *name, int32_t value)
{
	return fsconfig(fs, FSCONFIG_SET_STRING, name, arena_printf(r->arena, "%d", value), 0);
}

static int set_options(struct restore *r, int fs, const AutofsEntry *e, int pipe)
{
	const char *mode = e->mode == AUTOFS_TYPE_DIRECT   ? "direct"
			   : e->mode == AUTOFS_TYPE_OFFSET ? "offset"
							   : "indirect";

	if (set_number(r, fs, "fd", pipe) < 0 || set_number(r, fs, "minproto", e->minproto) < 0 ||
	    set_number(r, fs, "maxproto", e->maxproto) < 0 ||
	    (e->has_uid && set_number(r, fs, "uid", e->uid) < 0) ||
	    (e->has_gid && set_number(r, fs, "gid", e->gid) < 0) ||
	    fsconfig(fs, FSCONFIG_SET_FLAG, mode, NULL, 0) < 0)
		return -1;
	return fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

static int make_directories(struct restore *r, int root, const char *path, struct err *err)
{
	char *p = arena_strdup(r->arena, path), *slash = p;

	do {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if (mkdirat(root, p, 0555) < 0 && errno != EEXIST)
			return err_sys(err, "cannot make the directory %s in an autofs", p);
		if (slash)
			*slash = '/';
	} while (slash);
	return 0;
}

static int fill(struct restore *r, const struct mount *m, const AutofsEntry *e, int root,
		struct err *err)
{
	for (size_t i = 0; i < e->n_directory; i++)
		if (make_directories(r, root, e->directory[i], err) < 0)
			return -err->code;
	for (size_t i = 0; i < m->ns->n; i++) {
		const struct mount *c = &m->ns->mounts[i];
		const char *below = path_below(c->entry->mountpoint, m->entry->mountpoint);

		if (c->parent == m && below && *below && make_directories(r, root, below, err) < 0)
			return -err->code;
	}
	return 0;
}

int mnt_autofs_make(struct restore *r, int fs, const MntEntry *entry, struct err *err)
{
	const struct mount *m = mount_by_id(r->mounts, entry->mnt_id);
	AutofsEntry *e;
	int ends[2];

	if (read_entry(r, m, &e, err) < 0)
		return -err->code;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "cannot make a pipe");

	scoped_fd rd __attribute__((unused)) = ends[0];
	scoped_fd wr = ends[1];
	scoped_fd mnt = set_options(r, fs, e, wr) < 0 ? -1 : fsmount(fs, FSMOUNT_CLOEXEC, 0);
	scoped_fd root = mnt < 0 ? -1 : openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, "cannot mount autofs");
	if (fill(r, m, e, root, err) < 0)
		return -err->code;
	if (ioctl(root, AUTOFS_IOC_CATATONIC, 0) < 0)
		return err_sys(err, "cannot keep an autofs quiet");
	return take_fd(&mnt);
}

/* ---- restore: the daemon ---- */

static struct mnt_autofs_state *state_of(struct restore *r)
{
	return kind_state(r->kinds, &mnt_autofs_kind);
}

static int plan_mnt_autofs(struct restore *r, struct task *t, struct err *err)
{
	struct mnt_autofs_state *s = state_of(r);
	struct mount **m;

	if (s->is_read || !r->mounts)
		return 0;
	s->is_read = true;
	vec_for_each(m, &r->mounts->by_id) {
		struct automount *a;

		if (!mnt_is_autofs(*m))
			continue;
		a = vec_add(r->arena, &s->all);
		a->mount = *m;
		if (read_entry(r, *m, &a->e, err) < 0)
			return -err->code;
	}
	return 0;
}

static int open_control(struct restore *r, void *args, int *fd, struct err *err)
{
	*fd = open("/dev/autofs", O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_sys(err, "cannot open /dev/autofs") : 0;
}

static int set_pipe(int control, int root, int pipe, int32_t timeout, struct err *err)
{
	struct autofs_dev_ioctl arg;

	init_autofs_dev_ioctl(&arg);
	arg.ioctlfd = root;
	arg.setpipefd.pipefd = pipe;
	if (ioctl(control, AUTOFS_DEV_IOCTL_SETPIPEFD, &arg) < 0)
		return err_sys(err, "cannot give an autofs its pipe");
	init_autofs_dev_ioctl(&arg);
	arg.ioctlfd = root;
	arg.timeout.timeout = (uint64_t)timeout;
	if (ioctl(control, AUTOFS_DEV_IOCTL_TIMEOUT, &arg) < 0)
		return err_sys(err, "cannot set the timeout of an autofs");
	return 0;
}

/* The other end of what we read. */
static int open_pipe_end(struct restore *r, int read_fd)
{
	char path[32];

	snprintf(path, sizeof(path), "self/fd/%d", read_fd);
	return openat(r->proc, path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

static int serve(struct restore *r, const struct automount *a, int control, struct err *err)
{
	scoped_fd mnt = restore_borrow_fd(r, a->mount->fd, err);
	scoped_fd root = mnt < 0 ? -1 : openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scoped_fd pipe = open_pipe_end(r, a->e->read_fd);

	if (mnt < 0)
		return -err->code;
	if (root < 0 || pipe < 0)
		return err_sys(err, "cannot open an autofs, or the pipe of its daemon");
	if (fcntl(pipe, F_SETFL, 0) < 0)
		return err_sys(err, "cannot set the flags of a pipe");
	return set_pipe(control, root, pipe, a->e->timeout, err);
}

static int open_mnt_autofs(struct restore *r, struct task *t, struct err *err)
{
	const struct automount *a;
	scoped_fd control = -1;

	vec_for_each(a, &state_of(r)->all) {
		if (!a->e->has_pid || a->e->pid != t->pid)
			continue;
		if (control < 0 && outside_run(r, open_control, NULL, 0, &control, err) < 0)
			return -err->code;
		if (serve(r, a, control, err) < 0)
			return err_in(err, "mount %s", a->mount->entry->mountpoint);
	}
	return 0;
}

const struct task_kind mnt_autofs_kind = {
	.name = "mnt_autofs",
	.state_size = sizeof(struct mnt_autofs_state),
	.plan = plan_mnt_autofs,
	.open = open_mnt_autofs,
};
