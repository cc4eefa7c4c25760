/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mnt_content - file systems that live only in memory: tmpfs
 *
 * write     an archive of each (tar, gzip), in the format of CRIU.  What is
 *           mounted on it, or over it, is in the way: a child of ours takes a
 *           copy of the namespace apart, from the top, and hands over each file
 *           system when it is free
 * restore   unpacked into the new file system before anything is mounted there
 *
 * Both are done by tar, as a user of the tree's user namespace; but not what is
 * empty (mnt_empty.c).
 *
 * not kept  sockets (those that are open are made again by their owner), times
 *           finer than a second, extended attributes
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/outside.h"
#include "ns/mnt.h"

/* ---- tar ---- */

static char *const tar_create[] = { (char *)"tar",
				    (char *)"--create",
				    (char *)"--gzip",
				    (char *)"--no-unquote",
				    (char *)"--no-wildcards",
				    (char *)"--one-file-system",
				    (char *)"--preserve-permissions",
				    (char *)"--sparse",
				    (char *)"--numeric-owner",
				    (char *)".",
				    NULL };
static char *const tar_extract[] = { (char *)"tar",
				     (char *)"--extract",
				     (char *)"--gzip",
				     (char *)"--no-unquote",
				     (char *)"--no-wildcards",
				     (char *)"--preserve-permissions",
				     (char *)"--numeric-owner",
				     (char *)"--no-overwrite-dir",
				     NULL };

/* Ids are those of the tree. */
static int enter_user_ns(int user_ns)
{
	if (user_ns < 0)
		return 0;
	return setns(user_ns, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0
		       ? -1
		       : 0;
}

/* In a child: in directory @dir, with @fd as its input or output; what it says goes to the log. */
static void exec_tar(char *const argv[], int dir, int fd, int user_ns) __attribute__((noreturn));
static void exec_tar(char *const argv[], int dir, int fd, int user_ns)
{
	bool extract = argv == tar_extract;
	int null = open("/dev/null", O_RDWR);
	int err_fd = log_fd() >= 0 ? log_fd() : null;
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (fchdir(dir) < 0 || enter_user_ns(user_ns) < 0 || dup2(err_fd, 2) < 0 ||
	    dup2(extract ? fd : null, 0) < 0 || dup2(extract ? null : fd, 1) < 0)
		_exit(126);
	close_range(3, ~0U, 0);
	execvp(argv[0], argv);
	_exit(127);
}

static int run_tar(char *const argv[], int dir, int fd, int user_ns, const char *where,
		   struct err *err)
{
	bool extract = argv == tar_extract;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(err, "cannot fork");
	if (pid == 0)
		exec_tar(argv, dir, fd, user_ns);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, "cannot wait for tar");
	if (status == 0)
		return 0;
	err_set(err, EIO, "cannot %s the content of tmpfs %s", extract ? "restore" : "dump", where);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		err_why(err, "there is no tar");
		return err_hint(err, "install it: apt-get install tar gzip");
	}
	err_why(err, "tar failed (status %#x)", status);
	return err_hint(err, "the log says more: -v4 -o FILE");
}

/* ---- dump: one by one, from the top ---- */

static bool has_content(const struct mnt_base *b)
{
	const struct mnt_fs *fs = mnt_fs_by_code(b->mount->entry->fstype);

	return fs && fs->has_content && !mnt_is_root(b->mount) && !mnt_is_external(b->mount);
}

static bool is_written(const struct mnt_base *b)
{
	return has_content(b) || mnt_has_entries(b->mount) || mnt_is_autofs(b->mount);
}

static const struct mnt_base *base_to_dump(const struct mnt_state *s, const struct mount *m)
{
	const struct mnt_base *b;

	vec_for_each(b, &s->bases)
		if (b->mount == m && is_written(b))
			return b;
	return NULL;
}

/* What the child says: base number @base is handed over; -1: that was all. */
struct offer {
	int base;
	struct err err;
};

struct taker {
	const struct mnt_state *s;
	struct arena *arena;
	int sock;
};

