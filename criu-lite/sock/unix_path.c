/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unix_path - names of unix sockets, and the files that some names are
 *
 * collect   the name as it was given to bind(); the file behind it from
 *           SIOCUNIXFILE, which also says where it is, if the name is relative or
 *           the task has a root of its own (then name_dir is the directory that
 *           the name starts from)
 * plan      a file of that name must be a socket that nobody has open: a program
 *           that ends does not remove its sockets, so after a dump it normally is
 *           there.  Whether one is in use is found out by connecting a datagram
 *           socket to it, of which its owner notices nothing, not even if it is a
 *           datagram socket too.  Abstract names are listed by sock_diag
 * open      the unused file is removed, bind() makes a new one, which gets owner
 *           and mode of the old
 *
 * A socket whose file was deleted keeps its name.  It is bound inside of a new
 * tmpfs, which is mounted nowhere and has only the task's root directory for a
 * moment: no name of the real file system is touched.
 *
 * Others connect to a socket through /proc/self/fd and the file that is behind
 * it, so deleted, relative and hidden names make no difference.
 *
 * A socket whose file was renamed is bound in the same way, but in a directory
 * beside the new name, which then gets the file; the directory is removed.  In the
 * image it is a deleted one, with the new name in a field of ours.  So is one in a
 * directory of the tree's own mounts that is covered by a later mount.
 *
 * Each mount namespace has names of its own: all is done in that of the file.
 *
 * refused   a socket file that is covered by a mount in criu-lite's own namespace
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/inject.h"
#include "base/log.h"
#include "core/mounts.h"
#include "core/sock_ns.h"
#include "core/steady.h"
#include "core/undo.h"
#include "sock/unix.h"

#ifndef SIOCUNIXFILE
enum { SIOCUNIXFILE = SIOCPROTOPRIVATE };
#endif

/* ---- names ---- */

size_t unix_name_len(const UnixSkEntry *e)
{
	size_t n = e->name.len;

	return unix_has_path(e) && e->name.data[n - 1] == '\0' ? n - 1 : n;
}

int unix_compare_names(const UnixSkEntry *a, const UnixSkEntry *b)
{
	size_t n = unix_name_len(a), m = unix_name_len(b);

	/* every network namespace has abstract names of its own */
	if (unix_is_abstract(a) && a->has_ns_id && b->has_ns_id && a->ns_id != b->ns_id)
		return a->ns_id < b->ns_id ? -1 : 1;
	if (n != m)
		return n < m ? -1 : 1;
	return n ? memcmp(a->name.data, b->name.data, n) : 0;
}

bool unix_same_name(const UnixSkEntry *a, const UnixSkEntry *b)
{
	return unix_compare_names(a, b) == 0;
}

const char *unix_name_text(struct arena *a, const UnixSkEntry *e)
{
	if (!e->name.len)
		return "without a name";
	if (unix_is_abstract(e))
		return arena_printf(a, "@%.*s", (int)e->name.len - 1,
				    (const char *)e->name.data + 1);
	return arena_printf(a, "%.*s", (int)unix_name_len(e), (const char *)e->name.data);
}

static const char *name_string(struct arena *a, const UnixSkEntry *e)
{
	return arena_printf(a, "%.*s", (int)unix_name_len(e), (const char *)e->name.data);
}

/* The name as seen from our root. */
static const char *full_path(struct arena *a, const UnixSkEntry *e)
{
	const char *name = name_string(a, e);

	if (!e->name_dir)
		return name;
	return arena_printf(a, "%s%s%s", e->name_dir, name[0] == '/' ? "" : "/", name);
}

static int make_address(const UnixSkEntry *e, struct sockaddr_un *addr, socklen_t *len,
			struct err *err)
{
	size_t n = unix_name_len(e);

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (n > sizeof(addr->sun_path))
		return err_set(err, EBADMSG, "cannot use a socket name of %zu bytes", n);
	if (n)
		memcpy(addr->sun_path, e->name.data, n);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (unix_has_path(e) && n < sizeof(addr->sun_path))
		++*len;
	return 0;
}

/* ---- dump ---- */

