/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FOREST_H
#define FOREST_H

/*
 * For victims with mount namespaces: make one of one's own, and look at the
 * mounts of several tasks so that it can be compared later.
 *
 *	make()	own_mounts(), mount this and that, forest_note(pids, n)
 *	same()	forest_is_same(pids, n)
 *
 * What is compared: every mount with its parent, point, root, type, options and
 * flags; which are of one file system, which are peers, which are slaves of
 * which.  Numbers that the kernel gives are not.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "victim.h"

enum { FOREST_MOUNTS = 400, FOREST_TEXT = 256 * 1024 };

struct forest_mount {
	unsigned int id, parent, dev_major, dev_minor, shared, master, ns;
	char root[300], point[300], flags[100], type[32], options[400];
	char *key; /* the way to it from the root of its namespace */
	bool unbindable;
};

static struct forest_mount forest[FOREST_MOUNTS];
static unsigned int forest_n;
static char forest_before[FOREST_TEXT], forest_after[FOREST_TEXT];

/* "shared:1 master:2 - tmpfs none rw" */
static inline void forest_tail(struct forest_mount *m, char *tail)
{
	char *dash = strstr(tail, "- "), *at;

	*dash = '\0';
	at = strstr(tail, "shared:");
	m->shared = at ? (unsigned int)atoi(at + 7) : 0;
	at = strstr(tail, "master:");
	m->master = at ? (unsigned int)atoi(at + 7) : 0;
	m->unbindable = strstr(tail, "unbindable") != NULL;
	sscanf(dash + 2, "%31s %*s %399s", m->type, m->options);
}

static inline bool forest_read(pid_t pid, unsigned int ns)
{
	char path[64], line[4096];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f) && forest_n < FOREST_MOUNTS) {
		struct forest_mount *m = &forest[forest_n++];
		int n = 0;

		memset(m, 0, sizeof(*m));
		m->ns = ns;
		sscanf(line, "%u %u %u:%u %299s %299s %99s %n", &m->id, &m->parent, &m->dev_major,
		       &m->dev_minor, m->root, m->point, m->flags, &n);
		forest_tail(m, line + n);
	}
	fclose(f);
	return true;
}

static inline void forest_key(struct forest_mount *m)
{
	char start[16] = "", *before = start;

	snprintf(start, sizeof(start), "%u", m->ns);
	for (unsigned int i = 0; i < forest_n; i++)
		if (forest[i].ns == m->ns && forest[i].id == m->parent && &forest[i] != m) {
			if (!forest[i].key)
				forest_key(&forest[i]);
			before = forest[i].key;
		}
	if (asprintf(&m->key, "%s>%s", before, m->point) < 0)
		exit(1);
}

static inline int forest_compare(const void *a, const void *b)
{
	return strcmp(((const struct forest_mount *)a)->key, ((const struct forest_mount *)b)->key);
}

/* The first mount of the same group or device stands for all. */
static inline int forest_group(unsigned int shared)
{
	for (unsigned int i = 0; shared && i < forest_n; i++)
		if (forest[i].shared == shared)
			return (int)i;
	return shared ? -2 : -1;
}

static inline unsigned int forest_device(const struct forest_mount *m)
{
	unsigned int i = 0;

	while (forest[i].dev_major != m->dev_major || forest[i].dev_minor != m->dev_minor)
		i++;
	return i;
}

/* The mounts of the tasks in @pids, as text. */
static inline bool forest_text(const pid_t *pids, unsigned int n, char *text)
{
	size_t len = 0;

	forest_n = 0;
	for (unsigned int i = 0; i < n; i++)
		if (!forest_read(pids[i], i))
			return false;
	for (unsigned int i = 0; i < forest_n; i++)
		forest_key(&forest[i]);
	qsort(forest, forest_n, sizeof(forest[0]), forest_compare);
	for (unsigned int i = 0; i < forest_n; i++) {
		const struct forest_mount *m = &forest[i];

		len += (size_t)snprintf(text + len, FOREST_TEXT - len,
					"%u %s dev %u root %s %s %s %s shared %d master %d%s\n", i,
					m->key, forest_device(m), m->root, m->flags, m->type,
					m->options, forest_group(m->shared),
					forest_group(m->master),
					m->unbindable ? " unbindable" : "");
	}
	return len < FOREST_TEXT - 1;
}

