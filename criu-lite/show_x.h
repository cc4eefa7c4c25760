/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHOW_X_H
#define SHOW_X_H

#include <stdio.h>

#include "base/vec.h"
#include "images/fdinfo.pb-c.h"
#include "images/image.h"
#include "images/pstree.pb-c.h"

/*
 * Report @what (ps, fds, mems, rss or tree) of the images in the directory
 * @dir to @f.  -EINVAL: there is no such report; -EBADMSG: damaged images.
 */
int show_x(struct arena *a, const char *dir, const char *what, FILE *f, struct err *err);

/* ---- only for show_x*.c ---- */

struct x_id {
	uint32_t id;
	void *what;
};

struct x_dir {
	struct arena *arena;
	struct store *store;
	FILE *f;
	vec(PstreeEntry *) tasks;
	vec(struct x_id) files; /* FileEntry, sorted once all are there */
	vec(uint64_t) shmids;	/* in the order they are met */
	struct err *err;
};

/* The messages of an image without head; none if there is no such file. */
typedef vec(void *) x_messages;
int x_read(struct x_dir *x, enum image_type type, unsigned long id, x_messages *ret);

/* The only one, or NULL. */
int x_read_one(struct x_dir *x, enum image_type type, unsigned long id, void **ret);

int x_read_files(struct x_dir *x);

/* NULL: no such file. */
const FileEntry *x_file(const struct x_dir *x, uint32_t id);

/* The path of a regular file, "unknown path" if it is not known. */
const char *x_path(const struct x_dir *x, uint32_t id);

int x_ps(struct x_dir *x);
int x_tree(struct x_dir *x);
int x_fds(struct x_dir *x);
int x_mems(struct x_dir *x);
int x_rss(struct x_dir *x);

#endif
