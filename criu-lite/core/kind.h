/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_KIND_H
#define CORE_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/context.h"
#include "core/file.h"
#include "core/kernel.h"
#include "core/ns.h"
#include "core/task.h"
#include "images/core.pb-c.h"
#include "images/fdinfo.pb-c.h"

/*
 * A kind is one sort of kernel object: three tables, one per thing it hangs on.
 * All members but the name are optional.  The functions return 0 (open_*: a
 * descriptor) or a negative errno with @err filled.
 */

/* What is known of an open file from outside, while its task is stopped. */
struct fd_probe {
	struct task *task;
	int fd;	 /* its number in the task; -1: not a descriptor (exe, cwd, a mapping) */
	int own; /* our copy: the same open file; for fd -1 and O_PATH files an O_PATH descriptor */
	struct stat st;	    /* of the file */
	uint64_t mnt_id;    /* of the mount it was opened on, 0: unknown */
	unsigned int flags; /* open flags as in fdinfo, without O_CLOEXEC */
	uint64_t pos;	    /* offset */
	const char *link;   /* text of the link in /proc/PID/fd, without " (deleted)" */
	bool deleted;	    /* the link ended in " (deleted)" */
	const char *fdinfo; /* all text of /proc/PID/fdinfo/FD; "" if fd is -1 */
	const char *
		proc_ref; /* the link itself, for messages and re-opening: "1234/fd/5", "1234/exe" below /proc */
};

/*
 * What happens to one open file.  Exactly one kind claims it: by @anon (the
 * name of its anonymous inode: "[eventfd]") or by @match.
 */
struct file_kind {
	const char *name;
	FdTypes type;
	const char *anon;
	bool (*match)(const struct fd_probe *p);
	size_t state_size;		  /* private memory per run, zeroed: kind_state() */
	const enum kernel_feature *needs; /* ended by KERNEL_NONE */

	/* dump */
	int (*collect)(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err);
	int (*collect_end)(struct dump *d,
			   struct err *err); /* once, after all files of all tasks */
	int (*drain)(struct dump *d, struct file *f, struct err *err);
	int (*drain_end)(struct dump *d, struct err *err); /* once: images of the kind's own */
	void (*dump_end)(struct dump *d,
			 bool ok); /* once, in any case: @ok, the images are complete */

	/* restore */
	int (*read_begin)(struct restore *r,
			  struct err *err); /* once, before files.img: images of its own */
	int (*read)(struct restore *r, struct file *f, struct err *err);
	int (*plan)(struct restore *r, struct file *f, struct err *err);
	int (*before)(
		struct restore *r,
		struct err *
			err); /* once, in the coordinator; the root waits, see restore_shared_new() */
	int (*open)(struct restore *r, struct file *f, struct err *err);
	int (*link)(struct restore *r, struct file *f, int fd, struct err *err);
	int (*after)(struct restore *r,
		     struct err *err); /* once, in the coordinator, when all are open */
	/*
	 * Only when all threads are there can it be opened, so what open() gives only holds the
	 * place: nobody can watch it or send it away.  On both sides.
	 */
	bool (*is_late)(const struct tree *tree, const struct file *f);
	int (*threads)(struct restore *r,
		       struct err *err); /* once, in the coordinator: all stand in the restorer */
	int (*resume)(
		struct restore *r,
		struct err *err); /* once, in the coordinator: all is complete, and still stopped */
	void (*restore_end)(struct restore *r,
			    bool ok); /* once, in the coordinator, in any case: @ok, the tasks run */
};

/* What happens to one task. */
struct task_kind {
	const char *name;
	size_t state_size;
	const enum kernel_feature *needs;

	/* dump: the tree is stopped; wait for what goes on without it */
	int (*settle)(struct dump *d, struct task *t, struct err *err);
	/* collect from outside, drain through the parasite, write an image of its own */
	int (*collect)(struct dump *d, struct task *t, struct err *err);
	int (*drain)(struct dump *d, struct task *t, struct err *err);
	int (*write)(struct dump *d, struct task *t, struct err *err);
	int (*write_end)(struct dump *d, struct err *err); /* once */
	/* the images are complete, and the task is about to be killed: has it got something since? */
	int (*news)(struct dump *d, struct task *t, bool *news_ret, struct err *err);
	int (*write_again)(struct dump *d, struct task *t,
			   struct err *err); /* then: what differs */
	void (*dump_end)(struct dump *d,
			 bool ok); /* once, in any case, also of a pre-dump: let go */

