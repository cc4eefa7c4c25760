/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mnt_fs - one file system, one mount: made, and given their flags
 *
 * proc belongs to the pid namespace of the root task, which the coordinator is
 * not in: the kernel takes it as an option (6.18), and on older ones a child of
 * ours goes there to make it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/outside.h"
#include "ns/mnt.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

static const struct mnt_fs file_systems[] = {
	{ "proc", FSTYPE__PROC, false, false, false },
	/* to change it takes the root outside, whoever has made it (fs_context.global) */
	{ "sysfs", FSTYPE__SYSFS, false, false, true },
	{ "devtmpfs", FSTYPE__DEVTMPFS, false, true, false },
	{ "binfmt_misc", FSTYPE__BINFMT_MISC, false, false, false },
	{ "tmpfs", FSTYPE__TMPFS, true, false, false },
	{ "devpts", FSTYPE__DEVPTS, false, false, false },
	{ "pstore", FSTYPE__PSTORE, false, true, false },
	{ "securityfs", FSTYPE__SECURITYFS, false, true, false },
	{ "fusectl", FSTYPE__FUSECTL, false, true, false },
	{ "debugfs", FSTYPE__DEBUGFS, false, true, false },
	{ "cgroup", FSTYPE__CGROUP, false, false, false },
	{ "mqueue", FSTYPE__MQUEUE, false, false, false },
	{ "tracefs", FSTYPE__TRACEFS, false, true, false },
	{ "cgroup2", FSTYPE__CGROUP2, false, false, false },
	{ "autofs", FSTYPE__AUTOFS, false, false, false },
};

const struct mnt_fs *mnt_fs_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(file_systems) / sizeof(file_systems[0]); i++)
		if (strcmp(file_systems[i].name, name) == 0)
			return &file_systems[i];
	return NULL;
}

const struct mnt_fs *mnt_fs_by_code(uint32_t code)
{
	for (size_t i = 0; i < sizeof(file_systems) / sizeof(file_systems[0]); i++)
		if (file_systems[i].code == code)
			return &file_systems[i];
	return NULL;
}

const char *mnt_fs_name(const MntEntry *e)
{
	const struct mnt_fs *fs = mnt_fs_by_code(e->fstype);

	return fs ? fs->name : e->fsname ? e->fsname : "?";
}

/* ---- flags ---- */

static const struct {
	uint32_t flag;
	uint64_t attr;
} attributes[] = {
	{ MS_RDONLY, MOUNT_ATTR_RDONLY },	  { MS_NOSUID, MOUNT_ATTR_NOSUID },
	{ MS_NODEV, MOUNT_ATTR_NODEV },		  { MS_NOEXEC, MOUNT_ATTR_NOEXEC },
	{ MS_NODIRATIME, MOUNT_ATTR_NODIRATIME }, { MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
};

int mnt_set_flags(int fd, uint32_t flags, struct err *err)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR__ATIME };

	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		if (flags & attributes[i].flag)
			attr.attr_set |= attributes[i].attr;
		else
			attr.attr_clr |= attributes[i].attr;
	}
	attr.attr_set |= flags & MS_NOATIME    ? MOUNT_ATTR_NOATIME
			 : flags & MS_RELATIME ? MOUNT_ATTR_RELATIME
					       : MOUNT_ATTR_STRICTATIME;
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(err, "cannot give a mount its flags (%#x)", flags);
	return 0;
}

static const struct {
	uint32_t flag;
	const char *name;
} sb_flags[] = {
	{ MS_RDONLY, "ro" },	 { MS_SYNCHRONOUS, "sync" },  { MS_DIRSYNC, "dirsync" },
	{ MS_MANDLOCK, "mand" }, { MS_LAZYTIME, "lazytime" },
};

static bool is_born_ro(const MntEntry *e)
{
	const struct mnt_fs *type = mnt_fs_by_code(e->fstype);

	return type && type->born_ro && e->sb_flags & MS_RDONLY;
}