static bool is_file(int dir, const char *path, const struct stat *st)
{
	struct stat other;

	return fstatat(dir, path, &other, 0) == 0 && other.st_dev == st->st_dev &&
	       other.st_ino == st->st_ino;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static int read_text(int dir, const char *link, char *text, size_t size, struct err *err)
{
	ssize_t n = readlinkat(dir, link, text, size - 1);

	if (n < 0)
		return err_sys(err, "cannot read /proc/%s", link);
	text[n] = '\0';
	return 0;
}

/* The directory that @name starts from, so that it is the file at @where; NULL: ours. */
static int find_name_dir(struct dump *d, const struct fd_probe *p, const char *name,
			 const char *where, const struct stat *st, UnixSkEntry *e, struct err *err)
{
	const char *tail = name[0] == '/' ? name : arena_printf(d->arena, "/%s", name);
	const char *cwd = arena_printf(d->arena, "%d/cwd", p->task->host_alive);
	char dir[4096];

	if (name[0] == '/' && is_file(AT_FDCWD, name, st))
		return 0;
	if (ends_with(where, tail) && is_file(AT_FDCWD, where, st)) {
		e->name_dir = arena_strdup(d->arena, where);
		e->name_dir[strlen(where) - strlen(tail)] = '\0';
		if (!e->name_dir[0])
			e->name_dir = arena_strdup(d->arena, "/");
		return 0;
	}
	if (name[0] != '/' && is_file(d->proc, arena_printf(d->arena, "%s/%s", cwd, name), st)) {
		if (read_text(d->proc, cwd, dir, sizeof(dir), err) < 0)
			return -err->code;
		e->name_dir = arena_strdup(d->arena, dir);
		return 0;
	}
	if (is_file(AT_FDCWD, where, st) || mount_by_id(d->mounts, (uint32_t)e->mnt_id)) {
		e->has_deleted = e->deleted = true;
		e->moved_to = arena_strdup(d->arena, where);
		e->has_covered = e->covered = !is_file(AT_FDCWD, where, st);
		return 0;
	}
	err_set(err, EOPNOTSUPP, "cannot dump the socket %s: its file is at %s", name, where);
	err_why(err, "that is covered by a mount");
	return err_hint(err, "unmount what covers it for the time of the dump");
}

static uint64_t mount_of(int fd)
{
	struct statx sx;

	return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) < 0 ? 0 : sx.stx_mnt_id;
}

/* In the mount namespace of @file. */
static int find_place(struct dump *d, const struct fd_probe *p, int file, const struct stat *st,
		      UnixSkEntry *e, struct err *err)
{
	char link[32], where[4096];

	snprintf(link, sizeof(link), "self/fd/%d", file);
	if (read_text(d->proc, link, where, sizeof(where), err) < 0)
		return -err->code;
	return find_name_dir(d, p, name_string(d->arena, e), where, st, e, err);
}

static int collect_place(struct dump *d, const struct fd_probe *p, int file, const struct stat *st,
			 UnixSkEntry *e, struct err *err)
{
	uint64_t mnt_id = mount_of(file);
	struct err back = { 0 };
	struct ns_visit visit;
	int ret;

	if (d->mounts) {
		e->has_mnt_id = true;
		e->mnt_id = (int32_t)mnt_id;
	}
	if (mounts_enter_dump(d, p->task, mnt_id, &visit, err) < 0)
		return -err->code;
	ret = find_place(d, p, file, st, e, err);
	if (mounts_leave(d, &visit, &back) < 0) {
		*err = back;
		return -err->code;
	}
	return ret;
}

static int collect_file(struct dump *d, const struct fd_probe *p, UnixSkEntry *e, struct err *err)
{
	scoped_fd file = ioctl(p->own, SIOCUNIXFILE);
	struct stat st;

	if (file < 0 || fstat(file, &st) < 0)
		return err_sys(err, "cannot get at the file of socket %s",
			       name_string(d->arena, e));

	e->file_perms = record_new(d, file_perms_entry);
	e->file_perms->mode = st.st_mode;
	e->file_perms->uid = ns_uid_inside(d->ns, st.st_uid);
	e->file_perms->gid = ns_gid_inside(d->ns, st.st_gid);
	e->has_deleted = e->deleted = st.st_nlink == 0;
	return e->deleted ? 0 : collect_place(d, p, file, &st, e, err);
}

int unix_path_collect(struct dump *d, const struct fd_probe *p, UnixSkEntry *e, struct err *err)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	size_t skip = offsetof(struct sockaddr_un, sun_path);

	if (getsockname(p->own, (struct sockaddr *)&addr, &len) < 0)
		return err_sys(err, "cannot ask for the name of a socket");
	if (len > skip) {
		e->name.len = len - skip;
		e->name.data = arena_dup(d->arena, (char *)&addr + skip, e->name.len);
	}
	return unix_has_path(e) ? collect_file(d, p, e, err) : 0;
}

