/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_REFUSE_H
#define CORE_REFUSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/vec.h"
#include "core/context.h"

struct file;

/*
 * What of a tree cannot be dumped: all of it, not only what is found first.
 *
 * A refusal is an error about the state of the tree: EOPNOTSUPP or EBUSY, with
 * a hint, or EAGAIN if it is one that the tree passes through and leaves by itself.  A loop over things that do not depend on each other puts it on the
 * list and goes on:
 *
 *	if (collect_fd(d, t, *fd, err) < 0 && !refuse_note(d, t, *fd, err))
 *		return -err->code;
 *
 * The end of the stage fails.  All other errors are failures of ours, and end
 * the stage at once.
 */
struct refusal {
	struct err err;
	pid_t pid; /* 0: it is about no task in particular */
	int fd;	   /* -1: about no descriptor */
	char comm[64];
};

struct refusals {
	struct arena *arena; /* of the caller of the run: the list outlives the run */
	vec(struct refusal) list;
	vec(const void *) spoilt;
};

bool is_refusal(const struct err *err);

/*
 * If @err is a refusal it goes on the list, @err is empty again, and the result
 * is true.  @t may be NULL, @fd -1.
 */
bool refuse_note(struct dump *d, const struct task *t, int fd, struct err *err);

/* Is there nothing on the list but what will be otherwise in a moment? */
bool refuse_is_momentary(const struct refusals *refused);
void refuse_forget(struct refusals *refused);

/*
 * A stage ends with @ret.  It fails, with the first refusal, if there are any;
 * with @go_on only if it has not come to its end.
 */
int refuse_end(struct dump *d, int ret, bool go_on, struct err *err);

/*
 * A file kind of which a file was refused does not know all of them any more.
 * What it says at the end of a stage would mislead, and it is not asked.
 */
void refuse_spoil(struct dump *d, const void *kind);
bool refuse_spoilt(const struct dump *d, const void *kind);

/* What stands for a refused file: nothing is done with it, and it is found again as the same one. */
struct file *refuse_file(struct dump *d, struct task *t, int fd);

#endif
