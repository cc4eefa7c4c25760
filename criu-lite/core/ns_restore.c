/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ns_restore - into namespaces like those of the tree
 *
 * The coordinator goes into them itself, so that all that it and the newborn
 * tasks do is done inside.  One copy of it stays outside.  Pids and clocks are
 * the exception: such a namespace begins with the next child, the root task.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/external.h"
#include "core/kind.h"
#include "core/ns.h"
#include "core/ns_maps.h"
#include "core/outside.h"
#include "core/shared.h"
#include "core/task.h"
#include "images/store.h"

/* ---- read ---- */

static struct ns *ns_add(struct restore *r, const struct task *t, enum ns_type type, uint32_t id)
{
	struct ns *ns = restore_shared_new(r, struct ns);

	ns->id = id;
	ns->type = type;
	ns->is_root = t == r->tree->root;
	ns->fd = -1;
	*vec_add(r->arena, &r->ns->all) = ns;
	if (ns->is_root)
		r->ns->root[type] = ns;
	return ns;
}

/* It may be that nobody is in it. */
static void read_maker(struct restore *r, const struct task *t)
{
	uint32_t id = t->ids && t->ids->has_time_children_ns_id ? t->ids->time_children_ns_id : 0;
	struct ns *ns = id ? ns_by_id(r->ns, NS_TIME, id) : NULL;

	if (id && !ns)
		ns = ns_add(r, NULL, NS_TIME, id);
	if (ns)
		ns->maker = t;
}

static int read_task(struct restore *r, const struct task *t, struct err *err)
{
	for (enum ns_type type = 0; type < NR_NS; type++) {
		uint32_t id = ns_get_id(t->ids, type);

		if (!id || id == ns_get_id(r->root_ids, type) || ns_by_id(r->ns, type, id))
			continue;
		if (t != r->tree->root && type != NS_NET && type != NS_MNT && type != NS_TIME) {
			err_set(err, EOPNOTSUPP,
				"cannot restore task %d: it has another %s namespace than the root task",
				t->pid, ns_name(type));
			return err_hint(err, "this is not supported");
		}
		ns_add(r, t, type, id);
	}
	read_maker(r, t);
	return 0;
}

int ns_need(struct restore *r, enum ns_type type, uint32_t id, struct err *err)
{
	const struct ns_kind *const *k;
	struct ns *ns;

	if (!r->root_ids || !id || id == ns_get_id(r->root_ids, type) || ns_by_id(r->ns, type, id))
		return 0;
	if (type != NS_NET) {
		err_set(err, EBADMSG, "cannot open a file of %s namespace %u", ns_name(type), id);
		return err_hint(err, "the checkpoint is damaged; take it again");
	}
	ns = ns_add(r, NULL, type, id);
	for (k = kinds_index(r->kinds)->namespaces; *k; k++)
		if ((*k)->type == type && (*k)->read && (*k)->read(r, ns, err) < 0)
			return err_in(err, "%s namespace %u", (*k)->name, id);
	return 0;
}

static int add_needed(struct restore *r, struct err *err)
{
	const struct ns_kind *const *k;
	bool needed;

	for (k = kinds_index(r->kinds)->namespaces; *k; k++) {
		if (!(*k)->is_needed || r->ns->root[(*k)->type])
			continue;
		if ((*k)->is_needed(r, &needed, err) < 0)
			return -err->code;
		if (needed)
			ns_add(r, r->tree->root, (*k)->type, 0);
	}
	return 0;
}

/* --join-ns: like one that stayed outside, whatever the dump says of it. */
static int join_one(struct restore *r, const struct join_ns *j, struct err *err)
{
	enum ns_type type = 0;
	struct ns *ns;

	while (type < NR_NS && strcmp(ns_name(type), j->type) != 0)
		type++;
	ns = r->ns->root[type] ? r->ns->root[type] : ns_add(r, r->tree->root, type, 0);
	ns->external = j->path;
	ns->fd = open(j->path, O_RDONLY | O_CLOEXEC);
	if (ns->fd >= 0)
		return 0;
	err_sys(err, "cannot join the %s namespace %s", j->type, j->path);
	return err_hint(err, "give --join-ns the number of a process, or a file of a namespace");
}

static int refuse_given(const struct restore *r, enum ns_type type, const char *why,
			struct err *err)
{
	err_set(err, EINVAL, "cannot restore into process %d", r->opts->into);
	err_why(err, "%s %s namespace", why, ns_name(type));
	return err_hint(err, "make it as the container was made that was dumped");
}

/* Its user, pid and mount namespaces say who the tree's tasks are; others may be joined. */
static int join_given(struct restore *r, enum ns_type type, struct ns **ret, struct err *err)
{
	if (type == NS_USER || type == NS_PID || type == NS_MNT)
		return refuse_given(r, type, "it has, and the dumped tree had not, its own", err);
	*ret = ns_add(r, r->tree->root, type, 0);
	(*ret)->external = "--into";
	return 0;
}

