/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nsfd - a namespace as a descriptor (/proc/PID/ns/NAME)
 *
 * collect   which namespace it is: one that the tree lives in, and that it has in
 *           common with criu-lite
 * open      the owner opens its own
 *
 * not done  namespaces of others are refused, also those that have a name
 *           (bind mounts of them)
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/kind.h"
#include "images/ns.pb-c.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif

static const struct ns_sort {
	const char *name;
	uint32_t flag;
	size_t id; /* in TaskKobjIdsEntry */
} sorts[] = {
#define SORT(name, NAME)                                                         \
	{                                                                        \
#name, CLONE_NEW##NAME, offsetof(TaskKobjIdsEntry, name##_ns_id) \
	}
	SORT(pid, PID), SORT(net, NET),	  SORT(ipc, IPC),	SORT(uts, UTS),
	SORT(mnt, NS),	SORT(user, USER), SORT(cgroup, CGROUP), SORT(time, TIME),
};

enum { NR_SORTS = sizeof(sorts) / sizeof(sorts[0]) };

static uint32_t id_of(const TaskKobjIdsEntry *ids, const struct ns_sort *s)
{
	return *(const uint32_t *)((const char *)ids + s->id);
}

/* ---- dump ---- */

static bool match_nsfd(const struct fd_probe *p)
{
	struct statfs fs;

	return S_ISREG(p->st.st_mode) && major(p->st.st_dev) == 0 && !p->st.st_size &&
	       fstatfs(p->own, &fs) == 0 && fs.f_type == NSFS_MAGIC &&
	       !(p->link[0] == '/' && (p->flags & O_PATH));
}

/* The one of ours that it is, or NULL. */
static const struct ns_sort *find_ours(const struct dump *d, ino_t ino)
{
	struct stat st;
	char path[32];

	for (size_t i = 0; i < NR_SORTS; i++) {
		snprintf(path, sizeof(path), "self/ns/%s", sorts[i].name);
		if (fstatat(d->proc, path, &st, 0) == 0 && st.st_ino == ino)
			return &sorts[i];
	}
	return NULL;
}

static int collect_nsfd(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	NsFileEntry *e = record_new(d, ns_file_entry);
	const struct ns_sort *s = find_ours(d, p->st.st_ino);

	if (!s) {
		err_set(err, EOPNOTSUPP, "cannot dump %s: it is a namespace of somebody else",
			p->link);
		return err_hint(err, "have the program close it before the dump");
	}
	e->ns_id = id_of(d->our_ids, s);
	e->ns_cflag = s->flag;
	e->flags = p->flags;
	fe->nsf = e;
	return 0;
}

/* ---- restore ---- */

static const struct ns_sort *sort_of(const NsFileEntry *e)
{
	for (size_t i = 0; i < NR_SORTS; i++)
		if (sorts[i].flag == e->ns_cflag)
			return &sorts[i];
	return NULL;
}

static int plan_nsfd(struct restore *r, struct file *f, struct err *err)
{
	const NsFileEntry *e = f->image->nsf;
	const TaskKobjIdsEntry *ids = r->tree->root->ids;
	const struct ns_sort *s = sort_of(e);

	if (s && ids && id_of(ids, s) == e->ns_id)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot restore a descriptor of namespace %u (type %#x)", e->ns_id,
		e->ns_cflag);
	err_why(err, "it is not the one that the tree lives in");
	return err_hint(err, "have the program close it before the dump");
}

static int open_nsfd(struct restore *r, struct file *f, struct err *err)
{
	const NsFileEntry *e = f->image->nsf;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "self/ns/%s", sort_of(e)->name);
	fd = openat(r->proc, path, (int)e->flags | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "cannot open /proc/%s", path) : fd;
}

const struct file_kind nsfd_kind = {
	.name = "nsfd",
	.type = FD_TYPES__NS,
	.match = match_nsfd,
	.collect = collect_nsfd,
	.plan = plan_nsfd,
	.open = open_nsfd,
};
