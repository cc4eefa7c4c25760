/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_PATH_REMAP_H
#define CORE_PATH_REMAP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/vec.h"
#include "core/context.h"
#include "core/kind.h"
#include "images/ghost-file.pb-c.h"
#include "images/regfile.pb-c.h"
#include "images/remap-file-path.pb-c.h"

/*
 * Files that cannot simply be opened by their name: what path_collect.c,
 * path_ref.c and path_make.c share.  Kinds use core/path_ref.h.
 */
struct path_remap {
	const RegFileEntry *reg; /* the record whose name does not lead to the file */
	RemapType type;
	uint32_t id; /* of the ghost, of the record that names the link; PROCFS: a pid */
	const RegFileEntry *link; /* LINKED: that record */
	GhostFileEntry *ghost;	  /* GHOST, restore */
	int fd; /* restore, from fork on: the coordinator's O_PATH descriptor of it */
};

/* Dump: an inode that has a ghost or a link already. */
struct path_inode {
	uint64_t dev, ino;
	uint32_t id;
	const RegFileEntry *link; /* NULL: a ghost */
};

/* Dump: an inode that cannot be opened now, see path_guard.c. */
struct path_guard {
	uint64_t ino;
	uint32_t dev; /* as the kernel writes it */
};

/* Restore: a process that path_dead.c has made. */
struct stand_in {
	pid_t pid, host_pid;
};

struct path_refs {
	vec(struct path_remap) remaps; /* restore: by reg->id */
	vec(struct path_inode) inodes;
	vec(struct path_guard) guards;
	vec(const RegFileEntry *) cuts; /* restore: files that have grown, path_check.c */
	vec(struct stand_in) stand_ins;
	uint32_t last_ghost;
};

/* Make the names of all remaps for a moment, and keep a descriptor opened through each. */
int path_make_all(struct restore *r, struct err *err);

/* The process that @name on /proc belongs to, 0: none, or a thread of one. */
pid_t path_dead_pid(const char *name);
int path_dead_plan(struct restore *r, const struct path_remap *m, struct err *err);
int path_dead_before(struct restore *r, struct path_refs *refs, struct err *err);

/*
 * Is the file that @path leads to from @dir, and that looks like @st, still the one
 * that @reg is about?
 */
int path_check(struct restore *r, const RegFileEntry *reg, const struct stat *st, int dir,
	       const char *path, struct err *err);

/* Once, in the coordinator, before anything is opened: which files have grown. */
int path_check_before(struct restore *r, struct err *err);

/* Nothing but its name is needed to open it. */
bool path_is_plain(const struct restore *r, const RegFileEntry *reg);

/* Open it by that, as it is; -1 with errno. */
int path_open_name(struct restore *r, const RegFileEntry *reg, int flags);

/* POSIX message queues. */
int path_queue_collect(struct dump *d, const struct fd_probe *p, RegFileEntry *reg,
		       struct err *err);
int path_queue_plan(const struct restore *r, const RegFileEntry *reg, struct err *err);
int path_queue_open(const RegFileEntry *reg, unsigned int flags, struct err *err);

/* Dump: those of this run. */
struct path_refs *path_refs_of(struct dump *d);

/* Dump: who opened it would wait until the tree goes on. */
bool path_is_guarded(const struct dump *d, const struct stat *st);

/* The directory of @path becomes @path; false at the top. */
bool path_cut_last(char *path);

/* Open a file for reading, without a trace in its access time if possible; -1 with errno. */
int path_open_quietly(int dirfd, const char *path);

/* ---- path_link.c: 0, or a negative errno ---- */

/* The open file @fd gets the name @path; where its mount is read-only, too. */
int path_link(struct dump *d, int fd, const char *path);
int path_unlink(const char *path);

#endif
