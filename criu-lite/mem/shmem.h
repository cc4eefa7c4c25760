/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MEM_SHMEM_H
#define MEM_SHMEM_H

#include "core/kind.h"
#include "core/pagemap.h"
#include "images/ipc-shm.pb-c.h"

/*
 * The parts of one task kind: shmem.c (dump, read and plan), shmem_make.c (what
 * the coordinator does at restore).
 */

enum { SHMEM_BUCKETS = 64 };

struct segment {
	struct segment *next; /* of the same bucket */
	int id;
	unsigned long nr_maps;
	IpcShmEntry *e;

	/* dump: a mapping of it, and how that was made */
	const char *link;
	uint32_t flags;

	/* restore */
	bool is_there; /* it is used as it is, not made */
	void *held;    /* where the coordinator has it */
	pagemap_runs pages;
};

struct shmem_state {
	struct segment *buckets[SHMEM_BUCKETS];
	bool is_drained;
};

extern const struct task_kind shmem_kind;

#define for_each_segment(s, state)                    \
	for (size_t b_ = 0; b_ < SHMEM_BUCKETS; b_++) \
		for (s = (state)->buckets[b_]; s; s = s->next)

/* All of it, in whole pages; 0: impossible. */
uint64_t shmem_length(const IpcShmEntry *e);

/* ---- shmem_make.c ---- */

int before_shmem(struct restore *r, struct err *err);
int after_shmem(struct restore *r, struct err *err);
void restore_end_shmem(struct restore *r, bool ok);

#endif
