/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "core/task.h"

/* How a task comes into its session; see session.c. */
struct session_plan {
	bool leads;	  /* calls setsid() */
	bool born_before; /* is forked before its parent calls setsid() */
};
struct session_plan plan_session(const struct task *t);

/*
 * Can every task come into its session and group?  Stand-ins for tasks that are
 * no more are added to @tree, and tasks that only these can give a session become
 * their children until they are adopted.  @shell_job: the root's session may be
 * outside.
 */
int sessions_plan(struct arena *a, struct tree *tree, bool shell_job, struct err *err);

/* Dump: would that work?  Changes nothing. */
int sessions_check(struct dump *d, struct err *err);

/* In a newborn task, before it has children; and when all that die have died. */
int sessions_begin(struct restore *r, struct err *err);
int sessions_end(struct restore *r, struct err *err);

/* In the coordinator, then: tasks are children of those who have adopted them. */
void sessions_adopted(struct tree *tree);

#endif
