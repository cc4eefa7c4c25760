/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_FDTABLE_H
#define CORE_FDTABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/vec.h"
#include "core/context.h"

struct fdtable_entry {
	int fd;
	bool cloexec;
	struct file *file;
	const char *fdinfo; /* dump: its text if there are locks in it, else NULL */
};

/* The descriptors of a task; of several, if they share it. */
struct fdtable {
	uint32_t id;			   /* fdinfo-ID.img */
	struct task *task;		   /* the first that has it */
	vec(struct fdtable_entry) entries; /* by rising fd */
};

/* The table with the id that @t has for it: @t is its first task, or shares it with that. */
struct fdtable *fdtable_of(struct arena *a, struct files *files, const struct tree *tree,
			   struct task *t);

/* Dump: list the descriptors of @t and have each claimed by a kind. */
int fdtable_collect(struct dump *d, struct task *t, struct err *err);
int fdtable_write(struct dump *d, struct task *t, struct err *err);

/* Restore. */
int fdtable_read(struct restore *r, struct task *t, struct err *err);

/* The entry at number @fd, or NULL. */
struct fdtable_entry *fdtable_find(const struct fdtable *t, int fd);

#endif
