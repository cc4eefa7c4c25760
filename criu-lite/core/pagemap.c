/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pagemap - which page is where: pagemap-ID.img beside its pages-N.img
 *
 * Used by what has memory of its own (mem/) and by memory that is a file
 * (file/memfd.c).  A dump may be made on top of others: an entry then says that
 * its pages are in the parent, whose entries may be cut differently.
 *
 * not kept  nothing; entries of a lazy dump, whose pages are still at the source,
 *           are refused by a restore that is not lazy
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/page_link.h"
#include "core/pagemap.h"
#include "images/pagemap.pb-c.h"
#include "images/types.h"

/* A chain is longer than that only if it leads back to itself. */
enum { MAX_PARENTS = 500, COPY_BYTES = 256 * 1024 };

/* In pages_id, while its place is not yet known. */
static const uint32_t IN_PARENT = UINT32_MAX;

/* ---- dump ---- */

static int open_remote(struct dump *d, enum image_type type, unsigned long id,
		       struct pagemap_out *o, struct err *err)
{
	char has_parent;

	o->link = d->page_link;
	o->in_order = true;
	o->object = page_object(id, type == IMAGE_PAGEMAP ? PAGE_TASK : PAGE_SHMEM);
	if (page_link_ask(o->link, PAGE_OPEN2, o->object, &has_parent, sizeof(has_parent), err) < 0)
		return -err->code;
	o->in_parent = has_parent;
	return 0;
}

int pagemap_out_open(struct dump *d, enum image_type type, unsigned long id, struct pagemap_out *o,
		     struct err *err)
{
	PagemapHead head = PAGEMAP_HEAD__INIT;
	char name[IMAGE_NAME_MAX];

	o->fd = -1;
	if (d->page_link)
		return open_remote(d, type, id, o, err);
	if (d->parent &&
	    store_has_file(d->parent, image_file_name(type, id, name), &o->in_parent, err) < 0)
		return -err->code;
	head.pages_id = ++d->last_pages_id;
	if (image_create_now(d->store, type, id, &o->pagemap, err) < 0 ||
	    image_put(o->pagemap, &head.base, err) < 0 ||
	    image_create_now(d->store, IMAGE_PAGES, head.pages_id, &o->pages, err) < 0)
		return -err->code;
	o->fd = image_fd(o->pages, err);
	o->in_order = lseek(o->fd, 0, SEEK_CUR) < 0;
	return o->fd < 0 ? o->fd : 0;
}

static int put_entry(struct pagemap_out *o, struct err *err)
{
	PagemapEntry e = PAGEMAP_ENTRY__INIT;

	if (o->start == o->end)
		return 0;
	e.vaddr = o->start;
	e.has_nr_pages = true;
	e.nr_pages = (o->end - o->start) / PAGE_BYTES;
	e.has_flags = true;
	e.flags = o->flags;
	e.has_inherited = e.inherited = o->from != 0;
	e.has_inherited_from = o->from && o->from != o->start;
	e.inherited_from = o->from;
	return image_put(o->pagemap, &e.base, err);
}

/* Is what comes at the end of the entry inherited, or not, as the entry is? */
static bool goes_on(const struct pagemap_out *o, uint64_t from)
{
	return o->from ? from == o->from + (o->end - o->start) : !from;
}

int pagemap_out_add(struct pagemap_out *o, uint64_t start, uint64_t len, uint32_t flags,
		    uint64_t from, struct err *err)
{
	*(flags & PAGES_PRESENT ? &o->nr_pages : &o->nr_absent) += len / PAGE_BYTES;
	if (o->link)
		return page_link_send(o->link, PAGE_ADD_F, flags, len / PAGE_BYTES, start,
				      o->object, true, err);
	if (start != o->end || o->start == o->end || flags != o->flags || !goes_on(o, from)) {
		if (put_entry(o, err) < 0)
			return -err->code;
		o->start = start;
		o->flags = flags;
		o->from = from;
	}
	o->end = start + len;
	return 0;
}