static int is_namespace_ours(const struct restore *r, enum ns_type type, int fd)
{
	struct stat own, its;
	char link[24];

	snprintf(link, sizeof(link), "self/ns/%s", ns_name(type));
	return fstatat(r->proc, link, &own, 0) == 0 && fstat(fd, &its) == 0 &&
	       own.st_ino == its.st_ino;
}

static int give_one(struct restore *r, enum ns_type type, struct err *err)
{
	struct ns *ns = r->ns->root[type];
	char link[32];
	bool ours;

	snprintf(link, sizeof(link), "%d/ns/%s", r->opts->into, ns_name(type));

	scoped_fd fd = openat(r->proc, link, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "cannot open the %s namespace of process %d", ns_name(type),
			       r->opts->into);
	ours = is_namespace_ours(r, type, fd);
	if (!ns && ours)
		return 0;
	if (ns && ours && !ns->external)
		return refuse_given(r, type, "it has not, and the dumped tree had, its own", err);
	if (!ns && join_given(r, type, &ns, err) < 0)
		return -err->code;
	ns->given = true;
	ns->fd = take_fd(&fd);
	return 0;
}

/* --into: those of that process are the tree's.  Only clocks are those of the images. */
static int give_all(struct restore *r, struct err *err)
{
	static const enum ns_type types[] = { NS_USER, NS_PID, NS_MNT,	 NS_NET,
					      NS_IPC,  NS_UTS, NS_CGROUP };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (give_one(r, types[i], err) < 0)
			return -err->code;
	return 0;
}

int ns_read(struct restore *r, struct err *err)
{
	const struct join_ns *j;
	struct task *t;

	r->ns = arena_new(r->arena, struct namespaces);
	if (!r->root_ids)
		return 0;
	for_each_alive(t, r->tree) if (read_task(r, t, err) < 0) return -err->code;
	if (add_needed(r, err) < 0 || (r->ns->root[NS_USER] && ns_maps_read(r, err) < 0))
		return -err->code;
	vec_for_each(j, &r->opts->join_ns)
		if (join_one(r, j, err) < 0)
			return -err->code;
	if (r->opts->into && give_all(r, err) < 0)
		return -err->code;
	return ns_call(r, offsetof(struct ns_kind, read), "read", err);
}

int ns_plan(struct restore *r, struct err *err)
{
	if (ns_call(r, offsetof(struct ns_kind, plan), "plan", err) < 0)
		return -err->code;
	if (r->ns->root[NS_PID])
		tree_forget_host_pids(r->tree);
	return 0;
}

/* ---- enter ---- */

/* In the one outside: somebody who made a user namespace may not write all maps himself. */
static int write_maps(struct restore *r, void *args, int *fd, struct err *err)
{
	return ns_maps_write(r, *(pid_t *)args, err);
}

struct open_request {
	int flags;
	pid_t root; /* 0: the path is one of the store, else of this task's root */
	char path[4096];
};

static int open_in_root(struct restore *r, const struct open_request *req)
{
	struct open_how how = { .flags = (uint64_t)req->flags, .resolve = RESOLVE_IN_ROOT };
	char link[32];

	snprintf(link, sizeof(link), "%d/root", req->root);

	scoped_fd root = openat(r->proc, link, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? -1 : (int)syscall(SYS_openat2, root, req->path, &how, sizeof(how));
}

static int open_here(struct restore *r, void *args, int *fd, struct err *err)
{
	const struct open_request *req = args;

	*fd = req->root ? open_in_root(r, req)
			: openat(store_dirfd(r->store), req->path, req->flags);
	return *fd < 0 ? err_sys(err, "cannot open %s", req->path) : 0;
}

static int ask_to_open(struct restore *r, pid_t root, const char *path, int flags)
{
	struct open_request req = { .flags = flags, .root = root };
	struct err err = { 0 };
	int fd = -1;

	snprintf(req.path, sizeof(req.path), "%s", path);
	if (outside_run(r, open_here, &req, sizeof(req), &fd, &err) == 0)
		return fd;
	errno = err.code;
	return -1;
}

static int open_image(void *run, const char *path, int flags)
{
	return ask_to_open(run, 0, path, flags);
}

int ns_open_outside(struct restore *r, const char *path, int flags)
{
	if (!r->ns->root[NS_USER] || (errno != EACCES && errno != EPERM))
		return -1;
	return ask_to_open(r, r->shared->root_host_pid, path, flags);
}

void ns_use_store(struct restore *r)
{
	if (r->ns->root[NS_USER])
		store_set_opener(r->store, open_image, r);
}

static int make_user(struct restore *r, struct err *err)
{
	pid_t pid = getpid();

	if (unshare(CLONE_NEWUSER) < 0)
		return err_sys(err, "cannot make a user namespace");
	return outside_run(r, write_maps, &pid, sizeof(pid), NULL, err);
}

/* Its root, with all capabilities in it. */
static int enter_user(struct restore *r, struct err *err)
{
	const struct ns *ns = r->ns->root[NS_USER];

	if (!ns)
		return 0;
	if (ns->given && setns(ns->fd, CLONE_NEWUSER) < 0)
		return err_sys(err, "cannot enter the user namespace of process %d", r->opts->into);
	if (!ns->given && make_user(r, err) < 0)
		return -err->code;
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || setgroups(0, NULL) < 0)
		return err_sys(err, "cannot become root of the user namespace");
	/* tasks fetch descriptors of ours */
	prctl(PR_SET_DUMPABLE, 1);
	ns_use_store(r);
	return 0;
}

