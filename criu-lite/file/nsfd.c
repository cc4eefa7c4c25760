/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nsfd - a namespace as a descriptor (/proc/PID/ns/NAME)
 *
 * collect   which namespace it is: one that the tree lives in, its own or one that
 *           it has in common with criu-lite; or a network namespace that only this
 *           descriptor keeps: it is dumped for that
 * open      the owner opens its own; that of another task is the coordinator's to give
 *
 * not done  other namespaces that nobody in the tree lives in are refused, also those
 *           that have a name (bind mounts of them)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/kind.h"
#include "core/ns.h"
#include "images/ns.pb-c.h"

#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif

/* ---- dump ---- */

static bool match_nsfd(const struct fd_probe *p)
{
	struct statfs fs;

	return S_ISREG(p->st.st_mode) && major(p->st.st_dev) == 0 && !p->st.st_size &&
	       fstatfs(p->own, &fs) == 0 && fs.f_type == NSFS_MAGIC &&
	       !(p->link[0] == '/' && (p->flags & O_PATH));
}

static bool is_ours(const struct dump *d, enum ns_type type, ino_t ino)
{
	struct stat st;
	char path[32];

	snprintf(path, sizeof(path), "self/ns/%s", ns_name(type));
	return fstatat(d->proc, path, &st, 0) == 0 && st.st_ino == ino;
}

/* 0: it is neither one of the tree nor one of ours. */
static uint32_t find_ns(const struct dump *d, ino_t ino, enum ns_type *type_ret)
{
	struct ns *const *ns;

	vec_for_each(ns, &d->ns->all)
		if ((*ns)->ino == ino) {
			*type_ret = (*ns)->type;
			return (*ns)->id;
		}
	for (enum ns_type type = 0; type < NR_NS; type++)
		if (is_ours(d, type, ino)) {
			*type_ret = type;
			return ns_get_id(d->our_ids, type);
		}
	return 0;
}

/* One that nobody in the tree lives in. */
static int find_other(struct dump *d, const struct fd_probe *p, uint32_t *id_ret,
		      enum ns_type *type_ret, struct err *err)
{
	struct ns *ns = NULL;

	if (ioctl(p->own, NS_GET_NSTYPE) != CLONE_NEWNET) {
		err_set(err, EOPNOTSUPP, "cannot dump %s: it is a namespace of somebody else",
			p->link);
		return err_hint(err, "have the program close it before the dump");
	}
	if (ns_of_fd(d, NS_NET, p->own, &ns, err) < 0)
		return -err->code;
	*type_ret = NS_NET;
	*id_ret = ns ? ns->id : 0;
	return 0;
}

static int collect_nsfd(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	NsFileEntry *e = record_new(d, ns_file_entry);
	enum ns_type type = NS_NET;

	e->ns_id = find_ns(d, p->st.st_ino, &type);
	if (!e->ns_id && find_other(d, p, &e->ns_id, &type, err) < 0)
		return -err->code;
	e->ns_cflag = (uint32_t)ns_clone_flag(type);
	e->flags = p->flags;
	fe->nsf = e;
	return 0;
}

/* ---- restore ---- */

static bool find_type(const NsFileEntry *e, enum ns_type *type_ret)
{
	for (enum ns_type type = 0; type < NR_NS; type++)
		if ((uint32_t)ns_clone_flag(type) == e->ns_cflag) {
			*type_ret = type;
			return true;
		}
	return false;
}

/* What only it keeps must be made for it. */
static int read_nsfd(struct restore *r, struct file *f, struct err *err)
{
	const NsFileEntry *e = f->image->nsf;
	enum ns_type type;

	return find_type(e, &type) && type == NS_NET ? ns_need(r, type, e->ns_id, err) : 0;
}

static bool is_of_task(const struct task *t, enum ns_type type, uint32_t id)
{
	return t->ids && ns_get_id(t->ids, type) == id;
}

static int plan_nsfd(struct restore *r, struct file *f, struct err *err)
{
	const NsFileEntry *e = f->image->nsf;
	enum ns_type type;

	if (find_type(e, &type) &&
	    (ns_by_id(r->ns, type, e->ns_id) || is_of_task(r->tree->root, type, e->ns_id)))
		return 0;
	err_set(err, EOPNOTSUPP, "cannot restore a descriptor of namespace %u (type %#x)", e->ns_id,
		e->ns_cflag);
	err_why(err, "nobody in the tree lives in it");
	return err_hint(err, "have the program close it before the dump");
}

/* One that is not ours: the coordinator has it, or the root task. */
static int open_other(struct restore *r, const NsFileEntry *e, enum ns_type type, char path[64],
		      struct err *err)
{
	const struct ns *ns = ns_by_id(r->ns, type, e->ns_id);
	scoped_fd own = ns && ns->fd >= 0 ? restore_borrow_fd(r, ns->fd, err) : -1;

	if (own < 0 && ns && ns->fd >= 0)
		return own;
	if (own >= 0)
		snprintf(path, 64, "self/fd/%d", own);
	else
		snprintf(path, 64, "%d/ns/%s", r->tree->root->pid, ns_name(type));
	return openat(r->proc, path, (int)e->flags | O_CLOEXEC);
}

static int open_nsfd(struct restore *r, struct file *f, struct err *err)
{
	const NsFileEntry *e = f->image->nsf;
	enum ns_type type = NR_NS;
	char path[64];
	int fd;

	if (!find_type(e, &type)) /* plan has looked */
		return err_set(err, EBADMSG, "cannot open a namespace");
	snprintf(path, sizeof(path), "self/ns/%s", ns_name(type));
	if (is_of_task(r->self, type, e->ns_id))
		fd = openat(r->proc, path, (int)e->flags | O_CLOEXEC);
	else
		fd = open_other(r, e, type, path, err);
	if (fd < 0 && !err->code)
		return err_sys(err, "cannot open /proc/%s", path);
	return fd;
}

const struct file_kind nsfd_kind = {
	.name = "nsfd",
	.type = FD_TYPES__NS,
	.match = match_nsfd,
	.collect = collect_nsfd,
	.read = read_nsfd,
	.plan = plan_nsfd,
	.open = open_nsfd,
};
