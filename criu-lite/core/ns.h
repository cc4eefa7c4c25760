/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_NS_H
#define CORE_NS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/vec.h"
#include "core/context.h"

/* In the order in which the first ids are given. */
enum ns_type { NS_PID, NS_NET, NS_IPC, NS_UTS, NS_TIME, NS_MNT, NS_USER, NS_CGROUP, NR_NS };

struct task;

/* A namespace of the tree that is not ours: one of its root task, or (mnt, net, time) of some other task. */
struct ns {
	uint32_t id; /* as in images */
	enum ns_type type;
	bool is_root;	      /* that of the root task */
	void *data;	      /* whatever its kind keeps with it */
	const char *external; /* it stays outside; the key by which it is given again, or NULL */

	/* dump */
	uint64_t ino;
	struct task *task; /* somebody in it; NULL: nobody, fd holds it, or it is prepared */

	/* time: who has made it for its children, and is not in it itself; NULL: nobody */
	const struct task *maker;

	/* restore: in memory that all newborns share, see restore_shared_new() */
	int fd;	    /* a descriptor of the coordinator's, -1: not made yet */
	bool given; /* fd is that of --into: it is entered, and not made */
};

/* All of a run: d->ns, r->ns. */
struct namespaces {
	uint64_t ours[NR_NS];	/* dump: the inodes of those we are in */
	struct ns *root[NR_NS]; /* those of the root task; NULL: it has ours */
	vec(struct ns *) all;
	struct ns_maps *maps; /* of root[NS_USER], see ns_maps.c; NULL: ids are those that we see */
};

/* "net", CLONE_NEWNET, and the link in /proc/PID/ns. */
const char *ns_name(enum ns_type type);
int ns_clone_flag(enum ns_type type);

/* The id in @ids, 0: none there. */
uint32_t ns_get_id(const TaskKobjIdsEntry *ids, enum ns_type type);
void ns_set_id(TaskKobjIdsEntry *ids, enum ns_type type, uint32_t id);

struct ns *ns_by_id(const struct namespaces *all, enum ns_type type, uint32_t id);

/* That of @t; NULL: it has ours.  Of a zombie: that of its parent. */
struct ns *ns_of_task(const struct namespaces *all, const struct task *t, enum ns_type type);

/*
 * Dump, after ids_collect(): the namespace behind @fd (borrowed), of nsfs; NULL:
 * ours.  A network namespace need not have a task of the tree: it is collected
 * then.  All others are refused.
 */
int ns_of_fd(struct dump *d, enum ns_type type, int fd, struct ns **ns_ret, struct err *err);

/* Dump: a descriptor of it; the caller closes it. */
int ns_open(struct dump *d, const struct ns *ns, struct err *err);

/*
 * Be in another namespace for a moment, and come back.  While one is in another
 * mount namespace, "/" and the current directory are its root; descriptors
 * that are open stay what they are.  @ns NULL: nothing is done.  Not for user
 * and pid namespaces.
 *
 *	struct ns_visit visit;
 *	if (ns_enter(..., &visit, err) < 0) ...
 *	if (ns_leave(&visit, err) < 0) ...
 *
 * In dump it is the namespace of ns->task; in restore ns->fd, in tasks a copy of it.
 */
struct ns_visit {
	enum ns_type type;
	int back; /* our own, -1: not away */
	int root, cwd;
};
int ns_enter_dump(struct dump *d, const struct ns *ns, struct ns_visit *visit, struct err *err);
int ns_enter_restore(struct restore *r, const struct ns *ns, struct ns_visit *visit,
		     struct err *err);
/* Failing to come back is fatal: the caller gives up with @err. */
int ns_leave(struct ns_visit *visit, struct err *err);

/*
 * Dump: user and group ids as the tree's user namespace has them, from those
 * that we see.  One that has no number there is 65534, as there.
 */
uid_t ns_uid_inside(const struct namespaces *all, uid_t uid);
gid_t ns_gid_inside(const struct namespaces *all, gid_t gid);

/* The other way round, on both sides, for who is outside; -1: it has none there. */
uid_t ns_uid_outside(const struct namespaces *all, uid_t uid);
gid_t ns_gid_outside(const struct namespaces *all, gid_t gid);

/*
 * Dump: a pid as the tree has it, of a task, thread, group or session that we
 * see; 0: it has none there.
 */
pid_t ns_pid_inside(struct dump *d, pid_t host_pid);

/* Dump, after ids_collect(): what is known of all of them from outside; then their images. */
int ns_collect(struct dump *d, struct err *err);
int ns_write(struct dump *d, struct err *err);

/*
 * Restore: the walk of the coordinator.
 *
 * ns_read	which there are, and their images
 * ns_plan	decide
 * ns_enter_all	somebody stays outside (outside.h), the coordinator goes into
 *		new namespaces: user, mnt, net, ipc, uts, cgroup; those of pids
 *		and clocks begin with the root task, @clone_flags_ret. External
 *		ones are entered as they are.
 * ns_make	the root task exists and waits: their content, and nested ones
 * ns_finish	all files are open
 * ns_end	in any case
 */
int ns_read(struct restore *r, struct err *err);
/* Besides those of tasks: one that a file names.  It is read. */
int ns_need(struct restore *r, enum ns_type type, uint32_t id, struct err *err);
int ns_plan(struct restore *r, struct err *err);
int ns_enter_all(struct restore *r, uint64_t *clone_flags_ret, struct err *err);
int ns_make(struct restore *r, struct err *err);
int ns_finish(struct restore *r, struct err *err);
void ns_end(struct restore *r, bool ok);

/* r->store is new: in a user namespace, its files are opened by the one who is outside. */
void ns_use_store(struct restore *r);

/*
 * In a newborn: what we may not open in the tree's user namespace was open
 * before it was made; the one who is outside opens it.  A descriptor, or -1
 * with errno as it is.
 */
int ns_open_outside(struct restore *r, const char *path, int flags);

/* The hook at offset @member of struct ns_kind, of all kinds for all namespaces; for ns_restore.c. */
int ns_call(struct restore *r, size_t member, const char *stage, struct err *err);

/* In a newborn, before its children are born: go where its father is not (mnt, net). */
int ns_join(struct restore *r, const struct task *t, const struct task *father, struct err *err);

#endif
