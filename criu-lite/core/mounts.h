/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_MOUNTS_H
#define CORE_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "core/context.h"
#include "core/ns.h"
#include "images/mnt.pb-c.h"

/*
 * The mounts of the tree's own mount namespaces: which there are, and where a
 * name begins.  ns/mnt*.c finds and makes them; whoever has a file with a name
 * asks here.  A tree that lives in our mount namespace has none: d->mounts and
 * r->mounts are NULL.
 */
struct mount {
	struct mount_ns *ns;
	MntEntry *entry;
	const char *type;	      /* of its file system: "tmpfs" */
	struct mount *parent;	      /* NULL: the root of its namespace */
	bool unbindable, is_idmapped; /* what images cannot say */
	/* restore: descriptors of the coordinator's; -1: not made */
	int fd;	   /* open at its root */
	int under; /* O_PATH: what it is mounted on, and hides */
};

struct mount_ns {
	struct ns *ns;
	struct mount *mounts;
	size_t n;
	struct mount *top; /* the root */
	int root; /* O_PATH descriptor of its root directory (restore: the coordinator's), -1 */
};

struct mounts {
	vec(struct mount_ns *) ns;
	vec(struct mount *) by_id;
	int ours;		     /* restore: O_PATH descriptor of our own root directory */
	const struct mount_ns *here; /* dump: in which we are for a moment, NULL: our own */
};

/* Its text, as the kernel writes it. */
typedef vec(struct mount) mount_rows;
int mountinfo_read(int proc, const char *file, struct arena *a, mount_rows *ret, struct err *err);

/* The parser alone: any bytes; false if they are not as the kernel writes them. */
bool mountinfo_parse(const char *s, size_t len, struct arena *a, mount_rows *ret);

/*
 * They become a namespace of *@all, which is made if it is NULL, in memory of @a
 * (restore: what all newborns share).  @mounts is
 * kept.  -EBADMSG: they are no tree.
 */
int mounts_add(struct arena *a, struct mounts **all, struct ns *ns, struct mount *mounts, size_t n,
	       struct err *err);

struct mount *mount_by_id(const struct mounts *all, uint32_t id);
struct mount_ns *mounts_of(const struct mounts *all, const struct ns *ns);

/* Is @path what @dir is, or below it?  Returns what is behind, without a slash in front; or NULL. */
const char *path_below(const char *path, const char *dir);

/*
 * Dump: be where absolute names of files on mount @mnt_id are what they are; 0:
 * where @t is.
 * mounts_leave() comes back; nothing happens if that is where we are anyway.
 */
int mounts_enter_dump(struct dump *d, const struct task *t, uint64_t mnt_id, struct ns_visit *visit,
		      struct err *err);
int mounts_leave(struct dump *d, struct ns_visit *visit, struct err *err);

/*
 * The same in restore, in the coordinator and in tasks, for a record with
 * @mnt_id; then ns_leave().
 */
int mounts_enter_restore(struct restore *r, int mnt_id, struct ns_visit *visit, struct err *err);

/*
 * Restore: open absolute @name in the namespace that has mount @mnt_id; in ours,
 * if there is none.  In the coordinator and in tasks; -1 with errno.
 */
int mounts_open(struct restore *r, int mnt_id, const char *name, int flags);

/* The same on that mount itself, also if something else is mounted over @name. */
int mounts_open_covered(struct restore *r, int mnt_id, const char *name, int flags);

#endif