static inline bool forest_note(const pid_t *pids, unsigned int n)
{
	return expect(forest_text(pids, n, forest_before));
}

/* Says which lines differ. */
static inline bool forest_is_same(const pid_t *pids, unsigned int n)
{
	char *a = forest_before, *b = forest_after;

	if (!expect(forest_text(pids, n, forest_after)))
		return false;
	if (strcmp(forest_before, forest_after) == 0)
		return true;
	while (*a || *b) {
		size_t la = strcspn(a, "\n"), lb = strcspn(b, "\n");

		if (la != lb || strncmp(a, b, la) != 0)
			fprintf(stderr, "before: %.*s\nafter:  %.*s\n", (int)la, a, (int)lb, b);
		a += la + (a[la] == '\n');
		b += lb + (b[lb] == '\n');
	}
	return false;
}

/* ---- making ---- */

static inline bool mounts_private(void)
{
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* A copy of ours without most of it: the root, /dev and /proc stay. */
static inline bool own_mounts(void)
{
	static char points[FOREST_MOUNTS][300];
	unsigned int n = 0;

	if (!expect(unshare(CLONE_NEWNS) == 0) || !expect(mounts_private()))
		return false;
	forest_n = 0;
	if (!expect(forest_read(getpid(), 0)))
		return false;
	for (unsigned int i = 0; i < forest_n; i++)
		snprintf(points[n++], sizeof(points[0]), "%s", forest[i].point);
	while (n-- > 0)
		/* who sees no /sys may not mount one in a user namespace */
		if (strcmp(points[n], "/") != 0 && strcmp(points[n], "/dev") != 0 &&
		    strcmp(points[n], "/proc") != 0 &&
		    (victim_is_at("host") || strcmp(points[n], "/sys") != 0))
			umount2(points[n], MNT_DETACH);
	return true;
}

/* A directory below the one where the victim works; absolute, until the next but three. */
static inline const char *at(const char *name)
{
	static char paths[4][4096];
	static unsigned int next;
	char cwd[2048];

	next = (next + 1) % 4;
	snprintf(paths[next], sizeof(paths[0]), "%s/%s", getcwd(cwd, sizeof(cwd)), name);
	return paths[next];
}

static inline bool make_dir(const char *name)
{
	return mkdir(name, 0755) == 0 || errno == EEXIST;
}

static inline bool make_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

static inline bool file_is(const char *name, const char *text)
{
	char found[256] = { 0 };
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && read(fd, found, sizeof(found) - 1) >= 0 && strcmp(found, text) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static inline bool mount_tmpfs(const char *dir, unsigned long flags, const char *options)
{
	return make_dir(dir) && mount("forest", dir, "tmpfs", flags, options) == 0;
}

static inline bool mount_bind(const char *from, const char *to)
{
	return mount(from, to, NULL, MS_BIND, NULL) == 0;
}

static inline bool propagate(const char *dir, unsigned long type)
{
	return mount(NULL, dir, NULL, type, NULL) == 0;
}

/*
 * A child in a mount namespace of its own, where @make has been called; it waits
 * for questions: ask() has it call a function and tells what that said.
 */
struct inmate {
	pid_t pid;
	int to, from;
};

typedef bool inmate_fn(void);

static inline void inmate_main(int in, int out) __attribute__((noreturn));
static inline void inmate_main(int in, int out)
{
	inmate_fn *fn;

	while (read(in, &fn, sizeof(fn)) == sizeof(fn)) {
		char said = fn();

		if (write(out, &said, 1) != 1)
			break;
	}
	_exit(0);
}

static inline bool ask(const struct inmate *i, inmate_fn *fn)
{
	char said = 0;

	return write(i->to, &fn, sizeof(fn)) == sizeof(fn) && read(i->from, &said, 1) == 1 && said;
}

static inline bool inmate_start(struct inmate *i, inmate_fn *make)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		return false;
	i->pid = fork();
	if (i->pid == 0) {
		close(to[1]);
		close(from[0]);
		if (unshare(CLONE_NEWNS) < 0)
			_exit(1);
		inmate_main(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	i->to = to[1];
	i->from = from[0];
	return i->pid > 0 && ask(i, make);
}

#endif
