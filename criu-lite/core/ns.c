/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ns - the namespaces of a tree that are not ours
 *
 * A namespace of the root task is dumped with its content, which is the
 * business of its kind; of mount, network and time namespaces a tree may have more.
 * All others of its tasks are refused, in ids.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/inject.h"
#include "core/external.h"
#include "core/kind.h"
#include "core/ns.h"
#include "core/ns_maps.h"
#include "core/task.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static const struct {
	const char *name;
	int flag;
	size_t id, has; /* offsets in TaskKobjIdsEntry */
} types[NR_NS] = {
#define TYPE(type, n, flag)                                         \
	[type] = { #n, flag, offsetof(TaskKobjIdsEntry, n##_ns_id), \
		   offsetof(TaskKobjIdsEntry, has_##n##_ns_id) }
	TYPE(NS_PID, pid, CLONE_NEWPID),    TYPE(NS_NET, net, CLONE_NEWNET),
	TYPE(NS_IPC, ipc, CLONE_NEWIPC),    TYPE(NS_UTS, uts, CLONE_NEWUTS),
	TYPE(NS_TIME, time, CLONE_NEWTIME), TYPE(NS_MNT, mnt, CLONE_NEWNS),
	TYPE(NS_USER, user, CLONE_NEWUSER), TYPE(NS_CGROUP, cgroup, CLONE_NEWCGROUP),
#undef TYPE
};

const char *ns_name(enum ns_type type)
{
	return types[type].name;
}

int ns_clone_flag(enum ns_type type)
{
	return types[type].flag;
}

void ns_set_id(TaskKobjIdsEntry *ids, enum ns_type type, uint32_t id)
{
	*(uint32_t *)((char *)ids + types[type].id) = id;
	*(protobuf_c_boolean *)((char *)ids + types[type].has) = 1;
}

uint32_t ns_get_id(const TaskKobjIdsEntry *ids, enum ns_type type)
{
	if (!ids || !*(const protobuf_c_boolean *)((const char *)ids + types[type].has))
		return 0;
	return *(const uint32_t *)((const char *)ids + types[type].id);
}

struct ns *ns_by_id(const struct namespaces *all, enum ns_type type, uint32_t id)
{
	struct ns **ns;

	vec_for_each(ns, &all->all)
		if ((*ns)->type == type && (*ns)->id == id)
			return *ns;
	return NULL;
}

struct ns *ns_of_task(const struct namespaces *all, const struct task *t, enum ns_type type)
{
	while (t->parent && !t->ids)
		t = t->parent;
	return ns_by_id(all, type, ns_get_id(t->ids, type));
}

/* ---- be elsewhere for a moment ---- */

/* A new mount namespace forgets where we were. */
static int note_place(struct ns_visit *visit, struct err *err)
{
	visit->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	visit->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return visit->root < 0 || visit->cwd < 0
		       ? err_sys(err, "cannot remember the current directory")
		       : 0;
}

static void forget_place(struct ns_visit *visit)
{
	int *fds[] = { &visit->back, &visit->root, &visit->cwd };

	for (size_t i = 0; i < 3; i++)
		if (*fds[i] >= 0)
			close(take_fd(fds[i]));
}

static int enter(int proc, enum ns_type type, int fd, struct ns_visit *visit, struct err *err)
{
	char own[24];

	*visit = (struct ns_visit){ .type = type, .back = -1, .root = -1, .cwd = -1 };
	snprintf(own, sizeof(own), "self/ns/%s", ns_name(type));
	if (type == NS_MNT && note_place(visit, err) < 0)
		return -err->code;
	visit->back = openat(proc, own, O_RDONLY | O_CLOEXEC);
	if (visit->back < 0 || setns(fd, ns_clone_flag(type)) < 0) {
		err_sys(err, "cannot enter a %s namespace", ns_name(type));
		forget_place(visit);
		return err_hint(err, "criu-lite needs root (CAP_SYS_ADMIN, CAP_SYS_CHROOT)");
	}
	return 0;
}

int ns_open(struct dump *d, const struct ns *ns, struct err *err)
{
	char link[48];
	int fd;

	if (!ns->task) {
		fd = fcntl(ns->fd, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? err_sys(err, "cannot copy a descriptor") : fd;
	}
	snprintf(link, sizeof(link), "%d/ns/%s", ns->task->host_alive, ns_name(ns->type));
	fd = openat(d->proc, link, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "cannot open the %s namespace of task %d", ns_name(ns->type),
				ns->task->host_pid)
		      : fd;
}

int ns_enter_dump(struct dump *d, const struct ns *ns, struct ns_visit *visit, struct err *err)
{
	*visit = (struct ns_visit){ .back = -1, .root = -1, .cwd = -1 };
	if (!ns)
		return 0;

	scoped_fd fd = ns_open(d, ns, err);

	return fd < 0 ? fd : enter(d->proc, ns->type, fd, visit, err);
}

int ns_enter_restore(struct restore *r, const struct ns *ns, struct ns_visit *visit,
		     struct err *err)
{
	*visit = (struct ns_visit){ .back = -1, .root = -1, .cwd = -1 };
	if (!ns)
		return 0;
	if (!r->self)
		return enter(r->proc, ns->type, ns->fd, visit, err);

	scoped_fd own = restore_borrow_fd(r, ns->fd, err);

	return own < 0 ? own : enter(r->proc, ns->type, own, visit, err);
}

int ns_leave(struct ns_visit *visit, struct err *err)
{
	int ret = 0;

	if (visit->back < 0)
		return 0;
	if (setns(visit->back, ns_clone_flag(visit->type)) < 0 ||
	    (visit->root >= 0 && (fchdir(visit->root) < 0 || chroot(".") < 0)) ||
	    (visit->cwd >= 0 && fchdir(visit->cwd) < 0))
		ret = err_sys(err, "cannot come back from a %s namespace", ns_name(visit->type));
	forget_place(visit);
	return ret;
}

/* ---- the hooks of kinds ---- */

typedef int ns_dump_fn(struct dump *d, struct ns *ns, struct err *err);

static int call_one(struct dump *d, const struct ns_kind *k, ns_dump_fn *f, const char *stage,
		    struct ns *ns, struct err *err)
{
	if (ns->type != k->type || !f ||
	    (inject_point(err, "%s:ns:%s", stage, k->name) == 0 && f(d, ns, err) == 0))
		return 0;
	if (!ns->task)
		return err_in(err, "%s namespace without tasks", k->name);
	return err_in(err, "%s namespace of task %d", k->name, ns->task->host_pid);
}

static int call_dump(struct dump *d, size_t member, const char *stage, struct err *err)
{
	const struct ns_kind *const *k;
	struct ns **ns;

	for (k = kinds_index(d->kinds)->namespaces; *k; k++) {
		ns_dump_fn *f;

		memcpy(&f, (const char *)*k + member, sizeof(f));
		vec_for_each(ns, &d->ns->all)
			if (call_one(d, *k, f, stage, *ns, err) < 0)
				return -err->code;
	}
	return 0;
}

/* One that is only held open: it is met after all others have been collected. */
static int collect_late(struct dump *d, enum ns_type type, int fd, uint64_t ino, struct ns **ns_ret,
			struct err *err)
{
	const struct ns_kind *const *k;
	struct ns *ns = arena_new(d->arena, struct ns);

	ns->id = NR_NS + 1 + (uint32_t)d->ns->all.n;
	ns->type = type;
	ns->ino = ino;
	ns->external = external_ns(d, type, ino);
	ns->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (ns->fd < 0)
		return err_sys(err, "cannot copy a descriptor");
	*vec_add(d->arena, &d->ns->all) = *ns_ret = ns;
	for (k = kinds_index(d->kinds)->namespaces; *k; k++)
		if (call_one(d, *k, (*k)->collect, "collect", ns, err) < 0)
			return -err->code;
	return 0;
}

static int refuse_ns(enum ns_type type, const char *why, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump a file of another %s namespace", ns_name(type));
	err_why(err, "%s", why);
	return err_hint(err, "have the program close it before the dump");
}

int ns_of_fd(struct dump *d, enum ns_type type, int fd, struct ns **ns_ret, struct err *err)
{
	struct ns **ns;
	struct stat st;

	*ns_ret = NULL;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "cannot ask for the number of a namespace");
	if (st.st_ino == d->ns->ours[type])
		return d->ns->root[type]
			       ? refuse_ns(type, "it is that of criu-lite, and not of the tree",
					   err)
			       : 0;
	vec_for_each(ns, &d->ns->all)
		if ((*ns)->type == type && (*ns)->ino == st.st_ino) {
			*ns_ret = *ns;
			return 0;
		}
	if (type != NS_NET)
		return refuse_ns(type, "no task of the tree is in it", err);
	return collect_late(d, type, fd, st.st_ino, ns_ret, err);
}

int ns_collect(struct dump *d, struct err *err)
{
	return call_dump(d, offsetof(struct ns_kind, collect), "collect", err);
}

static int write_inherited(struct dump *d, struct err *err)
{
	const struct ns_kind *const *k;

	for (k = kinds_index(d->kinds)->namespaces; *k; k++)
		if ((*k)->write_inherited && !d->ns->root[(*k)->type] &&
		    (*k)->write_inherited(d, err) < 0)
			return err_in(err, "%s namespace", (*k)->name);
	return 0;
}

int ns_write(struct dump *d, struct err *err)
{
	if (ns_maps_save(d, err) < 0)
		return -err->code;
	if (write_inherited(d, err) < 0)
		return -err->code;
	return call_dump(d, offsetof(struct ns_kind, write), "write", err);
}

int ns_call(struct restore *r, size_t member, const char *stage, struct err *err)
{
	const struct ns_kind *const *k;
	struct ns **ns;

	for (k = kinds_index(r->kinds)->namespaces; *k; k++) {
		int (*f)(struct restore *, struct ns *, struct err *);

		memcpy(&f, (const char *)*k + member, sizeof(f));
		if (!f)
			continue;
		vec_for_each(ns, &r->ns->all)
			if ((*ns)->type == (*k)->type &&
			    (inject_point(err, "%s:ns:%s", stage, (*k)->name) < 0 ||
			     f(r, *ns, err) < 0))
				return err_in(err, "%s namespace %u", (*k)->name, (*ns)->id);
	}
	return 0;
}
