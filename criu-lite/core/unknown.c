/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unknown - state that a newer kernel shows and we have never heard of
 *
 * A field in /proc/PID/fdinfo, or a type of namespace: leaving it out may lose
 * something, so it is refused by its name, which can be given to --allow.  (So are
 * flags of mappings, see mem/vma.c.  The kernel has no list of what options a socket has.)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/task.h"
#include "core/unknown.h"

/* Of all files, then of those kinds that have some. */
static const char *const fields[] = {
	"pos",
	"flags",
	"mnt_id",
	"ino",
	"lock",
	"iff",
	"tfd",
	"sigmask",
	"eventfd-count",
	"eventfd-id",
	"inotify",
	"fanotify",
	"eventfd-semaphore",
	"clockid",
	"ticks",
	"it_value",
	"it_interval",
	"settime flags",
	"Pid",
	"NSpid",
	"scm_fds",
	"tty-index",
};

static const char *const namespaces[] = {
	"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children",
	"user",	  "uts",
};

static bool is_in(const char *const *list, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(list[i]) == len && memcmp(list[i], name, len) == 0)
			return true;
	return false;
}

#define IS_IN(list, name, len) is_in(list, sizeof(list) / sizeof((list)[0]), name, len)

bool unknown_is_allowed(const struct dump *d, const char *name, size_t len)
{
	const char **allowed;

	vec_for_each(allowed, &d->opts->allow)
		if (strlen(*allowed) == len && memcmp(*allowed, name, len) == 0)
			return true;
	return false;
}

static int hint_allow(const char *name, size_t len, struct err *err)
{
	return err_hint(err, "use a newer criu-lite; if it does not matter, give --allow '%.*s'",
			(int)len, name);
}

/* "inotify wd:1 ino:..." and its like begin with a word that is known. */
static bool is_known_line(const struct text *line, size_t len)
{
	const char *blank = memchr(line->p, ' ', len);

	return IS_IN(fields, line->p, len) ||
	       (blank && IS_IN(fields, line->p, (size_t)(blank - line->p)));
}

int unknown_check_fdinfo(const struct dump *d, const struct fd_probe *p, struct err *err)
{
	struct text text = text_of(p->fdinfo, strlen(p->fdinfo)), line;

	while (text_line(&text, &line)) {
		const char *colon = memchr(line.p, ':', (size_t)(line.end - line.p));
		size_t len = (size_t)((colon ?: line.end) - line.p);

		if (len == 0 || is_known_line(&line, len) || unknown_is_allowed(d, line.p, len))
			continue;
		err_set(err, EOPNOTSUPP, "cannot dump %s, descriptor %d: it has \"%.*s\"", p->link,
			p->fd, (int)len, line.p);
		err_why(err, "we do not know this field of /proc/PID/fdinfo");
		return hint_allow(line.p, len, err);
	}
	return 0;
}

static bool is_ours(const struct dump *d, const struct task *t, const char *name)
{
	char own[300], of_task[300];
	struct stat a, b;

	snprintf(own, sizeof(own), "self/ns/%s", name);
	snprintf(of_task, sizeof(of_task), "%d/ns/%s", t->host_alive, name);
	return fstatat(d->proc, own, &a, 0) == 0 && fstatat(d->proc, of_task, &b, 0) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void scoped_dir_end(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int unknown_check_namespaces(struct dump *d, const struct task *t, struct err *err)
{
	__attribute__((cleanup(scoped_dir_end))) DIR *dir = NULL;
	const struct dirent *e;
	char path[32];

	snprintf(path, sizeof(path), "%d/ns", t->host_alive);
	scoped_fd fd = openat(d->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return err_sys(err, "cannot list the namespaces of task %d", t->host_pid);
	take_fd(&fd);

	while ((e = readdir(dir))) {
		size_t len = strlen(e->d_name);

		if (e->d_name[0] == '.' || IS_IN(namespaces, e->d_name, len) ||
		    unknown_is_allowed(d, e->d_name, len) || is_ours(d, t, e->d_name))
			continue;
		err_set(err, EOPNOTSUPP, "cannot dump task %d: it has a %s namespace of its own",
			t->host_pid, e->d_name);
		err_why(err, "we do not know this type of namespace");
		return hint_allow(e->d_name, len, err);
	}
	return 0;
}
