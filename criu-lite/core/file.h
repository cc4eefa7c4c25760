/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_FILE_H
#define CORE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/vec.h"
#include "core/context.h"
#include "images/fdinfo.pb-c.h"

struct file_kind;
struct fd_probe;

/* An open file description, on both sides. */
struct file {
	uint32_t id; /* as in images, unique over all kinds */
	const struct file_kind *kind;
	FileEntry *image;
	struct list link; /* in files->list, by id */
	void *data;	  /* whatever its kind keeps with it */

	/* dump: somebody who has it; fd is -1 for exe, cwd, mappings */
	struct task *task;
	int fd;
	struct ns *netns; /* of a socket: where it is, NULL: where we are; see core/sock_ns.h */
	uint64_t ino;

	/* restore */
	const FileEntry *status; /* the record with its flags and owner, if not image: set by read */
	struct task *maker;	 /* file_maker(), of the first of a group */
	struct file *group;	 /* opened by one task together with these (file_join) */
	struct task *owner;	 /* the task that opens it; NULL: nobody uses it */
	unsigned int level;	 /* opened after all files of lower levels, of all tasks */
	vec(struct file *) after;	   /* file_after() */
	int temp;			   /* in the owner: its number, -1: not yet open */
	const struct fdtable_entry *place; /* in the owner: where it belongs, NULL: nowhere */
	uint32_t slot;			   /* its place in shared->file_fd */
};

/* A file that a task needs besides those at its descriptors (executable, mappings, cwd). */
struct file_need {
	struct file *file;
	int flags; /* access mode it needs; the file is opened anew if its own does not do */
	int fd; /* from the end of stage open: the task's descriptor, until the restorer closes it */
};

/* ---- dump ---- */

/* Our own copy of the open file (pidfd_getfd); the caller closes it. */
int file_get(struct dump *d, const struct file *f, struct err *err);

/*
 * The file behind a link of /proc/PID that is not a descriptor: "exe", "cwd",
 * "root", "map_files/A-B".  Known ones are found by device and inode, new ones
 * are offered to the kinds.  Never NULL on success.
 */
int file_of_link(struct dump *d, struct task *t, const char *name, struct file **file_ret,
		 struct err *err);

/*
 * The same for a descriptor of ours that came from a victim but stands in no
 * table (a file in flight in a socket).  @own is borrowed.
 */
int file_of_fd(struct dump *d, int own, struct file **file_ret, struct err *err);

/* The packet socket with this inode, which a mapping shows; NULL: nobody has it open. */
struct file *file_of_ring(struct dump *d, uint64_t ino);

/* It comes back later than others, see kind.h: refused, as what cannot be @what. */
int file_check_late(struct dump *d, const struct file *f, const char *what, struct err *err);

/* The next number of the one counter for files (also for link remaps and regf ids). */
uint32_t file_new_id(struct dump *d);

/*
 * A record that is not an open file of anybody but stands in files.img: the
 * name of a fifo or terminal (regf_id), a link remap.  Takes @fe, which must
 * be complete but for its id and that of its record; returns that id.
 */
uint32_t file_add_record(struct dump *d, FileEntry *fe);

/* A second record of @f, with its id: what stands in @reg and not in its own (tun). */
void file_add_name(struct dump *d, const struct file *f, RegFileEntry *reg);

/*
 * Collect: who gets signals of the file.  The core does it for the record of
 * every file; this is for a file whose flags and owner stand in another record
 * (a fifo).
 */
int file_fown(struct dump *d, const struct fd_probe *p, FownEntry **fown_ret, struct err *err);

/* ---- restore ---- */

struct file *file_by_id(struct restore *r, uint32_t id);

#define for_each_file(f, files) list_for_each(f, files_list(files), link)
struct list *files_list(struct files *files);

/* Plan: @t needs @f, besides its descriptors; the result says where it is, from stage map on. */
struct file_need *file_need(struct restore *r, struct task *t, struct file *f, int flags);

/* Plan: both are opened by the same task. */
void file_join(struct file *a, struct file *b);

/* Plan: @t opens it, and all that are joined with it, also if it has it nowhere itself. */
void file_maker(struct file *f, struct task *t);

/* Plan: somebody has it at a descriptor, or needs it.  If not, it is a name for another file. */
bool file_is_used(struct file *f);

/* Plan: @f is opened only when @first is open, whoever opens that. */
void file_after(struct restore *r, struct file *f, struct file *first);

/*
 * Open: a descriptor that is @f was made as a by-product (the other end of a
 * pipe).  Takes @fd.  Only in the task that owns @f.
 */
void file_give(struct restore *r, struct file *f, int fd);

/*
 * Open (for files after which it comes) and link: a descriptor of @f in this
 * task.  The owner's own is lent (*lent_ret true, do not close), one of another
 * task is fetched and belongs to the caller.  Use scoped_lent.
 */
int file_borrow(struct restore *r, struct file *f, bool *lent_ret, struct err *err);

/*
 * Open: who gets signals of @f, set again behind something that has changed it.
 * The core has done so once for every file.
 */
int file_set_owner(const struct file *f, int fd, struct err *err);

#endif
