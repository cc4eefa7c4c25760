/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ids - which address spaces, tables, files and namespaces are the same object
 *
 * kcmp(2) says of two kernel objects which comes first in an order that means
 * nothing but is the same for all; a balanced tree in that order finds equals.
 * Namespaces have inode numbers, so theirs are simply listed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "core/external.h"
#include "core/ids.h"
#include "core/ns.h"
#include "core/ns_maps.h"
#include "core/refuse.h"
#include "core/unknown.h"

struct id_node {
	struct id_key key;
	int type;
	uint32_t id;
	void *data;
};

static int compare_nodes(const void *pa, const void *pb)
{
	const struct id_node *a = pa, *b = pb;
	long order;

	if (a->key.dev != b->key.dev)
		return a->key.dev < b->key.dev ? -1 : 1;
	if (a->key.ino != b->key.ino)
		return a->key.ino < b->key.ino ? -1 : 1;

	order = syscall(SYS_kcmp, a->key.pid, b->key.pid, a->type, (unsigned long)a->key.fd,
			(unsigned long)b->key.fd);
	if (order == 0)
		return 0;
	return order == 1 ? -1 : 1;
}

int id_set_find(struct id_set *set, struct arena *a, const struct id_key *key, uint32_t *id_ret,
		bool *new_ret, void ***data_ret, struct err *err)
{
	struct id_node *node = arena_new(a, struct id_node), **found;

	node->key = *key;
	node->type = set->type;
	if (syscall(SYS_kcmp, key->pid, key->pid, set->type, (unsigned long)key->fd,
		    (unsigned long)key->fd) < 0)
		return err_sys(err, "cannot compare kernel objects of task %d", key->pid);

	found = tsearch(node, &set->root, compare_nodes);
	if (!found)
		return err_set(err, ENOMEM, "cannot remember a kernel object of task %d", key->pid);

	*new_ret = *found == node;
	if (*new_ret)
		node->id = ++set->last;
	*id_ret = (*found)->id;
	if (data_ret)
		*data_ret = &(*found)->data;
	return 0;
}

static void leave_to_arena(void *node)
{
}

void id_set_fini(struct id_set *set)
{
	tdestroy(set->root, leave_to_arena);
	set->root = NULL;
}

/* ---- the ids of tasks ---- */

/* Of a link in /proc/PID/ns, which reads like "pid:[4026531836]"; 0: there is none. */
static int ns_inode(struct dump *d, pid_t pid, const char *name, uint64_t *ino_ret, struct err *err)
{
	char path[64], link[64];
	const char *number;
	struct text t;
	ssize_t n;

	snprintf(path, sizeof(path), "%d/ns/%s", pid, name);
	n = readlinkat(d->proc, path, link, sizeof(link) - 1);
	if (n < 0 && errno == ENOENT) {
		*ino_ret = 0; /* this kernel has no such namespaces, or it has no task yet */
		return 0;
	}
	if (n < 0)
		return err_sys(err, "cannot read the %s namespace of task %d", name, pid);

	link[n] = '\0';
	number = strchr(link, '[');
	t = text_of(number ? number : link, strlen(number ? number : link));
	if (!text_lit(&t, "[") || !text_u64(&t, ino_ret))
		return err_set(err, EPROTO, "cannot understand the %s namespace of task %d", name,
			       pid);
	return 0;
}

static int refuse_ns(const struct task *t, const char *what, const char *why, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump task %d: it has %s", t->host_pid, what);
	err_why(err, "%s", why);
	return err_hint(err, "start such a task together with the others, or not at all");
}

/* A namespace that we have not met: what may be there besides those of the root task? */
static int check_new_ns(struct dump *d, const struct task *t, enum ns_type type, struct err *err)
{
	if (t != d->tree->root && type != NS_NET && type != NS_MNT && type != NS_TIME)
		return refuse_ns(t,
				 arena_printf(d->arena, "a %s namespace of its own", ns_name(type)),
				 "only mount, network and time namespaces may differ within a tree",
				 err);
	return 0;
}

/* @t is in it; NULL: nobody is yet. */
static struct ns *new_ns(struct dump *d, struct task *t, enum ns_type type, uint64_t ino)
{
	struct ns *ns = arena_new(d->arena, struct ns);

	ns->id = NR_NS + 1 + (uint32_t)d->ns->all.n;
	ns->type = type;
	ns->ino = ino;
	ns->fd = -1;
	ns->task = t;
	ns->is_root = t == d->tree->root;
	ns->external = external_ns(d, type, ino);
	if (ns->is_root)
		d->ns->root[type] = ns;
	*vec_add(d->arena, &d->ns->all) = ns;
	return ns;
}

