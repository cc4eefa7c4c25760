/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_GHOST_H
#define CORE_GHOST_H

#include "core/context.h"
#include "core/kind.h"
#include "images/ghost-file.pb-c.h"

/* Dump: write ghost-file-ID.img, all that is known of the deleted file @p.  Refuses what is over --ghost-limit. */
int ghost_write(struct dump *d, const struct fd_probe *p, uint32_t id, struct err *err);

/* Restore: its first entry, checked. */
int ghost_read(struct restore *r, uint32_t id, GhostFileEntry **ghost_ret, struct err *err);

/*
 * Make the file at @path, which must not exist (-EEXIST), with content, owner,
 * mode and times.  Returns an O_PATH descriptor of it.  On failure there is
 * nothing at @path.
 */
int ghost_make(struct restore *r, uint32_t id, const GhostFileEntry *ghost, const char *path,
	       struct err *err);

/* The same in directory @dir without ever giving it a name; -EOPNOTSUPP: that file system cannot. */
int ghost_make_unnamed(struct restore *r, uint32_t id, const GhostFileEntry *ghost, const char *dir,
		       struct err *err);

/* Times change when things are made in a directory: set them again. */
void ghost_set_times(int fd, const GhostFileEntry *ghost);

#endif
