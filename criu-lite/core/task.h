/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_TASK_H
#define CORE_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/vec.h"
#include "compel.h"
#include "core/context.h"
#include "core/proc.h"
#include "images/core.pb-c.h"
#include "images/mm.pb-c.h"
#include "pie/abi.h"

/* As in task_core_entry.task_state */
enum task_state { TASK_ALIVE = 1, TASK_DEAD = 2, TASK_STOPPED = 3 };

struct thread {
	pid_t tid;	/* in its own pid namespace, as in images */
	pid_t host_tid; /* ours */
	CoreEntry *core;
	struct compel_thread *victim;	/* dump: its stopped state */
	struct proc_status status;	/* dump: /proc/PID/task/TID/status */
	struct parasite_thread *inside; /* dump, from stage drain on: what it says of itself */

	/* resume: it has entered its system call again, and this came of it; see core/wait.h */
	bool entered;
	long entered_result;
};

/* Memory from @start to @end. */
struct task_memory {
	uint64_t start, end;
};

struct task {
	struct task *parent; /* NULL: the root of the tree */
	struct list children, sibling;
	struct list link;   /* in tree->tasks: parents before children */
	unsigned int index; /* position in that order, from 0 */

	pid_t pid, pgid, sid; /* in its own pid namespace, as in images */
	pid_t host_pid;
	pid_t host_alive; /* a thread that lives, for who asks the kernel for memory, files and the like */
	enum task_state state;
	struct thread *threads; /* that live, the leader first; a zombie has one, without life */
	size_t nr_threads;
	bool leader_exited; /* and is not among the threads */

	CoreEntry *core; /* of the leader; its tc is the task's */
	TaskKobjIdsEntry *ids;
	MmEntry *mm;		 /* filled by mem/, NULL for zombies */
	struct fdtable *fdtable; /* NULL for zombies */

	/* dump */
	struct proc_stat stat;		/* /proc/PID/stat */
	struct compel_seizing *seizing; /* told to stop, not yet waited for */
	struct compel_task *victim;	/* NULL for zombies */
	struct waits *waits;		/* see core/wait.h */
	struct parasite_task *inside;	/* from stage drain on: what it says of itself */
	int pidfd;			/* -1 for zombies */
	struct written *written;	/* mem/: which pages it has written, NULL: nobody knows */
	struct predump *predump;	/* mem/: which of them a pre-dump saves */
	bool wants_parasite;		/* pre-dump: a kind has work for it inside */
	bool spoilt; /* a kind has refused it, so what is known of it is not complete */

	vec(struct task_memory) left; /* dump --lazy-pages: what is sent when it is asked for */

	/* restore */
	struct birth *birth;	       /* plan: who forks it, see core/births.h */
	size_t region_room;	       /* plan: bytes that its kinds will pack into the region */
	vec(struct file *) owned;      /* what it opens, in order of level and id */
	vec(struct file_need *) needs; /* files it needs besides its descriptors */
};

/* Tasks by number: an open-addressed table. */
struct pid_index {
	struct task **slots;
	size_t n, max;
};

struct tree {
	struct task *root;
	struct pid_index by_pid, by_host_pid;
	struct list tasks;
	unsigned int nr_tasks, nr_alive, nr_threads; /* nr_threads: of living tasks */
};

#define for_each_task(t, tree) list_for_each(t, &(tree)->tasks, link)
#define for_each_alive(t, tree) \
	for_each_task(t, tree)  \
		if ((t)->state != TASK_DEAD)

/* A new task, added to the tree behind @parent (NULL: the root). */
struct task *task_new(struct arena *a, struct tree *tree, struct task *parent);

/* @t, which has no children, is not in the tree after all: it has ended before it was stopped. */
void task_drop(struct tree *tree, struct task *t);

/* Its numbers have become known: from now on it is found by them. */
void task_has_pid(struct arena *a, struct tree *tree, struct task *t, pid_t pid);
void task_has_host_pid(struct arena *a, struct tree *tree, struct task *t, pid_t host_pid);

/* Restore into a pid namespace: our numbers of tasks and threads are not known before they are born. */
void tree_forget_host_pids(struct tree *tree);

/* The living or dead task with this pid (own namespace), or NULL. */
struct task *task_by_pid(const struct tree *tree, pid_t pid);
struct task *task_by_host_pid(const struct tree *tree, pid_t pid);

/* "redis-server", for messages. */
const char *task_comm(const struct task *t);

/*
 * Dump: run a command of the parasite in the leader (or in thread @th) of @t.
 * @args is copied there and back.  Fails, with @err, if the command does; its
 * result (0 or more) is returned.
 */
long task_call(struct task *t, uint32_t cmd, void *args, size_t len, struct err *err);
long task_call_thread(struct task *t, struct thread *th, uint32_t cmd, void *args, size_t len,
		      struct err *err);

/* Restore: pstree.img, core-*.img, ids-*.img into r->tree. */
int tree_read(struct restore *r, struct err *err);

#endif
