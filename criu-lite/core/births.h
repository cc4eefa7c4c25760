/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_BIRTHS_H
#define CORE_BIRTHS_H

#include "base/list.h"
#include "base/vec.h"
#include "core/context.h"

struct session;

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

	/* while it is planned */
	struct session *in, *led;
	vec(struct birth *) needs;
	unsigned int order;
};

struct births {
	vec(struct birth *) all; /* fathers before those whom they fork */
	unsigned int nr_helpers;
	bool regroup; /* somebody leaves a group that it has to begin */
};

/*
 * Who forks whom: the births of all, and that of each task.  Refuses what no
 * order of forks can give.  @shell_job: the root's session may be outside.
 */
int births_plan(struct arena *a, struct tree *tree, bool shell_job, struct births **births_ret,
		struct err *err);

/* At -v4. */
void births_log(const struct births *births);

/* Dump: could that be done? */
int births_check(struct dump *d, struct err *err);

#endif