/* Whoever opens an autofs may have to wait for its daemon, which is stopped. */
static int open_mount(const struct mount *m)
{
	const char *point = m->entry->mountpoint;

	if (mnt_is_autofs(m))
		return open_tree(AT_FDCWD, point,
				 OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW);
	return open(point, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int offer(const struct taker *k, const struct mnt_base *b, struct err *err)
{
	struct offer o = { .base = (int)(b - k->s->bases.items) };
	const MntEntry *e = b->mount->entry;
	scoped_fd dir = open_mount(b->mount);
	struct stat st;
	char done;

	if (dir < 0 || fstat(dir, &st) < 0)
		return err_sys(err, "cannot open tmpfs %s", e->mountpoint);
	if ((major(st.st_dev) << 20 | minor(st.st_dev)) != e->root_dev)
		return err_set(err, EBUSY, "cannot reach tmpfs %s: something is mounted over it",
			       e->mountpoint);
	if (io_send_fd(k->sock, &o, sizeof(o), dir) < 0 || read(k->sock, &done, 1) != 1)
		return err_set(err, EPIPE, "cannot hand over tmpfs %s", e->mountpoint);
	return 0;
}

static int compare_points(const void *pa, const void *pb)
{
	const struct mount *a = *(struct mount *const *)pa, *b = *(struct mount *const *)pb;

	return strcmp(a->entry->mountpoint, b->entry->mountpoint);
}

/* Its children go first, and of these those that may hide others. */
static int take(const struct taker *k, const struct mount *m, struct err *err)
{
	const struct mount_ns *mns = m->ns;
	vec(const struct mount *) children = { 0 };
	const struct mnt_base *b = base_to_dump(k->s, m);
	const struct mount **c;
	size_t i;

	for (i = 0; i < mns->n; i++)
		if (mns->mounts[i].parent == m)
			*vec_add(k->arena, &children) = &mns->mounts[i];
	if (children.n)
		qsort(children.items, children.n, sizeof(struct mount *), compare_points);
	vec_for_each(c, &children)
		if (take(k, *c, err) < 0)
			return -err->code;
	if (b && offer(k, b, err) < 0)
		return -err->code;
	/* what is locked stays, and only matters if it is in the way of something */
	if (m->parent)
		umount2(m->entry->mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW);
	return 0;
}

static void take_apart(struct dump *d, const struct taker *k, const struct mount_ns *mns,
		       int user_ns) __attribute__((noreturn));
static void take_apart(struct dump *d, const struct taker *k, const struct mount_ns *mns,
		       int user_ns)
{
	struct offer end = { .base = -1 };
	char link[32];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(link, sizeof(link), "%d/ns/mnt", mns->ns->task->host_pid);

	scoped_fd ns = openat(d->proc, link, O_RDONLY | O_CLOEXEC);

	if (ns < 0 || enter_user_ns(user_ns) < 0 || setns(ns, CLONE_NEWNS) < 0 ||
	    unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		err_sys(&end.err, "cannot copy mount namespace %u", mns->ns->id);
	else
		take(k, mns->top, &end.err);
	io_send_fd(k->sock, &end, sizeof(end), -1);
	_exit(0);
}

static int archive(int dir, int fd, int user_ns, const char *where, struct err *err)
{
	int ret;

	/* with ids of a user namespace, which we do not know, tar is right */
	if (user_ns >= 0 || !mnt_empty_is(dir))
		return run_tar(tar_create, dir, fd, user_ns, where, err);
	ret = mnt_empty_write(dir, fd);
	return ret < 0 ? err_set(err, -ret, "cannot dump the content of tmpfs %s", where) : 0;
}

static int write_one(struct dump *d, const struct mnt_base *b, int dir, int user_ns,
		     struct err *err)
{
	scoped_image *img = NULL;
	int fd;

	if (mnt_has_entries(b->mount))
		return mnt_binfmt_write(d, dir, err);
	if (mnt_is_autofs(b->mount))
		return mnt_autofs_write(d, b->mount, dir, err);
	if (image_create_now(d->store, IMAGE_TMPFS_DEV, b->dev, &img, err) < 0)
		return -err->code;
	fd = image_fd(img, err);
	if (fd < 0 || archive(dir, fd, user_ns, b->mount->entry->mountpoint, err) < 0)
		return -err->code;
	return image_close(take_ptr(img), err);
}

static int receive(struct dump *d, const struct mnt_state *s, int sock, int user_ns,
		   struct err *err)
{
	struct offer o;
	int ret, got;

	for (;;) {
		ret = io_recv_fd(sock, &o, sizeof(o), &got);

		scoped_fd dir = ret < 0 ? -1 : got;

		if (ret < 0)
			return err_set(err, -ret, "cannot take the mounts apart");
		if (o.err.code) {
			*err = o.err;
			return -err->code;
		}
		if (o.base < 0)
			return 0;
		if (write_one(d, &s->bases.items[o.base], dir, user_ns, err) < 0)
			return -err->code;
		if (write(sock, "", 1) != 1)
			return err_sys(err, "cannot take the mounts apart");
	}
}

static int write_ns(struct dump *d, const struct mnt_state *s, const struct mount_ns *mns,
		    int user_ns, struct err *err)
{
	int socks[2], ret;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return err_sys(err, "cannot make a socket pair");

	scoped_fd ours = socks[0];
	scoped_fd theirs = socks[1];
	const struct taker k = { s, d->arena, theirs };

	pid = fork();
	if (pid < 0)
		return err_sys(err, "cannot fork");
	if (pid == 0)
		take_apart(d, &k, mns, user_ns);
	close(take_fd(&theirs));
	ret = receive(d, s, ours, user_ns, err);
	close(take_fd(&ours));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return ret;
}

static bool ns_has_content(const struct mnt_state *s, const struct mount_ns *mns)
{
	const struct mnt_base *b;

	vec_for_each(b, &s->bases)
		if (b->mount->ns == mns && is_written(b))
			return true;
	return false;
}

static int open_user_ns(struct dump *d, int *fd_ret, struct err *err)
{
	const struct ns *ns = d->ns->root[NS_USER];
	char link[32];

	*fd_ret = -1;
	if (!ns)
		return 0;
	snprintf(link, sizeof(link), "%d/ns/user", ns->task->host_pid);
	*fd_ret = openat(d->proc, link, O_RDONLY | O_CLOEXEC);
	return *fd_ret < 0 ? err_sys(err, "cannot open /proc/%s", link) : 0;
}

int mnt_content_write(struct dump *d, const struct mnt_state *s, struct err *err)
{
	struct mount_ns **mns;
	int opened;

	if (open_user_ns(d, &opened, err) < 0)
		return -err->code;

	scoped_fd user_ns = opened;

	vec_for_each(mns, &d->mounts->ns)
		if (ns_has_content(s, *mns) && write_ns(d, s, *mns, user_ns, err) < 0)
			return -err->code;
	return 0;
}

/* ---- restore ---- */

/* Descriptors of the coordinator's: those who have tar may not be those who made the mount. */
struct extraction {
	pid_t pid;
	int dir, archive;
	bool as_user;
	char mountpoint[4096];
};

static int open_its(struct restore *r, pid_t pid, const char *what, int fd, int flags)
{
	char link[48];

	snprintf(link, sizeof(link), "%d/%s", pid, what);
	if (fd >= 0)
		snprintf(link, sizeof(link), "%d/%s/%d", pid, what, fd);
	return openat(r->proc, link, flags | O_CLOEXEC);
}

static int extract_outside(struct restore *r, void *args, int *none, struct err *err)
{
	const struct extraction *x = args;
	scoped_fd dir = open_its(r, x->pid, "fd", x->dir, O_PATH | O_DIRECTORY);
	scoped_fd archive = open_its(r, x->pid, "fd", x->archive, O_RDONLY);
	scoped_fd user = x->as_user ? open_its(r, x->pid, "ns/user", -1, O_RDONLY) : -1;

	if (dir < 0 || archive < 0 || (x->as_user && user < 0))
		return err_sys(err, "cannot open the content of tmpfs %s", x->mountpoint);
	return run_tar(tar_extract, dir, archive, user, x->mountpoint, err);
}

int mnt_content_restore(struct restore *r, const struct mnt_base *b, struct err *err)
{
	scoped_image *img = NULL;
	struct extraction x = { getpid(), .dir = b->fd, .as_user = r->ns->root[NS_USER] };
	bool found = false;

	if (!has_content(b))
		return 0;
	if (image_open(r->store, IMAGE_TMPFS_DEV, b->dev, r->arena, &img, &found, err) < 0)
		return -err->code;
	/* CRIU before 2.12 */
	if (!found && image_open(r->store, IMAGE_TMPFS_IMG, b->mount->entry->mnt_id, r->arena, &img,
				 &found, err) < 0)
		return -err->code;
	if (!found)
		return err_set(err, ENOENT,
			       "cannot restore tmpfs %s: tmpfs-dev-%u.tar.gz.img is not there",
			       b->mount->entry->mountpoint, b->dev);
	x.archive = image_fd(img, err);
	if (x.archive < 0)
		return x.archive;
	if (mnt_empty_is_archive(x.archive))
		return 0;
	snprintf(x.mountpoint, sizeof(x.mountpoint), "%s", b->mount->entry->mountpoint);
	return outside_run(r, extract_outside, &x, sizeof(x), NULL, err);
}
