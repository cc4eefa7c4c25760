/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cgroup_fs - hierarchies of control groups as directories
 *
 * A hierarchy is mounted for ourselves alone, as a mount that is attached
 * nowhere: so it does not matter what is mounted under /sys/fs/cgroup and with
 * which root, and nothing is left behind.  With --cgroup-yard the caller has
 * mounted them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "task/cgroup.h"

static const char *without_name(const char *name)
{
	return strncmp(name, "name=", 5) == 0 ? name + 5 : name;
}

static int open_in_yard(struct cgroup_roots *roots, const char *name, struct err *err)
{
	const char *dir = cgroup_is_v2(name) ? "unified" : without_name(name);
	const char *path = arena_printf(roots->arena, "%s/%s", roots->yard, dir);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	err_sys(err, "cannot open %s, where control groups should be (--cgroup-yard)", path);
	return err_hint(err, "mount the hierarchy there");
}

static int set_option(int fs, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key,
			    value, 0);
}

static int set_controllers(struct arena *a, int fs, const char *name)
{
	char *rest = arena_strdup(a, name), *one;

	if (cgroup_is_v2(name))
		return 0;
	while ((one = strsep(&rest, ","))) {
		bool named = one != without_name(one);

		if (named ? set_option(fs, "none", NULL) < 0 ||
				    set_option(fs, "name", without_name(one)) < 0
			  : set_option(fs, one, NULL) < 0)
			return -1;
	}
	return 0;
}

static int mount_detached(struct arena *a, const char *name)
{
	scoped_fd fs =
		(int)syscall(SYS_fsopen, cgroup_is_v2(name) ? "cgroup2" : "cgroup", FSOPEN_CLOEXEC);

	if (fs < 0 || set_controllers(a, fs, name) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
}

static int root_open(struct cgroup_roots *roots, const char *name, struct err *err)
{
	int fd;

	if (roots->yard)
		return open_in_yard(roots, name, err);
	fd = mount_detached(roots->arena, name);
	if (fd >= 0)
		return fd;
	err_sys(err, "cannot mount control groups (%s)", *name ? name : "version 2");
	return err_hint(err, "leave them alone by --manage-cgroups=ignore");
}

int cgroup_root_open(struct cgroup_roots *roots, const char *name, int *dir_ret, struct err *err)
{
	struct cgroup_root *root;
	int dir;

	vec_for_each(root, &roots->list)
		if (strcmp(root->name, name) == 0) {
			*dir_ret = root->dir;
			return 0;
		}
	dir = root_open(roots, name, err);
	if (dir < 0)
		return -err->code;
	root = vec_add(roots->arena, &roots->list);
	root->name = name;
	*dir_ret = root->dir = dir;
	return 0;
}

void cgroup_roots_fini(struct cgroup_roots *roots)
{
	struct cgroup_root *root;

	vec_for_each(root, &roots->list)
		close(root->dir);
	roots->list.n = 0;
}

/* "8:pids:/a/b": the two names; the path has no colon in front. */
static bool split_line(struct text line, struct slice *name_ret, struct slice *path_ret)
{
	const char *name = memchr(line.p, ':', (size_t)(line.end - line.p)), *path;

	path = name ? memchr(name + 1, ':', (size_t)(line.end - name - 1)) : NULL;
	if (!path || path + 1 >= line.end || path[1] != '/')
		return false;
	*name_ret = (struct slice){ name + 1, (size_t)(path - name - 1) };
	*path_ret = (struct slice){ path + 2, (size_t)(line.end - path - 2) };
	return true;
}

const char *cgroup_path_of(struct arena *a, const char *text, const char *wanted)
{
	struct text t = text_of(text, strlen(text)), line;
	struct slice name, path;

	while (text_line(&t, &line))
		if (split_line(line, &name, &path) && slice_is(name, wanted))
			return arena_printf(a, "%.*s", (int)path.n, path.p);
	return NULL;
}

bool cgroup_is_known(const char *own, const char *wanted)
{
	struct text t = text_of(own, strlen(own)), line;
	struct slice name, path;

	while (text_line(&t, &line))
		if (split_line(line, &name, &path) && slice_is(name, wanted))
			return true;
	return false;
}

bool cgroup_is_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	return n == 0 || (strncmp(path, top, n) == 0 && (path[n] == '/' || !path[n]));
}

const char *cgroup_join(struct arena *a, const char *path, const char *name)
{
	if (!*path)
		return name;
	return *name ? arena_printf(a, "%s/%s", path, name) : path;
}

int cgroup_open(int root, const char *path, struct err *err)
{
	int fd = openat(root, *path ? path : ".", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "cannot open control group /%s", path) : fd;
}

char *cgroup_read(struct arena *a, int group, const char *file)
{
	size_t len;
	char *text;

	if (io_slurp_at(group, file, a, &text, &len) < 0)
		return NULL;
	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	return text;
}

int cgroup_write(int group, const char *file, const char *value)
{
	scoped_fd fd = openat(group, file, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(value);

	/* one write is one command; an empty one must get there, too */
	if (fd < 0 || write(fd, len ? value : "\n", len ? len : 1) < 0)
		return -errno;
	return 0;
}

static bool has_controller(const char *name, const char *wanted)
{
	size_t n = strlen(wanted);
	const char *p;

	if (strcmp(name, wanted) == 0)
		return true;
	for (p = strstr(name, wanted); p && *wanted; p = strstr(p + 1, wanted))
		if ((p == name || p[-1] == ',') && (p[n] == ',' || !p[n]))
			return true;
	return false;
}

const char *cgroup_root_wanted(const struct common_opts *o, const char *name)
{
	const char *global = NULL, *const * root;

	vec_for_each(root, &o->cgroup_roots) {
		const char *path = strchr(*root, ':');
		size_t n = path ? (size_t)(path - *root) : 0;
		char controller[64];

		if (**root == '/') {
			global = *root + 1;
			continue;
		}
		if (!path || n >= sizeof(controller))
			continue;
		memcpy(controller, *root, n);
		controller[n] = '\0';
		if (has_controller(name, controller))
			return path[1] == '/' ? path + 2 : path + 1;
	}
	return global;
}
