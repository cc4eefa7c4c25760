/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dedup - pages that nobody needs any more, taken out of images
 *
 * A chain of dumps is read from its newest one, so a page that this one has is
 * of no use in those before it. They cannot be restored by themselves then.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/dedup.h"
#include "core/pagemap.h"

enum { MOST_PARENTS = 500 };

/* ---- holes ---- */

/* What is open for reading is opened once more. */
static int open_for_writing(int fd, struct err *err)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_WRONLY | O_CLOEXEC);
	if (again >= 0)
		return again;
	err_sys(err, "cannot write to the images");
	return err_hint(err, "give it permission to, or leave out --auto-dedup");
}

static int punch(int fd, uint64_t off, uint64_t len, struct err *err)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) == 0)
		return 0;
	err_sys(err, "cannot take %" PRIu64 " bytes out of the images", len);
	return err_hint(err, "have the images in a file system with holes, such as ext4 or tmpfs");
}

/* ---- out of the dumps before ---- */

/* What of @theirs is in @own too, out of the file of theirs. */
static int punch_both(int fd, const pagemap_runs *own, const pagemap_runs *theirs, struct err *err)
{
	const struct pagemap_run *o = own->items, *t = theirs->items;
	const struct pagemap_run *last_o = o + own->n, *last_t = t + theirs->n;

	while (o < last_o && t < last_t) {
		uint64_t start = o->addr > t->addr ? o->addr : t->addr;
		uint64_t o_end = o->addr + o->len, t_end = t->addr + t->len;
		uint64_t end = o_end < t_end ? o_end : t_end;

		if (start < end && punch(fd, t->off + (start - t->addr), end - start, err) < 0)
			return -err->code;
		if (o_end == end)
			o++;
		if (t_end == end)
			t++;
	}
	return 0;
}

static int dedup_parent(struct arena *a, struct store *parent, const pagemap_runs *own,
			enum image_type type, unsigned long id, struct err *err)
{
	struct restore r = { .arena = a, .store = parent };
	pagemap_runs theirs = { 0 };
	scoped_fd fd = -1, again = -1;
	bool found;

	if (pagemap_read_own(a, parent, type, id, &theirs, &found, err) < 0)
		return -err->code;
	if (!theirs.n)
		return 0;
	fd = pagemap_open_pages(&r, theirs.items, err);
	again = fd < 0 ? fd : open_for_writing(fd, err);
	return again < 0 ? again : punch_both(again, own, &theirs, err);
}

static bool is_same_dir(const struct store *a, const struct store *b)
{
	struct stat x, y;

	return fstat(store_dirfd(a), &x) == 0 && fstat(store_dirfd(b), &y) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int check_chain(const struct store *s, const struct store *up, int depth, struct err *err)
{
	if (depth <= MOST_PARENTS && !is_same_dir(s, up))
		return 0;
	err_set(err, ELOOP, "cannot follow the links \"parent\"");
	return err_hint(err, "they are to lead to earlier dumps, not back");
}

/* Takes @up. */
static int dedup_from(struct arena *a, struct store *s, struct store *up, const pagemap_runs *own,
		      enum image_type type, unsigned long id, struct err *err)
{
	int depth, ret = 0;

	for (depth = 1; up && ret == 0; depth++) {
		struct store *next = NULL;

		ret = check_chain(s, up, depth, err);
		if (ret == 0)
			ret = dedup_parent(a, up, own, type, id, err);
		if (ret == 0)
			ret = store_open_parent(a, up, &next, err);
		store_close(up);
		up = next;
	}
	store_close(up);
	return ret;
}

int dedup_image(struct arena *a, struct store *s, enum image_type type, unsigned long id,
		struct err *err)
{
	pagemap_runs own = { 0 };
	struct store *up;
	bool found;

	if (pagemap_read_own(a, s, type, id, &own, &found, err) < 0)
		return -err->code;
	if (!own.n)
		return 0;
	if (store_open_parent(a, s, &up, err) < 0)
		return -err->code;
	return dedup_from(a, s, up, &own, type, id, err);
}

/* ---- a directory ---- */

typedef int image_fn(void *data, enum image_type type, unsigned long id, struct err *err);

static int for_pagemaps(struct store *s, image_fn *fn, void *data, struct err *err)
{
	int fd = openat(store_dirfd(s), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir)
		return err_sys(err, "cannot list the images directory");
	while (ret == 0 && (e = readdir(dir)) != NULL) {
		enum image_type type;
		unsigned long id;

		if (image_type_by_name(e->d_name, &type, &id) &&
		    (type == IMAGE_PAGEMAP || type == IMAGE_SHMEM_PAGEMAP))
			ret = fn(data, type, id, err);
	}
	closedir(dir);
	return ret;
}

struct dedup {
	struct arena *a;
	struct store *store;
};

static int dedup_one(void *data, enum image_type type, unsigned long id, struct err *err)
{
	struct dedup *dd = data;

	return dedup_image(dd->a, dd->store, type, id, err);
}

int dedup_dir(struct arena *a, struct store *s, struct err *err)
{
	struct dedup dd = { a, s };

	return for_pagemaps(s, dedup_one, &dd, err);
}

/* ---- after a restore ---- */

static int drop_run(struct restore *r, const struct pagemap_run *run, struct err *err)
{
	scoped_fd fd = pagemap_open_pages(r, run, err);
	scoped_fd again = fd < 0 ? fd : open_for_writing(fd, err);

	return again < 0 ? again : punch(again, run->off, run->len, err);
}

static int drop_image(void *data, enum image_type type, unsigned long id, struct err *err)
{
	const struct pagemap_run *run;
	pagemap_runs runs = { 0 };
	bool found;

	if (pagemap_read(data, type, id, &runs, &found, err) < 0)
		return -err->code;
	vec_for_each(run, &runs)
		if (drop_run(data, run, err) < 0)
			return -err->code;
	return 0;
}

int dedup_restored(struct restore *r, struct err *err)
{
	return store_dirfd(r->store) < 0 ? 0 : for_pagemaps(r->store, drop_image, r, err);
}
