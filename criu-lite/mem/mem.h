/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MEM_MEM_H
#define MEM_MEM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/kind.h"
#include "core/pagemap.h"
#include "core/proc.h"
#include "core/region.h"
#include "images/mm.pb-c.h"

/*
 * The parts of one task kind, which is in mm.c: the address space of a task.
 */

/* vma_entry.status */
enum {
	VMA_REGULAR = 1 << 0,
	VMA_STACK = 1 << 1,
	VMA_VSYSCALL = 1 << 2,
	VMA_VDSO = 1 << 3,
	VMA_HEAP = 1 << 5,
	VMA_FILE_PRIVATE = 1 << 6,
	VMA_FILE_SHARED = 1 << 7,
	VMA_ANON_SHARED = 1 << 8,
	VMA_ANON_PRIVATE = 1 << 9,
	VMA_SYSVIPC = 1 << 10,
	VMA_SOCKET = 1 << 11,
	VMA_VVAR = 1 << 12,
	VMA_AIORING = 1 << 13,
	VMA_MEMFD = 1 << 14,
	VMA_SHSTK = 1 << 15,
	VMA_GUARD = 1 << 16,
	VMA_UPROBES = 1 << 17,
};

enum { VMA_MAP_DROPPABLE = 0x08 };

struct vma_range {
	uint64_t start, end;
};
typedef vec(struct vma_range) vma_ranges;

/* What restore keeps with a task, by task->index. */
struct mem_task {
	struct file_need **files; /* of each vma, NULL: none */
	struct file_need *exe;
	pagemap_runs pages;
	vma_ranges lazy;    /* pages that come later, see lazy.c */
	vma_ranges present; /* in the task: those that are there already, see cow.c */

	uint64_t vdso, vdso_size; /* where that of this kernel goes, 0: nowhere */
	bool vdso_moved; /* not where that in the image is, which stays as ordinary memory */
	vec(struct restorer_patch) patches;
};

/* Memory that lies where the task will have it; flags are those of mmap(). */
struct cow_area {
	uint64_t start, end;
	uint32_t flags;
	uint64_t file, origin; /* of a mapped file: its id, and what it would have at address 0 */
	uint64_t shift;	       /* our father has it so much lower */
};
typedef vec(struct cow_area) cow_areas;

struct mem_state {
	struct mem_task *tasks;
	char *buffer;	   /* dump: of pages.c */
	struct lazy *lazy; /* restore --lazy-pages */
	struct vdso *vdso; /* restore: that of this kernel */
	cow_areas held;	   /* restore: what this very process has */
};

extern const struct task_kind mm_kind;

/* ---- mm.c ---- */

/* Restore: what belongs to @t; and to the process that we are. */
struct mem_task *mem_of(struct restore *r, const struct task *t);
cow_areas *mem_held(struct restore *r);

/* ---- vma.c ---- */

/* Dump: fill t->mm->vmas. */
int vma_collect(struct dump *d, struct task *t, struct err *err);

/* Dump: append lightweight guard ranges; these stand behind all areas. */
void vma_add_guards(struct dump *d, struct task *t, const vma_ranges *guards);

/* Pages of it may be in the image. */
bool vma_has_pages(const VmaEntry *e);

/* ---- aio.c ---- */

/* Is this name in /proc/PID/maps that of a ring? */
bool vma_is_ring(const char *name, bool deleted);

/* Dump: wait until requests under way have ended; then note t->mm->aios. */
int aio_settle(struct dump *d, struct task *t, struct err *err);
int aio_drain(struct dump *d, struct task *t, struct err *err);

/* Restore: every ring has its area; and how many requests the one in @e is for, 0: it has none. */
int aio_check(const struct task *t, struct err *err);
uint32_t aio_requests(const MmEntry *mm, const VmaEntry *e);

/* ---- cow.c ---- */

/* Dump: which pages a task has from its parent; the fds are -1 if it has none. */
enum { COW_WINDOW = 512 };
struct cow {
	int own, parent;	    /* /proc/PID/pagemap */
	const MmEntry *mm, *own_mm; /* of the parent, and of the task */
	size_t at;		    /* the first of its areas that does not end before @area */
	const VmaEntry *area;	    /* which was asked for last; in the parent it lies */
	uint64_t shift;		    /* so much lower */
	uint64_t start, end;	    /* of what is known: */
	bool shared[COW_WINDOW];
};
void cow_begin(struct dump *d, const struct task *t, struct cow *c);
void cow_end(struct cow *c);

/*
 * The end of the first piece of @start to @end, in @e, that is all inherited or
 * all not, and where the parent has it; 0: nowhere.  @start rises from call to call.
 */
uint64_t cow_piece(struct cow *c, const VmaEntry *e, uint64_t start, uint64_t end,
		   uint64_t *from_ret);

/* Restore, in the task: it has what it shares with its father, and its children will have it. */
int cow_newborn(struct restore *r, struct task *t, struct err *err);

/* Restore, map: @e is mapped already. */
bool cow_is_held(struct restore *r, const VmaEntry *e);

/* ---- policy.c ---- */

/* Dump: fill memory_policy of the areas of @t. */
int policy_drain(struct dump *d, struct task *t, struct err *err);

