/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NS_IPC_H
#define NS_IPC_H

#include <sys/ipc.h>

#include "base/vec.h"
#include "core/kind.h"
#include "images/ipc-msg.pb-c.h"
#include "images/ipc-sem.pb-c.h"
#include "images/ipc-var.pb-c.h"

/*
 * What the files of this kind share: ipc.c (the kind: limits, and what all
 * System V objects have), ipc_msg.c (message queues), ipc_sem.c (semaphores),
 * ipc_posix.c (POSIX message queues).
 * Shared memory is mem/shmem.c's.
 */

struct ipc_message {
	IpcMsg *head;
	char *text; /* head->msize bytes */
};

struct ipc_queue {
	IpcMsgEntry *e;
	vec(struct ipc_message) messages;
};

struct ipc_sems {
	IpcSemEntry *e;
	uint16_t *values;
};

/* Of the namespace: ns->data. */
struct ipc_ns {
	IpcVarEntry *vars;
	vec(struct ipc_queue) queues;
	vec(struct ipc_sems) sems;
};

/* ---- ipc.c ---- */

/* Dump: the description of an object, with users as the tree knows them. */
IpcDescEntry *ipc_describe(struct dump *d, int id, const struct ipc_perm *perm);

/* Restore: is it one that can be made? */
bool ipc_is_sound(const IpcDescEntry *desc);

/*
 * Restore: make it, by @get(@desc->key, flags, @arg), with its number and by its
 * creator; then @perm_ret is what IPC_SET wants.
 */
int ipc_make(struct restore *r, const char *what, const IpcDescEntry *desc,
	     int (*get)(key_t key, int flags, uint32_t arg), uint32_t arg, struct err *err);
void ipc_owner(const IpcDescEntry *desc, struct ipc_perm *perm_ret);

/* Restore: a limit that lets at least @value through, until the real ones are set. */
int ipc_allow(struct restore *r, const char *sysctl, uint64_t value, struct err *err);

/* ---- ipc_msg.c, ipc_sem.c, ipc_posix.c ---- */

int ipc_msg_collect(struct dump *d, struct ipc_ns *n, struct err *err);
int ipc_msg_write(struct dump *d, const struct ns *ns, struct err *err);
int ipc_msg_read(struct restore *r, const struct ns *ns, struct err *err);
int ipc_msg_make(struct restore *r, const struct ipc_ns *n, struct err *err);

int ipc_sem_collect(struct dump *d, struct ipc_ns *n, struct err *err);
int ipc_sem_write(struct dump *d, const struct ns *ns, struct err *err);
int ipc_sem_read(struct restore *r, const struct ns *ns, struct err *err);
int ipc_sem_make(struct restore *r, const struct ipc_ns *n, struct err *err);

/* Into, and from, the record of limits. */
int ipc_posix_collect(struct dump *d, struct ipc_ns *n, struct err *err);
int ipc_posix_make(struct restore *r, const struct ipc_ns *n, struct err *err);

#endif
