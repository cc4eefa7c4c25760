/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_IDS_H
#define CORE_IDS_H

#include "core/context.h"
#include "core/kind.h"
#include "core/task.h"

/*
 * Which objects of the kernel are the same one.  An id_set orders what it is
 * shown by kcmp(2), so looking up costs O(log n).
 */
struct id_set {
	int type;      /* KCMP_FILE, KCMP_VM, ... */
	uint32_t last; /* the last id given */
	void *root;
};

/* What is compared: @fd is used by KCMP_FILE only; @dev and @ino are compared first. */
struct id_key {
	pid_t pid;
	int fd;
	uint64_t dev, ino;
};

/*
 * The id of the object, and whether it is new here.  @data_ret: where the
 * caller may keep a pointer with it.
 */
int id_set_find(struct id_set *set, struct arena *a, const struct id_key *key, uint32_t *id_ret,
		bool *new_ret, void ***data_ret, struct err *err);

/* Forget everything; what ids were given stays true. */
void id_set_fini(struct id_set *set);

/* t->ids of every living task, and d->our_ids.  Refuses what is shared and cannot be restored. */
int ids_collect(struct dump *d, struct err *err);

#endif
