/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lock - what tasks have locked: POSIX, OFD and flock() locks, leases
 *
 * collect   fdinfo of a descriptor lists them, again for every descriptor they
 *           can be seen through.  Others may take what is free between dump and
 *           restore, which is then refused: with --no-file-locks the dump is, at once
 * write     each once, with one descriptor by which it can be had again:
 *           filelocks.img
 * open      flock(), OFD locks and leases are with the open file, whoever sets them.
 *           A lease that was being broken is broken again, by us; its owner has been
 *           told of that once already, so this time nobody is
 * map       POSIX locks are with the process, which loses them whenever it
 *           closes any descriptor of that file; so the restorer sets them, after
 *           the last close
 * not kept  who waits for a lock asks for it again, but not in the old order; how
 *           long ago a lease began to be broken: there is all the time again
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/fdtable.h"
#include "core/kind.h"
#include "core/refuse.h"
#include "core/region.h"
#include "images/file-lock.pb-c.h"
#include "images/image.h"

/* As in file_lock_entry.flag */
enum { LOCK_POSIX = 1, LOCK_FLOCK = 2, LOCK_OFD = 4, LOCK_LEASE = 8 };
/* In file_lock_entry.type of a lease: what it is to become is all that can be seen. */
enum { LEASE_BREAKING = 4 };

/* A lock as seen through one descriptor. */
struct seen_lock {
	uint64_t owner; /* POSIX: index of the task, else: id of the file */
	uint64_t dev, ino;
	FileLockEntry *e;
	bool suits; /* the descriptor is open for what setting it again needs */
};

struct lock_state {
	vec(struct seen_lock) seen; /* dump */
	uint32_t last_table;
	vec(FileLockEntry *) entries; /* restore, by pid */
};

extern const struct task_kind lock_kind;

/* ---- dump ---- */

static const struct {
	const char *name, *mode;
	uint32_t flag, breaking;
} lock_names[] = {
	{ "POSIX", "ADVISORY", LOCK_POSIX, 0 },
	{ "FLOCK", "ADVISORY", LOCK_FLOCK, 0 },
	{ "OFDLCK", "ADVISORY", LOCK_OFD, 0 },
	{ "LEASE", "ACTIVE", LOCK_LEASE, 0 },
	{ "LEASE", "BREAKING", LOCK_LEASE, LEASE_BREAKING },
};

static bool parse_sort(struct text *t, FileLockEntry *e)
{
	struct slice name, mode;

	if (!text_word(t, &name) || !text_word(t, &mode))
		return false;
	for (size_t i = 0; i < sizeof(lock_names) / sizeof(lock_names[0]); i++) {
		if (!slice_is(name, lock_names[i].name) || !slice_is(mode, lock_names[i].mode))
			continue;
		e->flag = lock_names[i].flag;
		e->type = lock_names[i].breaking;
		return true;
	}
	return false;
}

static bool parse_type(struct text *t, FileLockEntry *e)
{
	struct slice type;

	if (!text_word(t, &type))
		return false;
	if (slice_is(type, "WRITE"))
		e->type |= F_WRLCK;
	else if (slice_is(type, "UNLCK") && e->type)
		e->type |= F_UNLCK;
	else
		return slice_is(type, "READ");
	return true;
}

/* "0 EOF", "4096 8191" */
static bool parse_range(struct text *t, FileLockEntry *e)
{
	struct text before_end;
	int64_t end;

	if (!text_s64(t, &e->start))
		return false;
	text_skip_blanks(t);
	before_end = *t;
	if (text_lit(t, "EOF"))
		return true;
	*t = before_end;
	if (!text_s64(t, &end) || e->start < 0 || end < e->start)
		return false;
	e->len = end - e->start + 1;
	return true;
}

/* "1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF" */
static bool parse_lock(struct text *t, struct seen_lock *l)
{
	uint64_t number, major, minor;
	int64_t pid;

	if (!text_u64(t, &number) || !text_lit(t, ":") || !parse_sort(t, l->e) ||
	    !parse_type(t, l->e) || !text_s64(t, &pid))
		return false;
	if (!text_hex(t, &major) || !text_lit(t, ":") || !text_hex(t, &minor) ||
	    !text_lit(t, ":") || !text_u64(t, &l->ino))
		return false;
	l->dev = major << 32 | minor;
	return parse_range(t, l->e);
}

