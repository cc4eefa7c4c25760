/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NS_MNT_H
#define NS_MNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/kind.h"
#include "core/mounts.h"

/*
 * A place from which mounts are cloned: the root directory of the tree, what
 * the user gives (external), or a file system of its own.  A mount whose @root
 * is below that of a base of the same device is a bind mount of it.
 */
struct mnt_base {
	uint32_t dev;
	const char *root;
	const struct mount *mount; /* for which it is given or made */
	int fd;			   /* restore */
	bool fetched;		   /* restore: it is that of the namespace which was given */
};
typedef vec(struct mnt_base) mnt_bases;

/* Mounts that get news of each other (shared), or from elsewhere (master). */
struct mnt_group {
	uint32_t shared_id, master_id;
	bool is_outside;     /* what they share with is outside of the tree */
	bool master_outside; /* their master is */
	vec(struct mount *) members;
	const struct mnt_base *base; /* all are binds of that */
	size_t depth;		     /* how many masters are above it */
	int head; /* restore: a mount of that group, from which the others get it; -1 */
};
typedef vec(struct mnt_group) mnt_groups;

struct mnt_state {
	mount_rows ours; /* dump: our own mounts */
	bool knows_ours;
	mnt_bases bases;
	mnt_groups groups; /* masters first */
};

extern const struct ns_kind mnt_kind;

/* How a file system comes back, by the name of its type; see mnt_fs.c. */
struct mnt_fs {
	const char *name;
	uint32_t code;	  /* in images */
	bool has_content; /* that only lives in memory: it is carried along */
	bool is_one;	  /* the same for all who mount it */
	bool born_ro;	  /* not made read-only later, but from the start */
};
const struct mnt_fs *mnt_fs_by_name(const char *name);
const struct mnt_fs *mnt_fs_by_code(uint32_t code);
/* "tmpfs", of any image. */
const char *mnt_fs_name(const MntEntry *e);

/* ---- mnt_tree.c: what is a bind of what, who shares with whom; the same on both sides ---- */

bool mnt_is_external(const struct mount *m);
bool mnt_is_root(const struct mount *m); /* of the root namespace: given by the user */

/* Restore, mnt.c: the path or device that the user gives for an external one; NULL: none. */
const char *mnt_external_source(const struct restore *r, const struct mount *m);
bool mnt_is_device(const struct mount *m);

/* --into: what was external, and has no source, is where it was in the namespace that is given. */
static inline bool mnt_is_given(const struct restore *r)
{
	return r->ns->root[NS_MNT] && r->ns->root[NS_MNT]->given;
}

/* The base of @m, NULL: none. */
const struct mnt_base *mnt_base_of(const mnt_bases *bases, const struct mount *m);
void mnt_find_bases(struct arena *a, const struct mounts *all, mnt_bases *ret);

/* -EOPNOTSUPP: a relation that cannot be made again. */
int mnt_find_groups(struct arena *a, const struct mounts *all, const mnt_bases *bases,
		    mnt_groups *ret, struct err *err);

/* ---- mnt_content.c: tmpfs ---- */

int mnt_content_write(struct dump *d, const struct mnt_state *s, struct err *err);
int mnt_content_restore(struct restore *r, const struct mnt_base *base, struct err *err);

/* ---- mnt_empty.c: a tmpfs in which there is nothing ---- */

/* Is @dir such a root, and one whose archive can be written here? */
bool mnt_empty_is(int dir);
/* Its archive into @fd; a negative errno. */
int mnt_empty_write(int dir, int fd);
/* Is @fd, from its begin on, what mnt_empty_write() makes? */
bool mnt_empty_is_archive(int fd);

/* ---- mnt_binfmt.c ---- */

/* Is @m a binfmt_misc of the tree? */
bool mnt_has_entries(const struct mount *m);
/* @dir: its root directory. */
int mnt_binfmt_write(struct dump *d, int dir, struct err *err);
int mnt_binfmt_restore(struct restore *r, int dir, struct err *err);

/* ---- mnt_autofs.c ---- */

/* Is @m an autofs of the tree? */
bool mnt_is_autofs(const struct mount *m);
/* @root: a descriptor of its root directory. */
int mnt_autofs_write(struct dump *d, const struct mount *m, int root, struct err *err);
/* From @fs, which has its source; in the pid namespace of the tree.  A mount without a place. */
int mnt_autofs_make(struct restore *r, int fs, const MntEntry *e, struct err *err);

/* ---- mnt_make.c ---- */

int mnt_make_all(struct restore *r, struct err *err);
/* What makes mounts read-only comes last, when all files are open. */
int mnt_make_finish(struct restore *r, struct err *err);

/* ---- mnt_fs.c: one file system, one mount ---- */

/* Attributes of a mount, MS_* as in images. */
int mnt_set_flags(int fd, uint32_t flags, struct err *err);
int mnt_set_sb_flags(int fd, const MntEntry *e, struct err *err);
/* A new file system like that of @m, mounted nowhere. */
int mnt_fs_make(struct restore *r, const struct mount *m, const char *source, struct err *err);

#endif
