/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_BIRTHS_H
#define CORE_BIRTHS_H

#include "base/list.h"
#include "base/vec.h"
#include "core/context.h"

struct birth;
struct session;

/* What a newborn does until all exist, in this order; see births_share.c. */
enum birth_act_type {
	BIRTH_FORK,    /* @child */
	BIRTH_BEGIN,   /* its session or group, if it leads one */
	BIRTH_UNSHARE, /* @flags */
};

struct birth_act {
	enum birth_act_type type;
	struct birth *child;
	uint64_t flags;
};

enum { TABLE_FILES, TABLE_FS, NR_SHARED_TABLES };

struct birth_table {
	uint32_t own;	      /* its id if others share it, else 0 */
	uint32_t born_with;   /* the id of that which its father shares with it, or 0 */
	struct birth *holder; /* of its own: who fills it; NULL: nobody shares it */
};

/* How a task of the tree, or a helper in the place of a leader that is dead, comes into being. */
struct birth {
	struct task *task;	     /* of a helper: in no tree, with numbers only */
	struct birth *father;	     /* who forks it; NULL: it is the root */
	struct list births, sibling; /* whom it forks */
	bool is_helper;		     /* ends when all are in their sessions and groups */
	bool leads;		     /* calls setsid() */
	bool leads_group;	     /* begins the process group of its pid, */
	bool leaves_group;	     /* and is in another one in the end */
	bool before;		     /* its father forks it before its own setsid() */
	bool is_adopted;	     /* its father is not its parent: see births.c */
	uint64_t joins;		     /* CLONE_FILES, CLONE_FS: what its father shares with it */
	struct birth_table table[NR_SHARED_TABLES];
	vec(struct birth_act) acts;
	unsigned int place; /* in births->all */

	/* while it is planned */
	struct session *in, *led;
	vec(struct birth *) needs;
	unsigned int order;
};

struct births {
	vec(struct birth *) all; /* fathers before those whom they fork */
	unsigned int nr_helpers;
	bool regroup; /* somebody leaves a group that it has to begin */
	unsigned int
		nr_share_files; /* tasks that have not got their descriptor table for themselves */
};

/*
 * Who forks whom: the births of all, and that of each task.  Refuses what no
 * order of forks can give.  @shell_job: the root's session may be outside.
 */
int births_plan(struct arena *a, struct tree *tree, bool shell_job, struct births **births_ret,
		struct err *err);

/* Then: the tables that tasks share, and the acts of each birth. */
int births_share(struct arena *a, struct births *births, struct err *err);

/* Does somebody before @t in the tree fill that table for it? */
static inline bool birth_is_served(const struct birth *b, size_t table)
{
	return b->table[table].holder && b->table[table].holder != b;
}

/* At -v4. */
void births_log(const struct births *births);

/* Dump, when tasks have their ids: could that be done? */
int births_check(struct dump *d, struct err *err);

#endif
