/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IMAGES_STORE_H
#define IMAGES_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

struct store;

/*
 * Where images are.  A store hands out descriptors, so what reads and writes
 * images needs not know whether there is a directory, a stream or a packer
 * behind it; payload can be spliced.  Names have no slash.
 */
struct store_ops {
	/* An open, empty, writable file.  There must be none of that name: -EEXIST. */
	int (*create)(struct store *s, const char *name, struct err *err);
	/* 0 and an open file, or 0 and -1 if there is none of that name. */
	int (*open)(struct store *s, const char *name, int *fd_ret, struct err *err);
	int (*exists)(struct store *s, const char *name, bool *exists_ret, struct err *err);
	/* No such file is a success. */
	int (*remove)(struct store *s, const char *name, struct err *err);
	/* All has been written: put it where it shall be.  NULL: it is there. */
	int (*finish)(struct store *s, struct err *err);
	/* If a failure is that of the store itself, say so instead.  NULL: it always says so at once. */
	void (*explain)(struct store *s, struct err *err);
	void (*close)(struct store *s);
};

struct store {
	const struct store_ops *ops;
	const char *label; /* put in front of file names in errors: "", "parent/" */
	uint32_t version;  /* img_version: 1 without wrapper words, 2 with them */
};

/*
 * The directory at @path as a store, in memory of @a; its descriptor is kept
 * until store_close().  With @create, a missing directory is made (mode 0700,
 * not its parents).
 */
int store_open_dir(struct arena *a, const char *path, bool create, struct store **store_ret,
		   struct err *err);

/* The same for a directory that is open already.  Takes @dirfd, also when it fails. */
int store_open_dirfd(struct arena *a, int dirfd, struct store **store_ret, struct err *err);

/* A store that keeps nothing: what is created is gone when it is closed. */
struct store *store_open_null(struct arena *a);

/*
 * The store of the dump before @child: the directory its link "parent" leads
 * to.  *@store_ret is NULL if there is none, and for stores that are no
 * directories.  The parent has the version of the child.
 */
int store_open_parent(struct arena *a, struct store *child, struct store **store_ret,
		      struct err *err);

/*
 * From now on files below directory store @s, and in stores opened from it, are
 * opened by @open, which has permissions that we have not: it returns a
 * descriptor of @path, relative to the directory, or -1 with errno.
 */
typedef int store_opener(void *arg, const char *path, int flags);
void store_set_opener(struct store *s, store_opener *open, void *arg);

/* The descriptor of a directory store (borrowed); -1 for other stores. */
int store_dirfd(const struct store *s);

/*
 * All images are written and closed.  Only when this has succeeded they are
 * where they shall be.
 */
int store_finish(struct store *s, struct err *err);

/* After a failure: *@err becomes its cause, if that lies in the store.  No image is written then. */
void store_explain(struct store *s, struct err *err);

/* NULL is allowed.  Images opened through it stay open. */
void store_close(struct store *s);

static inline void scoped_store_end(struct store **s)
{
	store_close(*s);
}

#define scoped_store __attribute__((cleanup(scoped_store_end))) struct store

/*
 * What inventory.img says in img_version.  Call it before other images are
 * read; without it a store has version 2, which is what we write.  Others than
 * 1 and 2 are refused: -EPROTONOSUPPORT.
 */
int store_set_version(struct store *s, uint32_t version, struct err *err);

/* Files by name, for what is no image; see struct store_ops.  The caller owns descriptors. */
int store_create_file(struct store *s, const char *name, struct err *err);
int store_open_file(struct store *s, const char *name, int *fd_ret, struct err *err);
int store_has_file(struct store *s, const char *name, bool *exists_ret, struct err *err);
int store_remove_file(struct store *s, const char *name, struct err *err);

#endif
