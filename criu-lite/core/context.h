/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_CONTEXT_H
#define CORE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "core/opts.h"
#include "images/core.pb-c.h"
#include "images/image.h"

struct kernel;
struct arch_cpu;
struct kinds;
struct store;
struct tree;
struct files;
struct stats;
struct task;
struct shared;
struct region;
struct barrier;
struct undo;
struct births;
struct path_refs;
struct early_pty;
struct refusals;
struct namespaces;
struct ns;
struct outside;
struct freezer;
struct mounts;
struct page_link;

/* How connections are cut off from the network between dump and restore; as in inventory.img. */
enum network_lock { NETWORK_LOCK_IPTABLES, NETWORK_LOCK_NFTABLES, NETWORK_LOCK_SKIP };

/* Everything a run of dump knows. */
struct dump {
	const struct dump_opts *opts;
	struct arena *arena; /* lives as long as the run */
	struct kernel *kernel;
	const struct arch_cpu *cpu;
	struct kinds *kinds;
	struct store *store;
	struct tree *tree;
	struct files *files;
	struct stats *stats;
	struct path_refs *paths; /* files that cannot be found by their name, see path_ref.h */
	int proc;		 /* /proc as we see it */
	bool images_begun;	 /* some have been written */
	bool locks_network;	 /* the tree has a network of its own, and who asked was told */
	bool stays_stopped;	 /* though it failed: it may run elsewhere */
	bool again;		 /* the first try came at a bad moment */
	bool pre_dump;		 /* of memory only, while the tree runs on */
	bool dry; /* only to find out whether it would work: nothing is kept, nothing changed */
	struct refusals *refused;	 /* core/refuse.h */
	struct freezer *freezer;	 /* core/freezer.h; NULL: no --freeze-cgroup */
	struct wait_clocks *wait_clocks; /* see core/wait.h */
	struct task *us;	     /* ourselves: the holder of files that are in nobody's table */
	uint32_t last_pages_id;	     /* core/pagemap.h */
	TaskKobjIdsEntry *our_ids;   /* our own namespaces: what is inherited, not dumped */
	struct namespaces *ns;	     /* those of the tree that are not ours */
	struct mounts *mounts;	     /* of its mount namespaces, NULL: it has ours; core/mounts.h */
	struct page_link *page_link; /* where memory goes, NULL: images; core/page_link.h */
	struct ns *netns;	/* the network namespace we visit (core/sock_ns.h), NULL: none */
	const char *run_id;	/* inventory_run_id() */
	struct store *parent;	/* the dump before this one (--prev-images-dir), NULL: none */
	const char *parent_run; /* its run_id, NULL: unknown */
	enum network_lock network_lock; /* in force */
};

/*
 * Everything a run of restore knows.  The coordinator fills it up to the end of
 * plan; then every newborn task has its own copy, made by fork.
 */
struct restore {
	const struct restore_opts *opts;
	struct arena *arena;
	struct kernel *kernel;
	const struct arch_cpu *cpu;
	struct kinds *kinds;
	struct store *store;
	struct tree *tree;
	struct births *births; /* plan: who forks whom */
	struct files *files;
	struct stats *stats;
	struct path_refs *paths; /* files that cannot be found by their name, see path_ref.h */
	struct shared *shared;	 /* the page all tasks see: stage, first error, where files are */
	struct task *self;	 /* the task we are, NULL in the coordinator */
	struct region *region;	 /* where self packs what its restorer needs (stage map) */
	struct undo *undo;	 /* what is to go if nothing comes of it, see undo.h */
	struct barrier *barrier; /* in the coordinator: keeps the tasks in step */
	struct namespaces *ns;	 /* those that are made, or given from outside */
	struct mounts *mounts;	 /* of its mount namespaces, NULL: it has ours; core/mounts.h */
	TaskKobjIdsEntry *root_ids;	/* inventory: the dumper's own, which are inherited */
	struct arena *common;		/* see restore_shared_new() */
	struct early_pty *early_ptys;	/* core/early_pty.h */
	struct outside *outside;	/* NULL: nobody; see core/outside.h */
	bool resumed;			/* the point of no return is behind us */
	bool zombies_die;		/* tasks that are to be zombies have been told to die */
	int proc;			/* /proc as we see it */
	const char *run_id;		/* of the dump; NULL: unknown */
	enum network_lock network_lock; /* that it has left behind */
	int coordinator; /* in tasks: a pidfd of the coordinator, see restore_borrow_fd() */
};

/*
 * In a task: a copy of descriptor @n of the coordinator (what was opened while
 * nothing had been forked: ghost files, inherited descriptors).  The caller owns it.
 */
int restore_borrow_fd(struct restore *r, int n, struct err *err);

/*
 * Zeroed memory that the coordinator and all newborns see.  What before() of a
 * kind learns must lie in it: the root task was born before that and has a copy
 * of everything else as it was.  Only in stages read and plan.
 */
void *restore_shared_alloc(struct restore *r, size_t size);
#define restore_shared_new(r, type)	 ((type *)restore_shared_alloc(r, sizeof(type)))
#define restore_shared_array(r, type, n) ((type *)restore_shared_alloc(r, sizeof(type) * (n)))

#endif
