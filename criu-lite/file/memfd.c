/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * memfd - memory that is a file: memfd_create(), and shared anonymous mappings
 *
 * collect   name, size, mode and seals, once for each object, however many
 *           descriptors and mappings it has
 * drain     its pages, without holes, into pagemap-shmem-ID.img
 * open      the first file makes the object and fills it; the others are opened
 *           through it. Seals come when it has its content, or, if there are
 *           mappings that the seals would now forbid, when these are there.
 *
 * A shared anonymous mapping is a deleted "/dev/zero" of the same file system. It
 * is made as what it was, so that /proc/PID/maps looks as before.
 *
 * not kept  timestamps
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/kind.h"
#include "core/ns.h"
#include "core/outside.h"
#include "core/pagemap.h"
#include "core/region.h"
#include "images/memfd.pb-c.h"

enum { BUCKETS = 64 };

static const char anonymous[] = "/dev/zero", anonymous_huge[] = "/anon_hugepage";

/* One object. */
struct memfd_inode {
	struct memfd_inode *next; /* of the same bucket */
	MemfdInodeEntry *e;

	/* dump */
	uint64_t dev, ino;
	const char *proc_ref; /* where it can be opened, below /proc */
	bool is_saved;

	/* restore */
	struct file *first; /* the one that makes it */
	pagemap_runs pages;
	struct task *sealer;	/* whose restorer seals it, NULL: sealed when it is made */
	struct file_need *need; /* by this descriptor */
};

struct memfd_state {
	struct memfd_inode *buckets[BUCKETS]; /* dump: by ino, restore: by inode_id */
	uint32_t nr;
};

extern const struct file_kind memfd_kind;
extern const struct task_kind memfd_seals_kind;

/* ---- collect ---- */

/* Made by mmap(), not by memfd_create(). */
static bool is_mapping(const char *name)
{
	return strcmp(name, anonymous) == 0 || strcmp(name, anonymous_huge) == 0;
}

static bool match_memfd(const struct fd_probe *p)
{
	struct statfs fs;

	if (!p->deleted || !S_ISREG(p->st.st_mode) ||
	    (strncmp(p->link, "/memfd:", 7) != 0 && !is_mapping(p->link)))
		return false;
	return fstatfs(p->own, &fs) == 0 &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC);
}

static uint32_t hugetlb_flag(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0 || fs.f_type != HUGETLBFS_MAGIC)
		return 0;
	return MFD_HUGETLB | (uint32_t)__builtin_ctzl((unsigned long)fs.f_bsize) << MFD_HUGE_SHIFT;
}

/* The number of its pagemap, which may not be that of a System V segment too. */
static uint32_t content_id(uint32_t ino)
{
	struct shmid_ds ds;

	return shmctl((int)ino, IPC_STAT, &ds) < 0 && errno == EINVAL ? ino : ino | 1u << 31;
}

static int describe(struct dump *d, const struct fd_probe *p, MemfdInodeEntry *e, struct err *err)
{
	scoped_fd fd = openat(d->proc, p->proc_ref, O_RDONLY | O_CLOEXEC);
	int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);

	if (seals < 0)
		return err_sys(err, "cannot read the seals of /proc/%s", p->proc_ref);
	e->name = arena_strdup(d->arena, p->link + (strncmp(p->link, "/memfd:", 7) == 0 ? 7 : 0));
	e->uid = p->st.st_uid;
	e->gid = p->st.st_gid;
	e->size = (uint64_t)p->st.st_size;
	e->shmid = content_id((uint32_t)p->st.st_ino);
	e->seals = (uint32_t)seals;
	e->has_mode = true;
	e->mode = p->st.st_mode & 07777;
	e->hugetlb_flag = hugetlb_flag(fd);
	e->has_hugetlb_flag = e->hugetlb_flag != 0;
	return 0;
}

static struct memfd_inode *find_object(struct memfd_state *s, const struct stat *st)
{
	struct memfd_inode *i;

	for (i = s->buckets[st->st_ino % BUCKETS]; i; i = i->next)
		if (i->ino == st->st_ino && i->dev == st->st_dev)
			return i;
	return NULL;
}