int pagemap_out_write(struct pagemap_out *o, const void *buf, size_t len, uint64_t off,
		      struct err *err)
{
	int ret;

	if (o->link)
		return page_link_write(o->link, buf, len, true, err);
	ret = o->in_order ? io_write(o->fd, buf, len) : io_pwrite(o->fd, buf, len, (off_t)off);
	return ret < 0 ? err_set(err, -ret, "cannot write pages into the image") : 0;
}

static int copy_remote(struct pagemap_out *o, int fd, uint64_t len, struct err *err)
{
	scoped_ptr char *buf = malloc(COPY_BYTES);
	int ret = buf ? 0 : -ENOMEM;

	while (ret == 0 && len) {
		size_t n = len < COPY_BYTES ? len : COPY_BYTES;

		ret = io_read(fd, buf, n);
		if (ret == 0 && page_link_write(o->link, buf, n, true, err) < 0)
			return -err->code;
		len -= n;
	}
	return ret < 0 ? err_set(err, -ret, "cannot read pages") : 0;
}

int pagemap_out_copy(struct pagemap_out *o, int fd, uint64_t len, struct err *err)
{
	static const char zeros[PAGE_BYTES];
	uint64_t rest = -len % PAGE_BYTES;
	int ret;

	if (o->link) {
		if (copy_remote(o, fd, len, err) < 0)
			return -err->code;
		return page_link_write(o->link, zeros, rest, true, err);
	}
	ret = io_copy(fd, o->fd, len);
	if (ret == 0)
		ret = io_write(o->fd, zeros, rest);
	return ret < 0 ? err_set(err, -ret, "cannot copy pages into the image") : 0;
}

int pagemap_out_close(struct pagemap_out *o, struct err *err)
{
	if (o->link)
		return 0;
	if (put_entry(o, err) < 0)
		return -err->code;
	if (image_close(take_ptr(o->pagemap), err) < 0)
		return -err->code;
	return image_close(take_ptr(o->pages), err);
}

void pagemap_out_abandon(struct pagemap_out *o)
{
	image_abandon(take_ptr(o->pagemap));
	image_abandon(take_ptr(o->pages));
}

/* ---- restore ---- */

struct pagemap_in {
	struct arena *arena;
	struct store *store;
	enum image_type type;
	unsigned long id;
	unsigned int depth; /* parents of parents */
	bool is_lazy;	    /* pages may be elsewhere */
};

static int check_entry(const struct pagemap_in *in, const PagemapEntry *e,
		       const struct pagemap_run *run, uint64_t last, struct err *err)
{
	char name[IMAGE_NAME_MAX];
	const char *why = NULL;

	if (run->addr % PAGE_BYTES || run->len == 0 || run->addr + run->len < run->addr)
		why = "its address or length is impossible";
	else if (run->addr < last)
		why = "it overlaps or precedes the entry before";
	else if (e->has_flags && e->flags & ~(uint32_t)PAGES_FLAGS)
		why = "it has unknown flags";
	else if (e->has_flags && e->flags == PAGES_LAZY && !in->is_lazy)
		why = "its pages were left at the source of a lazy dump";
	if (!why)
		return 0;

	err_set(err, EBADMSG, "cannot read %s%s: entry at %#llx", in->store->label,
		image_file_name(in->type, in->id, name), (unsigned long long)e->vaddr);
	err_why(err, "%s", why);
	return err_hint(err, "make the dump again");
}

static uint64_t from_of(const PagemapEntry *e)
{
	uint64_t from = e->has_inherited_from ? e->inherited_from : e->vaddr;

	return e->has_inherited && e->inherited && from % PAGE_BYTES == 0 ? from : 0;
}