static int add_ns(struct dump *d, struct task *t, enum ns_type type, uint64_t ino,
		  struct ns **ns_ret, struct err *err)
{
	if (check_new_ns(d, t, type, err) < 0)
		return -err->code;
	*ns_ret = new_ns(d, t, type, ino);
	return 0;
}

static struct ns *ns_by_inode(const struct dump *d, enum ns_type type, uint64_t ino)
{
	struct ns **ns;

	vec_for_each(ns, &d->ns->all)
		if ((*ns)->type == type && (*ns)->ino == ino)
			return *ns;
	return NULL;
}

/* The root's namespace is new, and then a child of it is back in ours. */
static bool came_back(const struct dump *d, enum ns_type type)
{
	return d->ns->root[type] != NULL;
}

static int check_type(struct dump *d, struct task *t, enum ns_type type, uint64_t ours,
		      struct err *err)
{
	struct ns *ns;
	uint64_t ino;

	if (ns_inode(d, t->host_alive, ns_name(type), &ino, err) < 0)
		return -err->code;
	if (!ino)
		return 0;
	if (ino == ours && came_back(d, type))
		return refuse_ns(
			t, arena_printf(d->arena, "the %s namespace of criu-lite", ns_name(type)),
			"the first task of the tree has another one", err);
	if (ino == ours) {
		ns_set_id(t->ids, type, (uint32_t)type + 1);
		return 0;
	}
	ns = ns_by_inode(d, type, ino);
	if (ns && !ns->task)
		ns->task = t;
	if (!ns && add_ns(d, t, type, ino, &ns, err) < 0)
		return -err->code;
	ns_set_id(t->ids, type, ns->id);
	return 0;
}

static int check_ns(struct dump *d, struct task *t, const uint64_t ours[NR_NS], struct err *err)
{
	for (enum ns_type type = 0; type < NR_NS; type++)
		if (check_type(d, t, type, ours[type], err) < 0)
			return -err->code;
	return unknown_check_namespaces(d, t, err);
}

static int refuse_prepared(const struct task *t, const char *name, struct err *err)
{
	err_set(err, EOPNOTSUPP,
		"cannot dump task %d: it has prepared a %s namespace for its children", t->host_pid,
		name);
	return err_hint(err, "let it have a child that enters it, or end that task");
}

/* It has that from unshare(), the only way to one for children alone: nobody else can have. */
static int take_prepared(struct dump *d, struct task *t, uint64_t ino, struct err *err)
{
	struct ns *ns = ns_by_inode(d, NS_TIME, ino);

	if (ino == d->ns->ours[NS_TIME] || (ns && (ns->is_root || ns->maker)))
		return refuse_prepared(t, "time", err);
	if (!ns)
		ns = new_ns(d, NULL, NS_TIME, ino);
	ns->maker = t;
	t->ids->has_time_children_ns_id = true;
	t->ids->time_children_ns_id = ns->id;
	return 0;
}

/* unshare() of a pid or time namespace is for children: those to come would be born into another one. */
static int check_ns_of_children(struct dump *d, struct task *t, struct err *err)
{
	uint64_t own, of_children;

	if (ns_inode(d, t->host_alive, "pid", &own, err) < 0 ||
	    ns_inode(d, t->host_alive, "pid_for_children", &of_children, err) < 0)
		return -err->code;
	/* a pid namespace that nobody is in yet is shown as none at all */
	if (of_children != own)
		return refuse_prepared(t, "pid", err);
	if (ns_inode(d, t->host_alive, "time", &own, err) < 0 ||
	    ns_inode(d, t->host_alive, "time_for_children", &of_children, err) < 0)
		return -err->code;
	return of_children == own ? 0 : take_prepared(d, t, of_children, err);
}

/* Only who descends from the maker can be born into it. */
static int check_maker(struct dump *d, const struct task *t, struct err *err)
{
	const struct ns *ns = ns_of_task(d->ns, t, NS_TIME);
	const struct task *up = t->parent;

	if (!ns || !ns->maker)
		return 0;
	while (up && up != ns->maker)
		up = up->parent;
	if (up)
		return 0;
	err_set(err, EOPNOTSUPP,
		"cannot dump task %d: it is in the time namespace that task %d has made for its children",
		t->host_pid, ns->maker->host_pid);
	err_why(err, "it is none of them");
	return err_hint(err, "end one of them before the dump");
}