/* ---- plan ---- */

static bool is_in_use(const char *path)
{
	scoped_fd fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
		return false; /* then bind() will tell */
	memcpy(addr.sun_path, path, strlen(path));
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno != ECONNREFUSED;
}

static int check_in_the_way(const char *path, const struct stat *st, struct err *err)
{
	if (!S_ISSOCK(st->st_mode)) {
		err_set(err, EADDRINUSE, "cannot make the socket %s: there is a file of that name",
			path);
		return err_hint(err, "move that file away");
	}
	if (is_in_use(path)) {
		err_set(err, EADDRINUSE, "cannot make the socket %s: another program has it open",
			path);
		return err_hint(err, "end that program, or restore in another mount namespace");
	}
	return 0;
}

static int check_abstract(struct restore *r, const UnixSkEntry *e, struct err *err)
{
	struct unix_state *s = kind_state(r->kinds, &unix_kind);
	bool is_taken;

	if (unix_diag_is_taken(r, s, e, &is_taken, err) < 0)
		return -err->code;
	if (!is_taken)
		return 0;
	err_set(err, EADDRINUSE, "cannot make the socket %s: another program has that name",
		unix_name_text(r->arena, e));
	return err_hint(err, "end that program, or restore in another network namespace");
}

/* Nothing was there when we planned to make it. */
static void remove_name(const void *what, pid_t maker)
{
	const char *path = what;
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && !is_in_use(path))
		unlink(path);
}

int unix_path_plan(struct restore *r, const struct file *f, struct err *err)
{
	const UnixSkEntry *e = f->image->usk;
	const char *path = e->moved_to ? e->moved_to : full_path(r->arena, e), *slash;
	struct sockaddr_un addr;
	socklen_t len;
	struct stat st;

	if (make_address(e, &addr, &len, err) < 0)
		return -err->code;
	if (unix_is_abstract(e))
		return sock_ns_is_elsewhere(r, f) ? 0 : check_abstract(r, e, err);
	if (!unix_has_path(e) || (e->deleted && !e->moved_to))
		return 0;
	if (path[0] != '/')
		return err_set(err, EBADMSG,
			       "cannot make the socket %s: nothing says in which directory", path);
	/* its namespace is not there yet: what is in the way is found when it is bound */
	if (r->mounts)
		return 0;
	if (lstat(path, &st) == 0)
		return check_in_the_way(path, &st, err);

	slash = strrchr(path, '/');
	if (stat(arena_printf(r->arena, "%.*s/", (int)(slash - path), path), &st) == 0 &&
	    S_ISDIR(st.st_mode)) {
		undo_add(r, remove_name, path);
		return 0;
	}
	err_set(err, ENOENT, "cannot make the socket %s: there is no such directory", path);
	return err_hint(err, "make the directory %.*s", (int)(slash - path), path);
}

/* ---- another root or working directory, for a moment ---- */

struct place {
	int root, cwd;
};

static int place_enter(struct place *was, int dir, bool as_root, struct err *err)
{
	scoped_fd root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	scoped_fd cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || cwd < 0 || fchdir(dir) < 0 || (as_root && chroot(".") < 0)) {
		err_sys(err, "cannot go to the directory of a socket");
		if (cwd >= 0 && fchdir(cwd) < 0)
			log_error("cannot go back to where we were");
		return -err->code;
	}
	was->root = take_fd(&root);
	was->cwd = take_fd(&cwd);
	return 0;
}

static int place_leave(struct place *was, struct err *err)
{
	scoped_fd root = was->root, cwd = was->cwd;

	if (fchdir(root) < 0 || chroot(".") < 0 || fchdir(cwd) < 0)
		return err_sys(err, "cannot come back from the directory of a socket");
	return 0;
}

/* A file system that is mounted nowhere and ends with its last file. */
static int private_tmpfs(struct err *err)
{
	scoped_fd fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	int mnt = -1;

	if (fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mnt = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return mnt < 0 ? err_sys(err, "cannot make a tmpfs for the name of a deleted socket") : mnt;
}

/* The directories of @path, which begin at our root, or where we are. */
static int make_dirs(const char *path, struct err *err)
{
	char dir[PATH_MAX];
	const char *p;

	for (p = path; (p = strchr(p, '/')); p++) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(p - path), path);
		if (p > path && mkdir(dir, 0755) < 0 && errno != EEXIST)
			return err_sys(err, "cannot make the directory %s", dir);
	}
	return 0;
}

/* ---- bind ---- */