static int add_entry(const struct pagemap_in *in, const PagemapEntry *e, uint32_t pages_id,
		     uint64_t *off, pagemap_runs *runs, struct err *err)
{
	uint64_t nr = e->has_nr_pages ? e->nr_pages : e->compat_nr_pages;
	uint64_t last = runs->n ? runs->items[runs->n - 1].addr + runs->items[runs->n - 1].len : 0;
	bool in_parent = (e->has_flags && e->flags & PAGES_PARENT) ||
			 (e->has_in_parent && e->in_parent);
	struct pagemap_run run = {
		.addr = e->vaddr,
		.len = nr < UINT64_MAX / PAGE_BYTES ? nr * PAGE_BYTES : 0,
		.off = *off,
		.pages_id = in_parent ? IN_PARENT : pages_id,
		.depth = in->depth,
		.from = from_of(e),
		.flags = e->has_flags ? e->flags : PAGES_PRESENT,
	};

	if (check_entry(in, e, &run, last, err) < 0)
		return -err->code;
	/* flags 0 is a page of zeros, which needs no bytes */
	if (e->has_flags && e->flags == 0 && !in_parent)
		return 0;
	*vec_add(in->arena, runs) = run;
	if (!in_parent && run.flags != PAGES_LAZY)
		*off += run.len;
	return 0;
}

static int no_pages(const struct pagemap_run *run, const char *name, struct err *err)
{
	if (run->depth)
		err_set(err, ENOENT, "cannot find %s in parent dump %u", name, run->depth);
	else
		err_set(err, ENOENT, "cannot find %s", name);
	return err_hint(err, "copy all files of the dump");
}

static int open_pages(struct arena *a, struct store *s, const struct pagemap_run *run,
		      uint32_t depth, struct err *err)
{
	scoped_store *parent = NULL;
	char name[IMAGE_NAME_MAX];
	int fd = -1;

	image_file_name(IMAGE_PAGES, run->pages_id, name);
	if (!depth && store_open_file(s, name, &fd, err) < 0)
		return -err->code;
	if (depth && store_open_parent(a, s, &parent, err) < 0)
		return -err->code;
	if (parent)
		return open_pages(a, parent, run, depth - 1, err);
	return fd < 0 ? no_pages(run, name, err) : fd;
}

static int check_size(const struct pagemap_in *in, uint32_t pages_id, uint64_t need,
		      struct err *err)
{
	struct pagemap_run run = { .depth = in->depth, .pages_id = pages_id };
	char name[IMAGE_NAME_MAX];
	scoped_fd fd = -1;
	struct stat st;

	if (!need)
		return 0;
	fd = open_pages(in->arena, in->store, &run, 0, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size < need) {
		err_set(err, EBADMSG, "cannot use %s%s: it has %llu bytes, its pagemap wants %llu",
			in->store->label, image_file_name(IMAGE_PAGES, pages_id, name),
			(unsigned long long)st.st_size, (unsigned long long)need);
		err_why(err, "the image is truncated");
		return err_hint(err, "make the dump again");
	}
	return 0;
}

static int read_one(const struct pagemap_in *in, pagemap_runs *runs, bool *found_ret,
		    struct err *err)
{
	scoped_image *img = NULL;
	PagemapHead *head = NULL;
	PagemapEntry *e;
	uint64_t off = 0;
	int got;

	if (image_open(in->store, in->type, in->id, in->arena, &img, found_ret, err) < 0)
		return -err->code;
	if (!*found_ret)
		return 0;
	got = image_get(img, NULL, (void **)&head, err);
	if (got < 0)
		return got;
	if (got == 0)
		return err_set(err, EBADMSG, "cannot read %s: it is empty", image_name(img));

	while ((got = image_get(img, NULL, (void **)&e, err)) > 0)
		if (add_entry(in, e, head->pages_id, &off, runs, err) < 0)
			return -err->code;
	return got < 0 ? got : check_size(in, head->pages_id, off, err);
}