static bool can_set(const FileLockEntry *e, uint64_t flags)
{
	uint64_t access = flags & O_ACCMODE;

	return e->type == F_WRLCK ? access != O_RDONLY : access != O_WRONLY;
}

static int see_lock(struct dump *d, struct task *t, const struct fdtable_entry *f,
		    struct text *line, uint64_t flags, struct err *err)
{
	struct lock_state *s = kind_state(d->kinds, &lock_kind);
	struct seen_lock l = { .e = record_new(d, file_lock_entry) };

	if (!parse_lock(line, &l)) {
		err_set(err, EOPNOTSUPP, "cannot dump the lock on descriptor %d of task %d: %.*s",
			f->fd, t->host_pid, (int)(line->end - line->p), line->p);
		err_why(err, "it is of no known sort");
		return err_hint(err, "have the program unlock it");
	}

	l.e->pid = t->pid;
	l.e->fd = f->fd;
	l.owner = l.e->flag == LOCK_POSIX ? t->index : f->file->id;
	l.suits = can_set(l.e, flags);
	*vec_add(d->arena, &s->seen) = l;
	return 0;
}

static int refuse_locks(const struct task *t, const struct fdtable_entry *f, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump the lock on descriptor %d of task %d", f->fd,
		t->host_pid);
	err_why(err, "others could take it between dump and restore");
	return err_hint(err, "if that is no danger, leave out --no-file-locks");
}

/* Locks stand between the common lines and those of the kind of file. */
static int see_locks(struct dump *d, struct task *t, const struct fdtable_entry *f, struct err *err)
{
	struct text text = text_of(f->fdinfo, strlen(f->fdinfo)), line, flags_text;
	uint64_t flags = 0;

	if (!d->opts->common.file_locks)
		return refuse_locks(t, f, err);
	if (text_find(f->fdinfo, "flags:", &flags_text))
		text_oct(&flags_text, &flags);
	while (text_line(&text, &line))
		if (text_lit(&line, "lock:") && see_lock(d, t, f, &line, flags, err) < 0 &&
		    !refuse_note(d, t, f->fd, err))
			return -err->code;
	return 0;
}