static int do_bind(struct restore *r, int fd, const UnixSkEntry *e, struct err *err)
{
	const char *text = unix_name_text(r->arena, e);
	struct sockaddr_un addr;
	socklen_t len;

	if (make_address(e, &addr, &len, err) < 0)
		return -err->code;
	if (bind(fd, (struct sockaddr *)&addr, len) < 0)
		return err_sys(err, "cannot bind a socket to %s", text);
	return 0;
}

static int bind_apart(struct restore *r, int fd, const UnixSkEntry *e, struct err *err)
{
	scoped_fd fs = private_tmpfs(err);
	struct err e2 = { 0 };
	struct place was;
	int ret;

	if (fs < 0 || place_enter(&was, fs, true, err) < 0)
		return -err->code;
	ret = make_dirs(name_string(r->arena, e), err);
	if (ret == 0)
		ret = do_bind(r, fd, e, err);
	/* a later dump shall see that nobody can find it */
	if (ret == 0 && unlink(name_string(r->arena, e)) < 0)
		ret = err_sys(err, "cannot remove the name of a socket again");
	if (place_leave(&was, ret < 0 ? &e2 : err) < 0)
		return ret < 0 ? ret : -err->code;
	return ret;
}

/* A new name of a socket: @base in the directory @dir. */
struct moved {
	struct restore *r;
	int fd;
	const UnixSkEntry *e;
	int dir;
	const char *base;
};

static int rename_moved(const struct moved *m, int from, struct err *err)
{
	const char *name = name_string(m->r->arena, m->e);

	while (*name == '/')
		name++;
	if (renameat(from, name, m->dir, m->base) < 0)
		return err_sys(err, "cannot rename a socket to %s", m->e->moved_to);
	return 0;
}

