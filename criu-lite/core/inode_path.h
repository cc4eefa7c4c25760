/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_INODE_PATH_H
#define CORE_INODE_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "base/vec.h"
#include "core/context.h"
#include "core/file.h"
#include "images/fh.pb-c.h"

/*
 * From an inode to its path and back, for watches: fdinfo knows an inode by
 * device, number and file handle only.
 */
struct inode_path {
	uint32_t dev; /* of its file system, as the kernel writes it */
	uint64_t ino;
	FhEntry *handle; /* and its path, once that is known */
};

struct mount_point {
	uint32_t id; /* 0: a root directory that is no mount */
	uint32_t dev;
	const char *path;
};

struct mount_ns;

/* The mounts of where we are, read when they are first needed; one per user, zeroed. */
struct mount_list {
	bool known;
	const struct mount_ns *of; /* a namespace of the tree, NULL: our own */
	vec(struct mount_point) points;
};

enum { HANDLE_WORDS = 16 }; /* the length of FhEntry.handle in images, always */

/* An empty handle, and one read from fdinfo: "fhandle-bytes:8 fhandle-type:1 f_handle:4c20...". */
FhEntry *inode_handle_new(struct arena *a);
bool inode_handle_parse(struct text *t, FhEntry *fh);
/* Of an image: is it one that can be opened? */
bool inode_handle_is_sound(const FhEntry *fh);

/* Dump: the path of the mount with this id, or of one of the file system @dev; NULL: none. */
int mount_path_by_id(struct dump *d, struct mount_list *m, uint32_t id, const char **path_ret,
		     struct err *err);
int mount_path_by_dev(struct dump *d, struct mount_list *m, uint32_t dev, const char **path_ret,
		      struct err *err);

/*
 * Dump: fill in the path.  What has none any more must be open in the tree:
 * that file is *@file_ret then, otherwise NULL.
 */
int inode_path_find(struct dump *d, struct mount_list *m, const struct inode_path *i,
		    const struct file **file_ret, struct err *err);

/*
 * Restore: an O_PATH descriptor of the inode at its path; or of where the inode
 * has moved to; or, on another machine or after a copy, of what is at that path.
 * The caller owns it.
 */
int inode_path_open(struct restore *r, struct mount_list *m, const struct inode_path *i,
		    struct err *err);

#endif
