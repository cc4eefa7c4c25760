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
#include <linux/kcmp.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "core/ids.h"
#include "core/refuse.h"

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

struct ns_slot {
	const char *name;
	size_t id, has; /* offsets in TaskKobjIdsEntry */
};

#define SLOT(n)                                                     \
	{                                                           \
#n, offsetof(TaskKobjIdsEntry, n##_ns_id),          \
			offsetof(TaskKobjIdsEntry, has_##n##_ns_id) \
	}

/* in the order in which the first ids are given */
static const struct ns_slot ns_slots[] = { SLOT(pid),  SLOT(net), SLOT(ipc),  SLOT(uts),
					   SLOT(time), SLOT(mnt), SLOT(user), SLOT(cgroup) };

enum { NR_NS = sizeof(ns_slots) / sizeof(ns_slots[0]) };

static int ns_link_inode(struct dump *d, pid_t pid, const char *file, const char *type,
			 uint64_t *ino_ret, struct err *err)
{
	char path[64], link[64];
	struct text t;
	ssize_t n;

	snprintf(path, sizeof(path), "%d/ns/%s", pid, file);
	n = readlinkat(d->proc, path, link, sizeof(link) - 1);
	if (n < 0 && errno == ENOENT) {
		*ino_ret = 0; /* this kernel has no such namespaces */
		return 0;
	}
	if (n < 0)
		return err_sys(err, "cannot read the %s namespace of task %d", file, pid);

	t = text_of(link, (size_t)n);
	if (!text_lit(&t, type) || !text_lit(&t, ":[") || !text_u64(&t, ino_ret))
		return err_set(err, EPROTO, "cannot understand the %s namespace of task %d", file,
			       pid);
	return 0;
}

static int ns_inode(struct dump *d, pid_t pid, const char *name, uint64_t *ino_ret, struct err *err)
{
	return ns_link_inode(d, pid, name, name, ino_ret, err);
}

static void ns_set(TaskKobjIdsEntry *ids, const struct ns_slot *slot, uint32_t id)
{
	*(uint32_t *)((char *)ids + slot->id) = id;
	*(protobuf_c_boolean *)((char *)ids + slot->has) = 1;
}

static int check_ns(struct dump *d, struct task *t, const uint64_t ours[NR_NS], struct err *err)
{
	size_t i;

	for (i = 0; i < NR_NS; i++) {
		uint64_t ino;

		if (ns_inode(d, t->host_alive, ns_slots[i].name, &ino, err) < 0)
			return -err->code;
		if (ino != ours[i]) {
			err_set(err, EOPNOTSUPP,
				"cannot dump task %d: it has a %s namespace of its own",
				t->host_pid, ns_slots[i].name);
			return err_hint(
				err,
				"run criu-lite inside the same namespaces; others are not supported yet");
		}
		if (ino)
			ns_set(t->ids, &ns_slots[i], (uint32_t)i + 1);
	}
	return 0;
}

/* unshare() of a pid or time namespace is for children: those to come would be born into another one. */
static int check_ns_of_children(struct dump *d, struct task *t, struct err *err)
{
	static const char *const names[] = { "pid", "time" };
	uint64_t own, of_children;

	for (size_t i = 0; i < 2; i++) {
		const char *name = arena_printf(d->arena, "%s_for_children", names[i]);

		if (ns_inode(d, t->host_alive, names[i], &own, err) < 0 ||
		    ns_link_inode(d, t->host_alive, name, names[i], &of_children, err) < 0)
			return -err->code;
		/* a pid namespace that nobody is in yet is shown as none at all */
		if (of_children == own)
			continue;
		err_set(err, EOPNOTSUPP,
			"cannot dump task %d: it has prepared a %s namespace for its children",
			t->host_pid, names[i]);
		return err_hint(err, "let it have a child that enters it, or end that task");
	}
	return 0;
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
	uint64_t ours[NR_NS];
	size_t i;
	int ret;

	for (i = 0; i < NR_NS; i++)
		if (ns_inode(d, getpid(), ns_slots[i].name, &ours[i], err) < 0)
			return -err->code;

	d->our_ids = record_new(d, task_kobj_ids_entry);
	d->our_ids->vm_id = d->our_ids->files_id = d->our_ids->fs_id = d->our_ids->sighand_id = 1;
	for (i = 0; i < NR_NS; i++)
		if (ours[i])
			ns_set(d->our_ids, &ns_slots[i], (uint32_t)i + 1);

	ret = collect_tasks(d, ours, sets, err);
	for (i = 0; i < 4; i++)
		id_set_fini(&sets[i]);
	return ret;
}