static int collect_memfd(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	struct memfd_state *s = kind_state(d->kinds, &memfd_kind);
	MemfdFileEntry *e = record_new(d, memfd_file_entry);
	struct memfd_inode *i = find_object(s, &p->st);

	if (!i) {
		i = arena_new(d->arena, struct memfd_inode);
		i->e = record_new(d, memfd_inode_entry);
		i->e->inode_id = ++s->nr;
		i->dev = p->st.st_dev;
		i->ino = p->st.st_ino;
		i->proc_ref = arena_strdup(d->arena, p->proc_ref);
		if (describe(d, p, i->e, err) < 0)
			return -err->code;
		i->next = s->buckets[i->ino % BUCKETS];
		s->buckets[i->ino % BUCKETS] = i;
	}
	e->inode_id = (uint32_t)i->e->inode_id;
	e->flags = p->flags;
	e->pos = p->pos;
	fe->memfd = e;
	return 0;
}

/* ---- drain ---- */

static int drain_inode(struct dump *d, struct memfd_inode *i, struct err *err)
{
	scoped_fd fd = -1;

	if (i->is_saved || !i->e->size)
		return 0;
	i->is_saved = true;
	fd = openat(d->proc, i->proc_ref, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "cannot open /proc/%s", i->proc_ref);
	return pagemap_save_file(d, i->e->shmid, fd, err);
}

static int drain_end_memfd(struct dump *d, struct err *err)
{
	struct memfd_state *s = kind_state(d->kinds, &memfd_kind);
	scoped_image *img = NULL;
	struct memfd_inode *i;
	size_t b;

	if (image_create(d->store, IMAGE_MEMFD_INODE, 0, &img, err) < 0)
		return -err->code;
	for (b = 0; b < BUCKETS; b++)
		for (i = s->buckets[b]; i; i = i->next)
			if (drain_inode(d, i, err) < 0 || image_put(img, &i->e->base, err) < 0)
				return -err->code;
	return image_close(take_ptr(img), err);
}

/* ---- read and plan ---- */

static struct memfd_inode *find_inode(struct memfd_state *s, uint64_t id)
{
	struct memfd_inode *i;

	for (i = s->buckets[id % BUCKETS]; i; i = i->next)
		if (i->e->inode_id == id)
			return i;
	return NULL;
}

static int read_inode(struct restore *r, struct memfd_inode *i, struct err *err)
{
	const struct pagemap_run *last;
	bool found;

	if (!i->e->size)
		return 0;
	if (pagemap_read(r, IMAGE_SHMEM_PAGEMAP, i->e->shmid, &i->pages, &found, err) < 0)
		return -err->code;
	if (!i->pages.n)
		return 0;
	last = &i->pages.items[i->pages.n - 1];
	if (last->addr + last->len - 1 <=
	    (i->e->size - 1) / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES - 1)
		return 0;
	err_set(err, EBADMSG, "cannot restore shared memory \"%s\": it has pages behind its end",
		i->e->name);
	return err_hint(err, "make the dump again");
}

