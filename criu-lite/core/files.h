/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_FILES_H
#define CORE_FILES_H

#include "core/fdtable.h"
#include "core/file.h"
#include "core/ids.h"
#include "core/kind.h"

/*
 * The files of a run, as the spine and the core's own parts see them; kinds
 * use core/file.h.
 */
struct files {
	struct list list; /* struct file, by rising id */
	uint32_t last_id;
	struct fdtable **tables; /* by id, see fdtable_of() */

	/* dump */
	struct id_set open_files;      /* descriptors: the same open file or not */
	struct file_link_cache *links; /* exe, cwd, mappings: by device, inode and mount */
	size_t nr_links, max_links;
	vec(FileEntry *) records; /* file_add_record() */

	/* restore */
	struct file **by_id; /* sorted, for bsearch */
	size_t nr;
	unsigned int nr_levels;
	bool has_links; /* some are connected with others, see file_kind.link */
};

struct files *files_new(struct arena *a);

/* ---- dump ---- */

/* Offer a probe to the kinds; the one that claims it fills a new file. */
int file_claim(struct dump *d, const struct fd_probe *p, struct file **file_ret, struct err *err);
int files_collect_end(struct dump *d, struct err *err);
int files_drain(struct dump *d, struct err *err);
int files_write(struct dump *d, struct err *err); /* files.img */

/* ---- restore, in the coordinator ---- */

int files_read(struct restore *r, struct err *err);
/* Owners and levels, after all kinds have planned. */
int files_plan(struct restore *r, struct err *err);
int files_after(struct restore *r, struct err *err);

/* ---- restore, in a task ---- */

/* Put our own descriptors out of the way, and placeholders where files will be. */
int files_prepare(struct restore *r, struct err *err);
/* Where @holder has done that, in a table that we share with it. */
int files_follow(struct restore *r, const struct task *holder, struct err *err);
/* Open what we own of this level. */
int files_open(struct restore *r, unsigned int level, struct err *err);
/* Put everything at its number, fetching what others own. */
int files_take(struct restore *r, struct err *err);
int files_link(struct restore *r, struct err *err);
/* Close what was only needed to get here. */
int files_done(struct restore *r, struct err *err);

#endif