int mnt_set_sb_flags(int fd, const MntEntry *e, struct err *err)
{
	uint32_t flags = e->sb_flags & ~(is_born_ro(e) ? (uint32_t)MS_RDONLY : 0);
	scoped_fd fs = -1;

	if (!flags)
		return 0;
	fs = fspick(fd, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);

	if (fs < 0)
		return err_sys(err, "cannot change the file system %s", e->mountpoint);
	for (size_t i = 0; i < sizeof(sb_flags) / sizeof(sb_flags[0]); i++)
		if (flags & sb_flags[i].flag &&
		    fsconfig(fs, FSCONFIG_SET_FLAG, sb_flags[i].name, NULL, 0) < 0)
			return err_sys(err, "cannot make the file system %s %s", e->mountpoint,
				       sb_flags[i].name);
	if (fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return err_sys(err, "cannot change the file system %s", e->mountpoint);
	return 0;
}

/* ---- a file system ---- */

/* What the kernel says about an option, "e tmpfs: Bad value for 'size'". */
static int refuse_option(int fs, const MntEntry *e, const char *option, struct err *err)
{
	char said[256];
	int code = errno;
	ssize_t n = read(fs, said, sizeof(said) - 1);

	err_set(err, code, "cannot mount %s at %s with %s", mnt_fs_name(e), e->mountpoint, option);
	if (n > 2) {
		said[n] = '\0';
		said[strcspn(said, "\n")] = '\0';
		err_why(err, "%s", said + 2);
	}
	return err_hint(err, "is this kernel as that of the dump?");
}

/* These the kernel shows, and knows what they are without being told. */
static bool is_implied(const char *option)
{
	static const char *const implied[] = { "seclabel", "relatime", "rw", "newinstance" };

	for (size_t i = 0; i < sizeof(implied) / sizeof(implied[0]); i++)
		if (strcmp(option, implied[i]) == 0)
			return true;
	return false;
}

/* Cut the first of "a,b=\"c,d\",e" off; NULL: there is none. */
static char *next_option(char **list)
{
	char *start = *list, *p;
	bool quoted = false;

	if (!*start)
		return NULL;
	for (p = start; *p && (quoted || *p != ','); p++)
		if (*p == '"')
			quoted = !quoted;
	*list = *p ? p + 1 : p;
	*p = '\0';
	return start;
}

static char *without_quotes(char *value)
{
	size_t n = strlen(value);

	if (n < 2 || value[0] != '"' || value[n - 1] != '"')
		return value;
	value[n - 1] = '\0';
	return value + 1;
}

static int set_option(struct restore *r, int fs, const MntEntry *e, char *option, struct err *err)
{
	char *value = strchr(option, '=');
	const char *text;

	if (is_implied(option))
		return 0;
	if (!value)
		return fsconfig(fs, FSCONFIG_SET_FLAG, option, NULL, 0) < 0
			       ? refuse_option(fs, e, option, err)
			       : 0;
	*value++ = '\0';
	text = without_quotes(value);
	if (strcmp(option, "context") == 0 && r->opts->lsm_mount_context)
		text = r->opts->lsm_mount_context;
	if (fsconfig(fs, FSCONFIG_SET_STRING, option, text, 0) == 0)
		return 0;
	return refuse_option(fs, e, arena_printf(r->arena, "%s=%s", option, text), err);
}

static int set_options(struct restore *r, int fs, const MntEntry *e, struct err *err)
{
	char *list = arena_strdup(r->arena, e->options), *option;

	while ((option = next_option(&list)))
		if (set_option(r, fs, e, option, err) < 0)
			return -err->code;
	return 0;
}

/* Its mount has no flags yet; whether anybody may write is settled at the end. */
static int create_mount(int fs, const MntEntry *e, struct err *err)
{
	int fd;

	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return refuse_option(fs, e, *e->options ? e->options : "its options", err);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? err_sys(err, "cannot mount %s", mnt_fs_name(e)) : fd;
}

static int make_here(struct restore *r, const MntEntry *e, const char *source, int pid_ns,
		     struct err *err)
{
	const char *name = mnt_fs_name(e);
	scoped_fd fs = fsopen(name, FSOPEN_CLOEXEC);

	if (fs < 0) {
		err_sys(err, "cannot mount %s: no such file system (%s)", e->mountpoint, name);
		return err_hint(err, "this kernel lacks it; load its module");
	}
	if (*source && fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return refuse_option(fs, e, "its source", err);
	if (pid_ns >= 0 && fsconfig(fs, FSCONFIG_SET_FD, "pidns", NULL, pid_ns) < 0)
		return errno == EINVAL ? -EINVAL : refuse_option(fs, e, "its pid namespace", err);
	if (e->fstype == FSTYPE__AUTOFS)
		return mnt_autofs_make(r, fs, e, err);
	if (set_options(r, fs, e, err) < 0)
		return -err->code;
	if (is_born_ro(e) && fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
		return refuse_option(fs, e, "ro", err);
	return create_mount(fs, e, err);
}

/* ---- in a child: proc, where the kernel does not know the option, and autofs ---- */

struct child_news {
	int fd; /* in the child */
	struct err err;
};

/* In a child of a child: only that is in the pid namespace. */
static void make_in_child(struct restore *r, const MntEntry *e, int pid_ns, int sock)
	__attribute__((noreturn));
static void make_in_child(struct restore *r, const MntEntry *e, int pid_ns, int sock)
{
	struct child_news news = { .fd = -1 };
	scoped_fd fd = -1;
	pid_t pid;

	if (pid_ns >= 0 && setns(pid_ns, CLONE_NEWPID) < 0)
		_exit(1);
	pid = fork();
	if (pid != 0) {
		waitpid(pid, NULL, 0);
		_exit(pid < 0);
	}
	/* autofs has the group of who makes it, which must be of the pid namespace */
	setpgid(0, 0);
	fd = make_here(r, e, e->source, -1, &news.err);
	io_send_fd(sock, &news, sizeof(news), fd);
	_exit(0);
}

static int make_by_child(struct restore *r, const MntEntry *e, int pid_ns, struct err *err)
{
	struct child_news news = { .fd = -1 };
	int socks[2], fd = -1, ret;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return err_sys(err, "cannot make a socket pair");

	scoped_fd ours = socks[0];
	scoped_fd theirs = socks[1];

	pid = fork();
	if (pid < 0)
		return err_sys(err, "cannot fork");
	if (pid == 0)
		make_in_child(r, e, pid_ns, theirs);
	close(take_fd(&theirs));
	ret = io_recv_fd(ours, &news, sizeof(news), &fd);
	waitpid(pid, NULL, 0);
	if (ret < 0)
		return err_set(err, -ret, "cannot mount %s in the new pid namespace",
			       e->mountpoint);
	if (news.err.code) {
		*err = news.err;
		return -err->code;
	}
	return fd;
}

/* ---- what there is only one of, and which only the root outside may mount ---- */

struct whole {
	const struct mount *mount; /* both sides have the table at the same place */
};

static int make_outside(struct restore *r, void *args, int *fd, struct err *err)
{
	const struct whole *w = args;

	*fd = make_here(r, w->mount->entry, w->mount->entry->source, -1, err);
	return *fd < 0 ? *fd : 0;
}

static int fetch_whole(struct restore *r, const struct mount *m, struct err *err)
{
	struct whole w = { m };
	int fd = -1;

	if (outside_run(r, make_outside, &w, sizeof(w), &fd, err) < 0)
		return -err->code;
	return fd;
}

int mnt_fs_make(struct restore *r, const struct mount *m, const char *source, struct err *err)
{
	const struct mnt_fs *type = mnt_fs_by_code(m->entry->fstype);
	const struct ns *pid_ns = r->ns->root[NS_PID];
	int fd;

	if (r->ns->root[NS_USER] && type && type->is_one)
		return fetch_whole(r, m, err);

	if (m->entry->fstype == FSTYPE__AUTOFS)
		return make_by_child(r, m->entry, pid_ns ? pid_ns->fd : -1, err);
	if (m->entry->fstype != FSTYPE__PROC || !pid_ns)
		return make_here(r, m->entry, source, -1, err);
	fd = make_here(r, m->entry, source, pid_ns->fd, err);
	if (fd == -EINVAL && !err->code)
		return make_by_child(r, m->entry, pid_ns->fd, err);
	return fd;
}