/* The directories that make_dirs() made in @path, which is in @dir, and itself. */
static void remove_dirs(int dir, const char *top, const char *name)
{
	char path[PATH_MAX];
	char *slash;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	while ((slash = strrchr(path, '/'))) {
		*slash = '\0';
		/* a name may have empty parts */
		if (unlinkat(dir, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
			log_warn("cannot remove the directory %s: %s", path, strerror(errno));
	}
}

static int bind_below(const struct moved *m, const char *dir, struct err *err)
{
	scoped_fd top = openat(m->dir, dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err e2 = { 0 };
	struct place was;
	int ret;

	if (top < 0)
		return err_sys(err, "cannot open the directory %s", dir);
	if (place_enter(&was, top, true, err) < 0)
		return -err->code;
	ret = make_dirs(name_string(m->r->arena, m->e), err);
	if (ret == 0)
		ret = do_bind(m->r, m->fd, m->e, err);
	if (place_leave(&was, ret < 0 ? &e2 : err) < 0)
		return ret < 0 ? ret : -err->code;
	return ret < 0 ? ret : rename_moved(m, top, err);
}

static int make_moved(void *arg, struct err *err)
{
	const struct moved *m = arg;
	const char *dir = arena_printf(m->r->arena, "%s.criu-lite.%d", m->base, getpid());
	int ret;

	if (mkdirat(m->dir, dir, 0700) < 0)
		return err_sys(err, "cannot make the directory %s", dir);
	ret = inject_point(err, "steady:socket");
	if (ret == 0)
		ret = bind_below(m, dir, err);
	remove_dirs(m->dir, dir, name_string(m->r->arena, m->e));
	return ret;
}

/* Between plan and now somebody may have begun to use it. */
static int remove_unused(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	if (check_in_the_way(path, &st, err) < 0)
		return -err->code;
	if (unlink(path) < 0)
		return err_sys(err, "cannot remove the unused socket %s", path);
	return 0;
}

static int open_moved_dir(struct restore *r, const UnixSkEntry *e, struct err *err)
{
	const char *slash = strrchr(e->moved_to, '/');
	const char *path = arena_printf(r->arena, "%.*s/", slash ? (int)(slash - e->moved_to) : 0,
					e->moved_to);
	const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	int dir = e->covered ? mounts_open_covered(r, e->mnt_id, path, flags) : open(path, flags);

	return dir < 0 ? err_sys(err, "cannot open the directory %s", path) : dir;
}

/* We may be killed, but the directory must go again. */
static int bind_moved(struct restore *r, int fd, const UnixSkEntry *e, struct err *err)
{
	const char *slash = strrchr(e->moved_to, '/');
	struct moved m = { r, fd, e, -1, slash ? slash + 1 : e->moved_to };
	scoped_fd dir = open_moved_dir(r, e, err);

	if (dir < 0)
		return -err->code;
	m.dir = dir;
	if (remove_unused(arena_printf(r->arena, "/proc/self/fd/%d/%s", dir, m.base), err) < 0)
		return -err->code;
	return steady_run(make_moved, &m, err);
}

static int set_perms(int fd, const UnixSkEntry *e, struct err *err)
{
	const FilePermsEntry *perms = e->file_perms;
	scoped_fd file = ioctl(fd, SIOCUNIXFILE);
	char path[32];

	if (!perms)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (file < 0 || fchownat(file, "", perms->uid, perms->gid, AT_EMPTY_PATH) < 0 ||
	    chmod(path, perms->mode & 07777) < 0)
		return err_sys(err, "cannot set owner and mode of a socket");
	return 0;
}

static int bind_in(struct restore *r, int fd, const UnixSkEntry *e, struct err *err)
{
	scoped_fd dir = open(e->name_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err e2 = { 0 };
	struct place was;
	int ret;

	if (dir < 0)
		return err_sys(err, "cannot open the directory %s", e->name_dir);
	if (place_enter(&was, dir, e->name.data[0] == '/', err) < 0)
		return -err->code;
	ret = do_bind(r, fd, e, err);
	if (place_leave(&was, ret < 0 ? &e2 : err) < 0)
		return ret < 0 ? ret : -err->code;
	return ret;
}

static int bind_file(struct restore *r, int fd, const UnixSkEntry *e, struct err *err)
{
	int ret;

	if (e->moved_to) {
		ret = bind_moved(r, fd, e, err);
	} else {
		if (remove_unused(full_path(r->arena, e), err) < 0)
			return -err->code;
		ret = e->name_dir ? bind_in(r, fd, e, err) : do_bind(r, fd, e, err);
	}
	return ret < 0 ? ret : set_perms(fd, e, err);
}

int unix_path_bind(struct restore *r, int fd, const UnixSkEntry *e, bool apart, struct err *err)
{
	struct err back = { 0 };
	struct ns_visit visit;
	int ret;

	if (!unix_has_path(e))
		return e->name.len ? do_bind(r, fd, e, err) : 0;
	if (apart || (e->deleted && !e->moved_to))
		return bind_apart(r, fd, e, err);
	if (mounts_enter_restore(r, e->mnt_id, &visit, err) < 0)
		return -err->code;
	ret = bind_file(r, fd, e, err);
	if (ns_leave(&visit, &back) < 0) {
		*err = back;
		return -err->code;
	}
	return ret;
}

/* ---- connect ---- */

int unix_path_address(const UnixSkEntry *to, int to_fd, struct sockaddr_un *addr, socklen_t *len,
		      int *keep_ret, struct err *err)
{
	int file;

	*keep_ret = -1;
	if (!unix_has_path(to))
		return make_address(to, addr, len, err);

	file = ioctl(to_fd, SIOCUNIXFILE);
	if (file < 0)
		return err_sys(err, "cannot get at the file of socket %.*s", (int)unix_name_len(to),
			       (const char *)to->name.data);
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d", file);
	*len = sizeof(*addr);
	*keep_ret = file;
	return 0;
}

/* What printf can show of a name; it is not kept, so it needs no arena. */
#define NAME_FORMAT "%s%.*s"
#define NAME_ARGS(e)                                                                      \
	unix_is_abstract(e) ? "@" : "", (int)unix_name_len(e) - (int)unix_is_abstract(e), \
		(const char *)(e)->name.data + unix_is_abstract(e)

static int connect_address(int fd, const UnixSkEntry *to, const struct sockaddr_un *addr,
			   socklen_t len, struct err *err)
{
	if (connect(fd, (const struct sockaddr *)addr, len) < 0)
		return err_sys(err, "cannot connect to the socket " NAME_FORMAT, NAME_ARGS(to));
	return 0;
}

int unix_path_connect_outside(int fd, const UnixSkEntry *to, struct err *err)
{
	struct sockaddr_un addr;
	socklen_t len;

	if (make_address(to, &addr, &len, err) < 0)
		return -err->code;
	return connect_address(fd, to, &addr, len, err);
}

int unix_path_connect(int fd, const UnixSkEntry *to, int to_fd, struct err *err)
{
	struct sockaddr_un addr;
	scoped_fd keep = -1;
	socklen_t len;

	if (unix_path_address(to, to_fd, &addr, &len, &keep, err) < 0)
		return -err->code;
	return connect_address(fd, to, &addr, len, err);
}