	/*
	 * Pre-dump, of memory only: from outside; then, where it wants the parasite, inside.
	 * The tree runs on, and what was found is saved; the task may be gone by then.
	 */
	int (*pre_collect)(struct dump *d, struct task *t, struct err *err);
	int (*pre_drain)(struct dump *d, struct task *t, struct err *err);
	int (*pre_write)(struct dump *d, struct task *t, struct err *err);

	/* restore: read and plan in the coordinator; fork, born, open and map in the task itself */
	int (*read_begin)(struct restore *r, struct err *err); /* once */
	int (*read)(struct restore *r, struct task *t, struct err *err);
	int (*plan)(struct restore *r, struct task *t, struct err *err);
	int (*prepare)(
		struct restore *r,
		struct err *err); /* once, in the coordinator: settings that all are born with */
	int (*before)(
		struct restore *r,
		struct err *
			err); /* once, in the coordinator; the root waits, see restore_shared_new() */
	int (*newborn)(struct restore *r, struct task *t,
		       struct err *err); /* before anything, and before its children are born */
	int (*fork)(struct restore *r, struct task *t,
		    struct err *err); /* in its session; before children are born into it */
	int (*born)(struct restore *r, struct task *t,
		    struct err *err); /* all tasks exist; before files */
	int (*open)(struct restore *r, struct task *t,
		    struct err *err); /* its descriptors are in place */
	int (*map)(struct restore *r, struct task *t, struct err *err); /* pack for the restorer */
	int (*after)(struct restore *r,
		     struct err *err); /* once, in the coordinator, when all have their memory */
	int (*finish)(
		struct restore *r, struct task *t,
		struct err *err); /* in the coordinator: by system calls of the task, its last ones */
	int (*resume)(struct restore *r, struct task *t,
		      struct err *err); /* in the coordinator: complete, and still stopped */
	void (*restore_end)(struct restore *r,
			    bool ok); /* once, in the coordinator, in any case: @ok, the tasks run */
};

/*
 * What happens to one namespace.  A kind does what its type of namespace needs
 * beyond what core/ns.c does for all of them.
 */
struct ns_kind {
	const char *name;
	enum ns_type type;
	size_t state_size;
	const enum kernel_feature *needs;

	/* dump: the tree is stopped, tasks and their files are not known yet; then the images */
	int (*collect)(struct dump *d, struct ns *ns, struct err *err);
	int (*write)(struct dump *d, struct ns *ns, struct err *err);
	int (*write_inherited)(struct dump *d, struct err *err); /* instead: the tree has ours */
	void (*dump_end)(struct dump *d, bool ok);		 /* once, in any case */

	/*
	 * Restore: in the coordinator.  enter: while we are still outside.  entered:
	 * inside of the user, mnt, net, ipc, uts and cgroup namespaces; nobody is born yet.  make: inside of all root
	 * namespaces, the root task exists and waits; nested ones (not is_root)
	 * are made here, ns->fd is theirs to set.  finish: when all files are open.
	 */
	int (*is_needed)(struct restore *r, bool *needed_ret,
			 struct err *err); /* one that the tree did not have; its id is 0 */
	int (*read)(struct restore *r, struct ns *ns, struct err *err);
	int (*plan)(struct restore *r, struct ns *ns, struct err *err);
	int (*enter)(struct restore *r, struct ns *ns, struct err *err);
	int (*entered)(struct restore *r, struct ns *ns, struct err *err);
	int (*make)(struct restore *r, struct ns *ns, struct err *err);
	int (*finish)(struct restore *r, struct ns *ns, struct err *err);
	void (*restore_end)(struct restore *r, bool ok); /* once, in any case */
};

/* The index of all kinds, NULL-terminated arrays, made by the spine's kinds.c. */
struct kind_index {
	const struct file_kind *const *files;
	const struct task_kind *const *tasks;
	const struct ns_kind *const *namespaces; /* in the order in which they are made */
};

struct kinds *kinds_new(struct arena *a, const struct kind_index *index);
const struct kind_index *kinds_index(const struct kinds *k);

/* The private memory of @kind (the address of its table) in this run. */
void *kind_state(struct kinds *k, const void *kind);

/* The kind that restores files of @type, or NULL. */
const struct file_kind *kind_of_type(struct kinds *k, FdTypes type);

/*
 * A zeroed, initialized protobuf message in the arena of the run:
 *	EventfdFileEntry *e = record_new(d, eventfd_file_entry);
 */
void *record_of(struct arena *a, const ProtobufCMessageDescriptor *desc);
#define record_new(run, name) record_of((run)->arena, &name##__descriptor)

#endif