static int read_begin_memfd(struct restore *r, struct err *err)
{
	struct memfd_state *s = kind_state(r->kinds, &memfd_kind);
	scoped_image *img = NULL;
	MemfdInodeEntry *e;
	bool found;
	int got;

	if (image_open(r->store, IMAGE_MEMFD_INODE, 0, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	while ((got = image_get(img, &memfd_inode_entry__descriptor, (void **)&e, err)) > 0) {
		struct memfd_inode *i = arena_new(r->arena, struct memfd_inode);

		i->e = e;
		i->next = s->buckets[e->inode_id % BUCKETS];
		s->buckets[e->inode_id % BUCKETS] = i;
		if (read_inode(r, i, err) < 0)
			return -err->code;
	}
	return got;
}

static int read_memfd(struct restore *r, struct file *f, struct err *err)
{
	struct memfd_state *s = kind_state(r->kinds, &memfd_kind);
	struct memfd_inode *i = find_inode(s, f->image->memfd->inode_id);

	if (!i) {
		err_set(err, EBADMSG, "cannot restore memfd %u: memfd.img has no object %u", f->id,
			f->image->memfd->inode_id);
		return err_hint(err, "copy all files of the dump");
	}
	f->data = i;
	return 0;
}

static int plan_memfd(struct restore *r, struct file *f, struct err *err)
{
	struct memfd_inode *i = f->data;

	if (i->first)
		file_after(r, f, i->first);
	else
		i->first = f;
	return 0;
}

/* ---- open ---- */

static int map_huge_flags(const MemfdInodeEntry *e)
{
	return e->hugetlb_flag ? MAP_HUGETLB | (int)(e->hugetlb_flag & ~(uint32_t)MFD_HUGETLB) : 0;
}

struct mapping {
	uint64_t size;
	int flags;
	uid_t uid; /* as we have them outside */
	gid_t gid;
};

/* Held by a descriptor: the link of a mapping in /proc/self/map_files can be opened, by root. */
static int map_here(struct restore *r, void *args, int *fd, struct err *err)
{
	const struct mapping *m = args;
	char *p = mmap(NULL, m->size, PROT_READ | PROT_WRITE, m->flags, -1, 0);
	char path[64];

	/* it may have been made without a claim on memory, which nobody can see */
	if (p == MAP_FAILED)
		p = mmap(NULL, m->size, PROT_READ | PROT_WRITE, m->flags | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return err_sys(err, "cannot make %" PRIu64 " bytes of shared memory", m->size);
	snprintf(path, sizeof(path), "self/map_files/%lx-%lx", (unsigned long)p,
		 (unsigned long)(p + m->size));
	*fd = openat(r->proc, path, O_RDWR | O_CLOEXEC);
	munmap(p, m->size);
	if (*fd >= 0 && fchown(*fd, m->uid, m->gid) < 0)
		return err_sys(err, "cannot give shared memory to user %u", m->uid);
	return 0;
}

/* In a user namespace only the one who is outside may hold it; if he may not, it is a memfd of that name. */
static int make_mapping(struct restore *r, const MemfdInodeEntry *e, struct err *err)
{
	struct mapping m = { .flags = MAP_SHARED | MAP_ANONYMOUS | map_huge_flags(e),
			     .uid = ns_uid_outside(r->ns, e->uid),
			     .gid = ns_gid_outside(r->ns, e->gid) };
	int fd = -1, ret;

	m.size = (e->size + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
	if (r->ns->root[NS_USER])
		ret = outside_run(r, map_here, &m, sizeof(m), &fd, err);
	else
		ret = map_here(r, &m, &fd, err);
	if (ret < 0 || fd >= 0)
		return ret < 0 ? ret : fd;
	return memfd_create(e->name, MFD_CLOEXEC | MFD_ALLOW_SEALING | e->hugetlb_flag);
}

static int make_object(struct restore *r, const MemfdInodeEntry *e, struct err *err)
{
	scoped_fd fd = -1;

	if (is_mapping(e->name) && e->size)
		fd = make_mapping(r, e, err);
	else
		fd = memfd_create(e->name, MFD_CLOEXEC | MFD_ALLOW_SEALING | e->hugetlb_flag);
	if (fd < 0)
		return err->code ? -err->code : err_sys(err, "cannot make memfd \"%s\"", e->name);

	if (ftruncate(fd, (off_t)e->size) < 0)
		return err_sys(err, "cannot give memfd \"%s\" %" PRIu64 " bytes", e->name, e->size);
	if ((e->uid || e->gid) && fchown(fd, e->uid, e->gid) < 0)
		return err_sys(err, "cannot give memfd \"%s\" to user %u", e->name, e->uid);
	if (e->has_mode && fchmod(fd, e->mode & 07777) < 0)
		return err_sys(err, "cannot set the mode of memfd \"%s\" to %#o", e->name, e->mode);
	return take_fd(&fd);
}

static int add_seals(const MemfdInodeEntry *e, int fd, struct err *err)
{
	int has = fcntl(fd, F_GET_SEALS);

	if (has < 0 ||
	    (e->seals & ~(uint32_t)has && fcntl(fd, F_ADD_SEALS, e->seals & ~(uint32_t)has) < 0))
		return err_sys(err, "cannot seal memfd \"%s\" (%#x)", e->name, e->seals);
	return 0;
}

static int make_inode(struct restore *r, const struct memfd_inode *i, struct err *err)
{
	scoped_fd fd = make_object(r, i->e, err);

	if (fd < 0)
		return fd;
	if (pagemap_fill_file(r, &i->pages, fd, i->e->size, err) < 0)
		return err_in(err, "memfd \"%s\"", i->e->name);
	if (!i->sealer && add_seals(i->e, fd, err) < 0)
		return -err->code;
	return take_fd(&fd);
}

/* Another open file of the same object. */
static int open_again(struct restore *r, int fd, const MemfdFileEntry *e, struct err *err)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "self/fd/%d", fd);
	again = openat(r->proc, path, (int)(e->flags & (O_ACCMODE | O_PATH)) | O_CLOEXEC);
	return again < 0 ? err_sys(err, "cannot open a memfd again (flags %#x)", e->flags) : again;
}

static int open_memfd(struct restore *r, struct file *f, struct err *err)
{
	const MemfdFileEntry *e = f->image->memfd;
	struct memfd_inode *i = f->data;
	scoped_fd fd = -1;
	bool lent = false;

	if (i->first == f) {
		fd = make_inode(r, i, err);
		if (fd >= 0 && (e->flags & (O_ACCMODE | O_PATH)) != O_RDWR) {
			scoped_fd whole = take_fd(&fd);

			fd = open_again(r, whole, e, err);
		}
	} else {
		int first = file_borrow(r, i->first, &lent, err);

		if (first < 0)
			return first;
		fd = open_again(r, first, e, err);
		if (!lent)
			close(first);
	}
	if (fd < 0)
		return fd;
	if (!(e->flags & O_PATH) && lseek(fd, (off_t)e->pos, SEEK_SET) < 0)
		return err_sys(err, "cannot go to %" PRIu64 " in memfd \"%s\"", e->pos, i->e->name);
	return take_fd(&fd);
}

const struct file_kind memfd_kind = {
	.name = "memfd",
	.type = FD_TYPES__MEMFD,
	.match = match_memfd,
	.state_size = sizeof(struct memfd_state),
	.collect = collect_memfd,
	.drain_end = drain_end_memfd,
	.read_begin = read_begin_memfd,
	.read = read_memfd,
	.plan = plan_memfd,
	.open = open_memfd,
};

/* ---- seals that mappings must precede ---- */

enum { VMA_FILE_SHARED = 1 << 7, VMA_MEMFD = 1 << 14 };

static int plan_memfd_seals(struct restore *r, struct task *t, struct err *err)
{
	const MmEntry *mm = t->mm;
	size_t n;

	for (n = 0; mm && n < mm->n_vmas; n++) {
		const VmaEntry *v = mm->vmas[n];
		struct memfd_inode *i;
		struct file *f;

		if (!(v->status & VMA_MEMFD) || !(v->status & VMA_FILE_SHARED) ||
		    (v->fdflags & O_ACCMODE) != O_RDWR || v->shmid > UINT32_MAX)
			continue;
		f = file_by_id(r, (uint32_t)v->shmid);
		if (!f || f->kind != &memfd_kind)
			continue;
		i = f->data;
		if (i->sealer || !(i->e->seals & F_SEAL_FUTURE_WRITE))
			continue;
		i->sealer = t;
		i->need = file_need(r, t, f, O_RDWR);
	}
	return 0;
}

static int map_memfd_seals(struct restore *r, struct task *t, struct err *err)
{
	struct memfd_state *s = kind_state(r->kinds, &memfd_kind);
	struct restorer_mm *mm = &r->region->args->mm;
	struct restorer_seal *seals;
	struct memfd_inode *i;
	size_t b, n = 0;

	for (b = 0; b < BUCKETS; b++)
		for (i = s->buckets[b]; i; i = i->next)
			n += i->sealer == t;
	seals = region_alloc(r->region, n * sizeof(*seals), err);
	if (!seals)
		return -err->code;
	mm->seals = (uintptr_t)seals;
	for (b = 0; b < BUCKETS; b++)
		for (i = s->buckets[b]; i; i = i->next)
			if (i->sealer == t)
				seals[mm->nr_seals++] =
					(struct restorer_seal){ i->need->fd, i->e->seals };
	return 0;
}

const struct task_kind memfd_seals_kind = {
	.name = "memfd seals",
	.plan = plan_memfd_seals,
	.map = map_memfd_seals,
};