static int collect_lock(struct dump *d, struct task *t, struct err *err)
{
	struct lock_state *s = kind_state(d->kinds, &lock_kind);
	const struct fdtable_entry *f;

	/* a table that tasks share has been seen with the first; new ones get rising numbers */
	if (!t->fdtable || t->fdtable->id <= s->last_table)
		return 0;
	s->last_table = t->fdtable->id;

	vec_for_each(f, &t->fdtable->entries)
		if (f->fdinfo && see_locks(d, t, f, err) < 0 && !refuse_note(d, t, f->fd, err))
			return -err->code;
	return 0;
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* 0: they are the same lock. */
static int compare_locks(const struct seen_lock *a, const struct seen_lock *b)
{
	int c;

	if ((c = compare_u64(a->e->flag, b->e->flag)) || (c = compare_u64(a->owner, b->owner)) ||
	    (c = compare_u64(a->dev, b->dev)) || (c = compare_u64(a->ino, b->ino)) ||
	    (c = compare_u64((uint64_t)a->e->start, (uint64_t)b->e->start)) ||
	    (c = compare_u64((uint64_t)a->e->len, (uint64_t)b->e->len)))
		return c;
	return compare_u64(a->e->type, b->e->type);
}

/* Of the descriptors for one lock the best comes first. */
static int compare_seen(const void *pa, const void *pb)
{
	const struct seen_lock *a = pa, *b = pb;
	int c = compare_locks(a, b);

	if (c)
		return c;
	if (a->suits != b->suits)
		return a->suits ? -1 : 1;
	return a->e->pid != b->e->pid ? compare_u64((uint64_t)a->e->pid, (uint64_t)b->e->pid)
				      : compare_u64((uint64_t)a->e->fd, (uint64_t)b->e->fd);
}

static int write_locks(struct dump *d, struct err *err)
{
	struct lock_state *s = kind_state(d->kinds, &lock_kind);
	scoped_image *img = NULL;

	if (s->seen.n)
		qsort(s->seen.items, s->seen.n, sizeof(s->seen.items[0]), compare_seen);
	if (image_create(d->store, IMAGE_FILE_LOCKS, 0, &img, err) < 0)
		return -err->code;
	for (size_t i = 0; i < s->seen.n; i++) {
		const struct seen_lock *l = &s->seen.items[i];

		if (i > 0 && compare_locks(l - 1, l) == 0)
			continue;
		if (image_put(img, &l->e->base, err) < 0)
			return -err->code;
	}
	return image_close(take_ptr(img), err);
}

/* ---- restore ---- */

static int compare_pids(const void *pa, const void *pb)
{
	const FileLockEntry *const *a = pa, *const *b = pb;

	return ((*a)->pid > (*b)->pid) - ((*a)->pid < (*b)->pid);
}

static int read_lock_image(struct restore *r, struct err *err)
{
	struct lock_state *s = kind_state(r->kinds, &lock_kind);
	scoped_image *img = NULL;
	bool found;
	void *e;
	int ret;

	if (image_open(r->store, IMAGE_FILE_LOCKS, 0, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	while ((ret = image_get(img, NULL, &e, err)) > 0)
		*vec_add(r->arena, &s->entries) = e;
	if (ret < 0)
		return ret;
	if (s->entries.n)
		qsort(s->entries.items, s->entries.n, sizeof(s->entries.items[0]), compare_pids);
	return image_close(take_ptr(img), err);
}

/* The locks of @t are items[*first_ret] and the *n_ret - 1 behind it. */
static void locks_of_task(const struct lock_state *s, const struct task *t, size_t *first_ret,
			  size_t *n_ret)
{
	size_t low = 0, high = s->entries.n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (s->entries.items[middle]->pid < t->pid)
			low = middle + 1;
		else
			high = middle;
	}
	*first_ret = low;
	while (high < s->entries.n && s->entries.items[high]->pid == t->pid)
		high++;
	*n_ret = high - low;
}

static bool is_type_valid(const FileLockEntry *e)
{
	if (e->flag == LOCK_LEASE && (e->type & LEASE_BREAKING))
		return e->type == (LEASE_BREAKING | F_RDLCK) ||
		       e->type == (LEASE_BREAKING | F_UNLCK);
	return e->type == F_RDLCK || e->type == F_WRLCK;
}

static bool is_valid(const FileLockEntry *e, const struct task *t)
{
	bool flag = e->flag == LOCK_POSIX || e->flag == LOCK_FLOCK || e->flag == LOCK_OFD ||
		    e->flag == LOCK_LEASE;

	return flag && is_type_valid(e) && e->start >= 0 && e->len >= 0 && t->fdtable &&
	       fdtable_find(t->fdtable, e->fd);
}

/* They belong to the table, and are lost by those who close: who fills it sets them. */
static int check_table(const struct task *t, const FileLockEntry *e, struct err *err)
{
	if (e->flag != LOCK_POSIX || t->fdtable->task == t)
		return 0;
	err_set(err, EOPNOTSUPP,
		"cannot lock descriptor %d of task %d again, which shares its descriptors", e->fd,
		t->pid);
	return err_hint(err, "criu-lite's own images name the first of those tasks");
}

static int plan_locks(struct restore *r, struct task *t, struct err *err)
{
	struct lock_state *s = kind_state(r->kinds, &lock_kind);
	size_t first, n;

	locks_of_task(s, t, &first, &n);
	t->region_room += n * sizeof(struct restorer_lock) + 16;
	for (size_t i = first; i < first + n; i++) {
		const FileLockEntry *e = s->entries.items[i];

		if (is_valid(e, t)) {
			if (check_table(t, e, err) < 0)
				return -err->code;
			continue;
		}
		err_set(err, EBADMSG, "cannot lock descriptor %d of task %d again", e->fd, t->pid);
		err_why(err, "flag %u, type %u or its place are unknown to us", e->flag, e->type);
		return err_hint(err, "take the checkpoint again");
	}
	return 0;
}

/*
 * A lease that is broken by what we try to open.  What it was before is only
 * known if it is to become one for reading.
 */
static int set_broken_lease(struct restore *r, const FileLockEntry *e)
{
	bool read_only = (fcntl(e->fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
	bool to_read = e->type == (LEASE_BREAKING | F_RDLCK);
	struct f_owner_ex nobody = { .type = F_OWNER_PID };
	scoped_fd other = -1;
	char path[32];

	if (fcntl(e->fd, F_SETLEASE, to_read || !read_only ? F_WRLCK : F_RDLCK) < 0 ||
	    fcntl(e->fd, F_SETOWN_EX, &nobody) < 0)
		return -1;
	snprintf(path, sizeof(path), "self/fd/%d", e->fd);
	other = openat(r->proc, path, (to_read ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_CLOEXEC);
	if (other >= 0)
		errno = EPROTO;
	return other < 0 && errno == EWOULDBLOCK ? 0 : -1;
}

static int set_lock(struct restore *r, const FileLockEntry *e)
{
	struct flock range = {
		.l_type = (short)e->type, .l_whence = SEEK_SET, .l_start = e->start, .l_len = e->len
	};

	switch (e->flag) {
	case LOCK_FLOCK:
		return flock(e->fd, (e->type == F_WRLCK ? LOCK_EX : LOCK_SH) | LOCK_NB);
	case LOCK_OFD:
		return fcntl(e->fd, F_OFD_SETLK, &range);
	case LOCK_LEASE:
		if (e->type & LEASE_BREAKING)
			return set_broken_lease(r, e);
		return fcntl(e->fd, F_SETLEASE, (int)e->type);
	}
	return 0;
}

static int open_lock(struct restore *r, struct task *t, const FileLockEntry *e, struct err *err)
{
	if (set_lock(r, e) < 0) {
		err_sys(err, "cannot lock descriptor %d of task %d again", e->fd, t->pid);
		return err_hint(err, "end what has locked that file meanwhile; /proc/locks tells");
	}
	/* whoever sets a lease becomes the owner, if there is none */
	if (e->flag == LOCK_LEASE)
		return file_set_owner(fdtable_find(t->fdtable, e->fd)->file, e->fd, err);
	return 0;
}

static int open_locks(struct restore *r, struct task *t, struct err *err)
{
	struct lock_state *s = kind_state(r->kinds, &lock_kind);
	size_t first, n;

	locks_of_task(s, t, &first, &n);
	for (size_t i = first; i < first + n; i++)
		if (open_lock(r, t, s->entries.items[i], err) < 0)
			return -err->code;
	return 0;
}

static int map_locks(struct restore *r, struct task *t, struct err *err)
{
	struct lock_state *s = kind_state(r->kinds, &lock_kind);
	struct restorer_args *args = r->region->args;
	struct restorer_lock *locks;
	size_t first, n;

	locks_of_task(s, t, &first, &n);
	if (n == 0)
		return 0;
	locks = region_alloc(r->region, n * sizeof(*locks), err);
	if (!locks)
		return -err->code;

	args->locks = (uintptr_t)locks;
	for (size_t i = first; i < first + n; i++) {
		const FileLockEntry *e = s->entries.items[i];

		if (e->flag == LOCK_POSIX)
			locks[args->nr_locks++] = (struct restorer_lock){ .fd = e->fd,
									  .type = (int16_t)e->type,
									  .start = e->start,
									  .len = e->len };
	}
	return 0;
}

static const enum kernel_feature lock_needs[] = { KERNEL_FDINFO_LOCK, KERNEL_NONE };

const struct task_kind lock_kind = {
	.name = "lock",
	.state_size = sizeof(struct lock_state),
	.needs = lock_needs,
	.collect = collect_lock,
	.write_end = write_locks,
	.read_begin = read_lock_image,
	.plan = plan_locks,
	.open = open_locks,
	.map = map_locks,
};
