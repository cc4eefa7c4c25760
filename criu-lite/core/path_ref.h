/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_PATH_REF_H
#define CORE_PATH_REF_H

#include <stdbool.h>

#include "core/context.h"
#include "core/kind.h"
#include "images/regfile.pb-c.h"

/*
 * "The file this image names", for every kind whose files have names: regular
 * files, fifos, terminals.  A name is absolute and needs no rights but ours.
 *
 * A file that is open but has no name left is carried along with its content: a
 * ghost, one per inode.  One that lost the name it was opened by but has others
 * gets a hard link of ours (--link-remap).  Both are remaps of the record, and
 * at restore both get their name back for a moment, so that they are what they
 * were: deleted files that remember how they were called.
 */

/* ---- dump ---- */

/*
 * Once, before anything of the tree is opened for reading: which files the tasks
 * are asked for permission for (fanotify).  Refuses what would leave us none.
 */
int path_guard_collect(struct dump *d, struct err *err);

/*
 * Collect: fill name, mode, size and build_id of @reg, and do what @p needs
 * beyond them.  The rest of @reg is the caller's; its id is read only later, so
 * @reg must live as long as the run and become part of files.img.
 */
int path_ref_collect(struct dump *d, const struct fd_probe *p, RegFileEntry *reg, struct err *err);

/* A POSIX message queue: a file, though no mount may lead to it. */
bool path_is_queue(const struct fd_probe *p);

/* Once, in stage drain: remap-fpath.img. */
int path_ref_drain(struct dump *d, struct err *err);

/* Once, at the end: links of ours go if nobody will restore from these images (@ok false, or left running). */
void path_ref_dump_end(struct dump *d, bool ok);

/* ---- restore ---- */

/* Once, before anything else. */
int path_ref_read(struct restore *r, struct err *err);

/* The user gives us something in place of the file (--inherit-fd): path_ref_open() hands that out as it is. */
bool path_ref_is_substituted(const struct restore *r, const RegFileEntry *reg);

/* Plan: is the file there, and is it the one that was dumped? */
int path_ref_plan(struct restore *r, const RegFileEntry *reg, struct err *err);

/* Once, in the coordinator, before tasks are forked: make ghosts and linked names. */
int path_ref_before(struct restore *r, struct err *err);

/*
 * Open, in a task: the file, opened anew with @flags (O_CLOEXEC is added, what
 * only creates is removed), or what the user gave us in its place
 * (--inherit-fd).  Returns a descriptor, which the caller owns.
 */
int path_ref_open(struct restore *r, const RegFileEntry *reg, unsigned int flags, struct err *err);

/* Once, in the coordinator, when nothing else can fail: files that have grown are cut. */
int path_ref_resume(struct restore *r, struct err *err);

/* Once, before the tasks go on, or have failed: ends processes that were needed to open files. */
void path_dead_end(struct restore *r);

/* Once, at the end; @ok: the tasks run. */
void path_ref_restore_end(struct restore *r, bool ok);

#endif