/* Who is not the first in it cannot be made again without the others. */
static int check_init(const struct dump *d, struct err *err)
{
	const struct ns *ns = d->ns->root[NS_PID];

	if (!ns || ns->external || d->tree->root->pid == 1)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump task %d: it is not the first of its pid namespace",
		d->tree->root->host_pid);
	return err_hint(err,
			"dump the first one (pid 1 there), or run criu-lite in that namespace, or "
			"leave it outside: --external pid[%" PRIu64 "]:NAME",
			ns->ino);
}

enum { SHARED_VM, SHARED_FILES, SHARED_FS, SHARED_SIGHAND };

/* What two tasks share beyond what a plain fork() shares, and we could not give back. */
static int check_shared(struct dump *d, struct task *t, struct id_set sets[4], struct err *err)
{
	static const char *const names[] = {
		[SHARED_VM] = "memory (CLONE_VM)", [SHARED_SIGHAND] = "signal handlers (CLONE_SIGHAND)"
	};
	uint32_t *ids[] = { &t->ids->vm_id, &t->ids->files_id, &t->ids->fs_id,
			    &t->ids->sighand_id };
	struct id_key key = { .pid = t->host_alive };
	size_t i;

	for (i = 0; i < 4; i++) {
		bool is_new;

		if (id_set_find(&sets[i], d->arena, &key, ids[i], &is_new, NULL, err) < 0)
			return -err->code;
		if (is_new || i == SHARED_FILES || i == SHARED_FS)
			continue; /* births_share.c sees whether these can be shared again */
		err_set(err, EOPNOTSUPP, "cannot dump task %d: it shares its %s with another task",
			t->host_pid, names[i]);
		return err_hint(err, "this is not supported yet");
	}
	return 0;
}

/* A thread with a table of its own (unshare in a thread) would be dumped as its leader. */
static int check_threads(struct dump *d, struct task *t, struct err *err)
{
	static const int types[] = { KCMP_FILES, KCMP_FS };
	size_t i, k;

	for (i = 1; i < t->nr_threads; i++) {
		for (k = 0; k < 2; k++) {
			if (syscall(SYS_kcmp, t->host_alive, t->threads[i].host_tid, types[k], 0,
				    0) == 0)
				continue;
			err_set(err, EOPNOTSUPP,
				"cannot dump thread %d of task %d: it has %s of its own",
				t->threads[i].host_tid, t->host_pid,
				k ? "a working directory" : "a descriptor table");
			return err_hint(err, "this is not supported yet");
		}
	}
	return 0;
}

static int collect_tasks(struct dump *d, const uint64_t ours[NR_NS], struct id_set sets[4],
			 struct err *err)
{
	struct task *t;

	for_each_alive(t, d->tree)
	{
		t->ids = record_new(d, task_kobj_ids_entry);
		if ((check_ns(d, t, ours, err) < 0 || check_ns_of_children(d, t, err) < 0 ||
		     check_shared(d, t, sets, err) < 0 || check_threads(d, t, err) < 0) &&
		    !refuse_note(d, t, -1, err))
			return -err->code;
	}
	return 0;
}

int ids_collect(struct dump *d, struct err *err)
{
	struct id_set sets[4] = { { .type = KCMP_VM, .last = 1 },
				  { .type = KCMP_FILES, .last = 1 },
				  { .type = KCMP_FS, .last = 1 },
				  { .type = KCMP_SIGHAND, .last = 1 } };
	struct task *t;
	uint64_t *ours;
	size_t i;
	int ret;

	d->ns = arena_new(d->arena, struct namespaces);
	ours = d->ns->ours;
	for (i = 0; i < NR_NS; i++)
		if (ns_inode(d, getpid(), ns_name((enum ns_type)i), &ours[i], err) < 0)
			return -err->code;

	d->our_ids = record_new(d, task_kobj_ids_entry);
	d->our_ids->vm_id = d->our_ids->files_id = d->our_ids->fs_id = d->our_ids->sighand_id = 1;
	for (i = 0; i < NR_NS; i++)
		if (ours[i])
			ns_set_id(d->our_ids, (enum ns_type)i, (uint32_t)i + 1);

	ret = collect_tasks(d, ours, sets, err);
	for_each_alive(t, d->tree) if (ret == 0 && t->ids && check_maker(d, t, err) < 0 &&
				       !refuse_note(d, t, -1, err)) ret = -err->code;
	if (ret == 0 && check_init(d, err) < 0 && !refuse_note(d, d->tree->root, -1, err))
		ret = -err->code;
	if (ret == 0 && (ns_maps_collect(d, err) < 0))
		ret = -err->code;
	for (i = 0; i < 4; i++)
		id_set_fini(&sets[i]);
	return ret;
}
