/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef COMPEL_SRC_INTERNAL_H
#define COMPEL_SRC_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../pie/control.h"
#include "arch.h"
#include "compel.h"

/* What has been put into a task, or is being put there. */
struct compel_blob {
	unsigned long base; /* 0: nothing is mapped yet */
	size_t code_size, args_size, size;

	int sock;	     /* ours */
	int remote_sock;     /* theirs, -1: none */
	int fds[COMPEL_FDS]; /* there, sent by us */
	unsigned int nr_fds;
	bool nofile_is_raised;

	struct compel_thread *home;   /* where all this was made */
	struct compel_thread *inside; /* the thread that runs the blob, or NULL */
};

/* The first thread that is alive; there is one. */
struct compel_thread *task_thread(struct compel_task *task);

/* "cannot @what thread N", for a code of stop.h. */
int thread_err(struct err *err, int code, const struct compel_thread *t, const char *what);

/* blob.c: where things are, and putting them there. */
void blob_layout(struct compel_blob *b, size_t code_size, size_t args_size);
unsigned long blob_control(const struct compel_blob *b);
unsigned long blob_args(const struct compel_blob *b);
int task_write(struct compel_task *task, unsigned long to, const void *from, size_t len,
	       struct err *err);
int task_read(struct compel_task *task, unsigned long from, void *to, size_t len, struct err *err);
/* How thread @t goes on without us. */
int blob_write_resume(struct compel_task *task, const struct compel_thread *t, struct err *err);
int blob_write_sock(struct compel_task *task, int sock, struct err *err);
int blob_write_host(struct compel_task *task, int pidfd, struct err *err);
void blob_free(struct compel_task *task);

/* inject.c: start thread @t in the blob; bring back whoever runs it. */
int blob_enter(struct compel_task *task, struct compel_thread *t, struct err *err);
int blob_leave(struct compel_task *task, struct err *err);

/*
 * remote.c: for a task whose threads have just been stopped: it takes threads
 * out of stubs that another host has left behind.
 */
int remote_leave_stubs(struct compel_task *task);
/* A system call that needs no blob. */
int remote_call(struct compel_task *task, struct compel_thread *t, long nr,
		const unsigned long args[6], long *ret, struct err *err);
/* Code cannot run in a thread under a seccomp filter that we could not suspend. */
int remote_is_allowed(const struct compel_task *task, const struct compel_thread *t,
		      struct err *err);

#endif