/* Put in the place of @want, which is in the parent, what the parent has of it. */
static int resolve_run(struct arena *a, const struct pagemap_run *want, const pagemap_runs *parent,
		       size_t *at, pagemap_runs *ret, struct err *err)
{
	uint64_t addr = want->addr, end = want->addr + want->len;

	while (*at < parent->n && parent->items[*at].addr + parent->items[*at].len <= addr)
		(*at)++;
	while (addr < end) {
		const struct pagemap_run *p = *at < parent->n ? &parent->items[*at] : NULL;
		struct pagemap_run *run;

		if (!p || p->addr > addr) {
			err_set(err, EBADMSG, "cannot find the page at %#llx in the parent dump",
				(unsigned long long)addr);
			return err_hint(
				err,
				"see whether the link \"parent\" leads to the dump before this one");
		}
		run = vec_add(a, ret);
		*run = *p;
		run->off += addr - p->addr;
		run->addr = addr;
		run->from = want->from ? want->from + (addr - want->addr) : 0;
		run->len = (end < p->addr + p->len ? end : p->addr + p->len) - addr;
		addr += run->len;
		if (addr == p->addr + p->len)
			(*at)++;
	}
	return 0;
}

static int read_chain(const struct pagemap_in *in, pagemap_runs *ret, bool *found_ret,
		      struct err *err);

static int resolve_parents(const struct pagemap_in *in, const pagemap_runs *runs, pagemap_runs *ret,
			   struct err *err)
{
	struct pagemap_in up = *in;
	scoped_store *store = NULL;
	pagemap_runs parent = { 0 };
	struct pagemap_run *run;
	size_t at = 0;
	bool found;

	if (++up.depth > MAX_PARENTS)
		return err_set(err, ELOOP, "cannot read more than %d parent dumps", MAX_PARENTS);
	if (store_open_parent(in->arena, in->store, &store, err) < 0)
		return -err->code;
	up.store = store;
	if (!store) {
		err_set(err, ENOENT, "cannot find the parent dump of %s", in->store->label);
		return err_hint(err, "keep the directories of all earlier dumps beside this one");
	}
	if (read_chain(&up, &parent, &found, err) < 0)
		return -err->code;

	vec_for_each(run, runs) {
		if (run->pages_id != IN_PARENT)
			*vec_add(in->arena, ret) = *run;
		else if (resolve_run(in->arena, run, &parent, &at, ret, err) < 0)
			return -err->code;
	}
	return 0;
}

static int read_chain(const struct pagemap_in *in, pagemap_runs *ret, bool *found_ret,
		      struct err *err)
{
	pagemap_runs runs = { 0 };
	struct pagemap_run *run;

	if (read_one(in, &runs, found_ret, err) < 0)
		return -err->code;
	vec_for_each(run, &runs)
		if (run->pages_id == IN_PARENT)
			return resolve_parents(in, &runs, ret, err);
	*ret = runs;
	return 0;
}

int pagemap_read(struct restore *r, enum image_type type, unsigned long id, pagemap_runs *ret,
		 bool *found_ret, struct err *err)
{
	struct pagemap_in in = { .arena = r->arena, .store = r->store, .type = type, .id = id };

	in.is_lazy = r->opts && r->opts->common.lazy_pages;
	return read_chain(&in, ret, found_ret, err);
}

int pagemap_read_own(struct arena *a, struct store *s, enum image_type type, unsigned long id,
		     pagemap_runs *ret, bool *found_ret, struct err *err)
{
	struct pagemap_in in = { .arena = a, .store = s, .type = type, .id = id };
	pagemap_runs all = { 0 };
	struct pagemap_run *run;

	if (read_one(&in, &all, found_ret, err) < 0)
		return -err->code;
	vec_for_each(run, &all)
		if (run->pages_id != IN_PARENT)
			*vec_add(a, ret) = *run;
	return 0;
}

/*
 * Stores are not kept in runs: a newborn task closes what it has not made, and
 * finds the parents again from its own.
 */
int pagemap_open_pages(struct restore *r, const struct pagemap_run *run, struct err *err)
{
	return open_pages(r->arena, r->store, run, run->depth, err);
}