static int enter_external(struct restore *r, struct ns *ns, struct err *err)
{
	int fd = ns->fd >= 0 ? ns->fd : external_inherited(r, ns->external);

	if (fd < 0) {
		err_set(err, ENOENT, "cannot restore into the %s namespace \"%s\"",
			ns_name(ns->type), ns->external);
		err_why(err, "it was left outside of the dump");
		return err_hint(err, "give a descriptor for it: --inherit-fd fd[N]:%s",
				ns->external);
	}
	if (setns(fd, ns_clone_flag(ns->type)) < 0)
		return err_sys(err, "cannot enter the %s namespace \"%s\"", ns_name(ns->type),
			       ns->external ? ns->external : "--into");
	return 0;
}

static bool is_made(const struct ns *ns)
{
	return !ns->external && !ns->given;
}

/* What we do with mounts from now on is not seen where we came from. */
static int keep_mounts_inside(struct err *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(err, "cannot make our mounts our own");
	return 0;
}

static int enter_new(struct restore *r, uint64_t *clone_flags, struct err *err)
{
	static const enum ns_type here[] = { NS_MNT, NS_NET, NS_IPC, NS_UTS, NS_CGROUP };
	int flags = 0;

	for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
		struct ns *ns = r->ns->root[here[i]];

		if (ns && !is_made(ns) && enter_external(r, ns, err) < 0)
			return -err->code;
		if (ns && is_made(ns))
			flags |= ns_clone_flag(here[i]);
	}
	if (flags && unshare(flags) < 0)
		return err_sys(err, "cannot make namespaces (%#x)", flags);
	if (flags & CLONE_NEWNS && keep_mounts_inside(err) < 0)
		return -err->code;

	if (!r->ns->root[NS_PID])
		return 0;
	if (!is_made(r->ns->root[NS_PID]))
		return enter_external(r, r->ns->root[NS_PID], err);
	*clone_flags |= CLONE_NEWPID;
	return 0;
}

/* Those that the root task was born in. */
static int open_roots(struct restore *r, struct err *err)
{
	for (enum ns_type type = 0; type < NR_NS; type++) {
		struct ns *ns = r->ns->root[type];
		char link[32];

		if (!ns)
			continue;
		snprintf(link, sizeof(link), "%d/ns/%s", r->tree->root->host_pid, ns_name(type));
		if (ns->fd >= 0)
			close(ns->fd);
		ns->fd = openat(r->proc, link, O_RDONLY | O_CLOEXEC);
		if (ns->fd < 0)
			return err_sys(err, "cannot open the new %s namespace", ns_name(type));
	}
	return 0;
}

int ns_enter_all(struct restore *r, uint64_t *clone_flags_ret, struct err *err)
{
	*clone_flags_ret = 0;
	if (!r->ns->all.n)
		return 0;
	if (outside_begin(r, err) < 0 || enter_user(r, err) < 0 ||
	    ns_call(r, offsetof(struct ns_kind, enter), "enter", err) < 0 ||
	    enter_new(r, clone_flags_ret, err) < 0)
		return -err->code;
	return ns_call(r, offsetof(struct ns_kind, entered), "entered", err);
}

int ns_make(struct restore *r, struct err *err)
{
	if (open_roots(r, err) < 0)
		return -err->code;
	return ns_call(r, offsetof(struct ns_kind, make), "make", err);
}

int ns_finish(struct restore *r, struct err *err)
{
	return ns_call(r, offsetof(struct ns_kind, finish), "finish", err);
}

void ns_end(struct restore *r, bool ok)
{
	const struct ns_kind *const *k;
	struct ns **ns;

	if (!r->ns)
		return;
	for (k = kinds_index(r->kinds)->namespaces; *k; k++)
		if ((*k)->restore_end)
			(*k)->restore_end(r, ok);
	vec_for_each(ns, &r->ns->all)
		if ((*ns)->fd >= 0)
			close(take_fd(&(*ns)->fd));
}

/* ---- in a newborn ---- */

int ns_join(struct restore *r, const struct task *t, const struct task *father, struct err *err)
{
	static const enum ns_type nested[] = { NS_NET, NS_MNT };

	for (size_t i = 0; i < 2; i++) {
		const struct ns *ns = ns_of_task(r->ns, t, nested[i]);

		if (!ns || ns == ns_of_task(r->ns, father, nested[i]))
			continue;

		scoped_fd fd = restore_borrow_fd(r, ns->fd, err);

		if (fd < 0)
			return fd;
		if (setns(fd, ns_clone_flag(nested[i])) < 0)
			return err_sys(err, "cannot enter %s namespace %u", ns_name(nested[i]),
				       ns->id);
	}
	return 0;
}