/* Restore: it is one we could have written; it becomes that of @v. */
bool policy_is_known(const VmaEntry *e);
int policy_map(struct restore *r, const VmaEntry *e, struct restorer_vma *v, struct err *err);

/* ---- scan.c ---- */

enum scan_what {
	SCAN_PAGES,
	SCAN_UNWRITTEN, /* pages as they were when they were protected */
	SCAN_GUARDS,
};

typedef int scan_found(void *data, uint64_t start, uint64_t end, enum scan_what what,
		       struct err *err);

/* Dump: @found is called for the pages of @t that are its own, and for guard pages, by rising address. */
struct scan {
	struct dump *d;
	const struct task *t;
	enum {
		SCAN_ALL,
		SCAN_UNWATCHED,	  /* only in areas that are not watched; no guard pages */
		SCAN_AND_PROTECT, /* only in those that are: see from now on what is written */
	} how;
	uint64_t start, end; /* what is looked at */
	scan_found *found;   /* may be NULL */
	void *data;
};
int scan_pages(const struct scan *s, struct err *err);

/* ---- written.c ---- */

/*
 * Dump: who remembers what @t writes, in t->written; NULL: nobody. written_take() asks
 * its keeper, written_begin() makes one if there is none (the parasite is inside).
 */
void written_take(struct dump *d, struct task *t);
int written_begin(struct dump *d, struct task *t, struct err *err);

/*
 * From now on it is seen what is written.  @found (may be NULL) is called for the pages
 * of areas that were watched before, then for those of areas that were not.
 */
int written_protect(struct dump *d, struct task *t, scan_found *found, void *data, struct err *err);

/* The end of the last area that can be watched; what lies behind cannot be scanned. */
uint64_t written_last(const proc_vma_list *vmas);

/* Is what it has not written since in the parent dump? */
bool written_is_since_parent(const struct dump *d, const struct task *t);

/* Only memory without a file is watched. */
bool written_can_be(const VmaEntry *e);
bool written_can_be_at(const struct proc_vma *v);

/* Is it only for us that a userfaultfd seems to serve this area? */
bool written_is_ours(const struct task *t, uint64_t start, uint64_t end);

/* Some of its pages could not be saved. */
void written_spoil(struct task *t);

/* At the end: leave it all to a keeper, or let go. */
void written_end(struct dump *d, bool ok);

/* ---- predump.c ---- */

/* Pre-dump: who remembers; which pages, while @t is stopped; to save them, while it runs. */
int predump_collect(struct dump *d, struct task *t, struct err *err);
int predump_drain(struct dump *d, struct task *t, struct err *err);
int predump_write(struct dump *d, struct task *t, struct err *err);

/* ---- pages.c ---- */

/* Dump: all private pages of @t into its pages file. */
int pages_drain(struct dump *d, struct task *t, struct err *err);

/* ---- remap.c ---- */

/* Restore: the kernel makes it. */
bool vma_is_kernels(const VmaEntry *e, const struct mem_task *m);

/* Restore: refuse what is impossible or unknown. */
int vma_check(const struct task *t, struct err *err);

/* Restore, plan: the files behind the mappings. */
int vma_plan(struct restore *r, struct task *t, struct mem_task *m, struct err *err);

/* Restore, map: areas for the restorer; mm->nr_vmas of them are packed in the order of addresses. */
int vma_map(struct restore *r, struct task *t, const struct mem_task *m, struct err *err);

/* ---- fill.c ---- */

/* Restore, read: every page lies in an area that can have it. */
int fill_check(const struct task *t, const struct mem_task *m, struct err *err);

/* Restore, map: where the restorer reads what. */
int fill_map(struct restore *r, struct task *t, const struct mem_task *m, struct err *err);

/* ---- layout.c ---- */

/* Room for @size bytes between the areas in @mm, above @from if possible; 0: there is none. */
uint64_t layout_find_gap(struct restore *r, const MmEntry *mm, uint64_t from, uint64_t size);

/*
 * Restore, map: make r->region, where neither this process nor @t has anything,
 * with the restorer's code, its arguments, and a stack for every thread.
 */
int region_create(struct restore *r, struct task *t, const struct mem_task *m, struct err *err);

/* ---- lazy.c ---- */

/* Pages in it may come later: it is private, anonymous, and nothing special. */
bool lazy_can_be(const VmaEntry *e);

/* Restore, all only with --lazy-pages: the daemon is there; what is lazy leaves m->pages for m->lazy. */
int lazy_read_begin(struct restore *r, struct err *err);
int lazy_read(struct restore *r, const struct task *t, struct mem_task *m, struct err *err);

/* In the task: a userfaultfd for its memory. */
int lazy_map(struct restore *r, const struct task *t, struct err *err);

/* In the coordinator: all areas are in place; the daemon gets them; it is still there; we are done. */
int lazy_after(struct restore *r, struct err *err);
int lazy_resume(struct restore *r, struct task *t, struct err *err);
void lazy_end(struct restore *r, bool ok);

/* ---- vdso.c ---- */

/* Restore, plan: where the vdso of this kernel goes, and what of the old one leads to it. */
int vdso_plan(struct restore *r, struct task *t, struct mem_task *m, struct err *err);
int vdso_map(struct restore *r, const struct mem_task *m, struct err *err);

#endif
