/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shmem - System V shared memory segments
 *
 * collect   every mapping of a segment says its number
 * drain     key, owner and size once for each segment; its content like that of
 *           any file in memory
 * open      The first task that maps a segment makes it, with its old number and
 *           key, and fills it. A segment that is still there, as it stays behind
 *           when a tree is dumped, is filled again.
 * map       the restorer attaches it. A segment that was to vanish with its last
 *           user gets that mark when all have attached.
 *
 * Segments belong to the IPC namespace, which the tree shares with us; they are
 * refused if somebody outside of the tree uses them too.
 *
 * not kept  who created it and when it was used; that it is locked in memory
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/kind.h"
#include "core/pagemap.h"
#include "core/region.h"
#include "images/ipc-shm.pb-c.h"

enum { BUCKETS = 64, VMA_SYSVIPC = 1 << 10 };

struct segment {
	struct segment *next; /* of the same bucket */
	int id;
	unsigned int nr_maps;
	IpcShmEntry *e;

	/* dump: a mapping of it */
	const char *link;

	/* restore */
	struct task *maker; /* the first that maps it, NULL: nobody does */
	bool was_there;
	pagemap_runs pages;
};

struct shmem_state {
	struct segment *buckets[BUCKETS];
	unsigned int nr;
	bool is_drained;
};

extern const struct task_kind shmem_kind;

#define for_each_segment(s, state)              \
	for (size_t b_ = 0; b_ < BUCKETS; b_++) \
		for (s = (state)->buckets[b_]; s; s = s->next)

static struct segment *find_segment(struct shmem_state *state, uint64_t id)
{
	struct segment *s;

	for (s = state->buckets[id % BUCKETS]; s; s = s->next)
		if ((uint64_t)s->id == id)
			return s;
	return NULL;
}

static struct segment *add_segment(struct shmem_state *state, struct arena *a, int id)
{
	struct segment *s = arena_new(a, struct segment);

	s->id = id;
	s->next = state->buckets[id % BUCKETS];
	state->buckets[id % BUCKETS] = s;
	state->nr++;
	return s;
}

static bool is_segment(const VmaEntry *e)
{
	return e->status & VMA_SYSVIPC;
}

/* ---- dump ---- */

static int collect_shmem(struct dump *d, struct task *t, struct err *err)
{
	struct shmem_state *state = kind_state(d->kinds, &shmem_kind);
	size_t i;

	for (i = 0; t->mm && i < t->mm->n_vmas; i++) {
		const VmaEntry *e = t->mm->vmas[i];
		struct segment *s;

		if (!is_segment(e))
			continue;
		if (t->ids->has_ipc_ns_id && t->ids->ipc_ns_id != d->our_ids->ipc_ns_id) {
			err_set(err, EOPNOTSUPP,
				"cannot dump System V segment %" PRIu64 " of task %d", e->shmid,
				t->host_pid);
			err_why(err, "it is in another IPC namespace");
			return err_hint(err, "run criu-lite in that namespace (nsenter -i)");
		}
		s = find_segment(state, e->shmid);
		if (!s) {
			s = add_segment(state, d->arena, (int)e->shmid);
			s->link = arena_printf(d->arena, "%d/map_files/%" PRIx64 "-%" PRIx64,
					       t->host_pid, e->start, e->end);
		}
		s->nr_maps++;
	}
	return 0;
}

static int describe(struct dump *d, struct segment *s, struct err *err)
{
	IpcDescEntry *desc = record_new(d, ipc_desc_entry);
	struct shmid_ds ds;

	if (shmctl(s->id, IPC_STAT, &ds) < 0)
		return err_sys(err, "cannot look at System V segment %d", s->id);
	if (ds.shm_nattch > s->nr_maps) {
		err_set(err, EBUSY, "cannot dump System V segment %d (key %#x)", s->id,
			(unsigned int)ds.shm_perm.__key);
		err_why(err, "a process outside of the tree uses it");
		return err_hint(err, "dump the whole tree, or detach it there");
	}
	desc->id = (uint32_t)s->id;
	desc->key = (uint32_t)ds.shm_perm.__key;
	desc->uid = ds.shm_perm.uid;
	desc->gid = ds.shm_perm.gid;
	desc->cuid = ds.shm_perm.cuid;
	desc->cgid = ds.shm_perm.cgid;
	desc->mode = ds.shm_perm.mode & (0777 | SHM_DEST);
	s->e = record_new(d, ipc_shm_entry);
	s->e->desc = desc;
	s->e->size = ds.shm_segsz;
	s->e->has_in_pagemaps = s->e->in_pagemaps = true;
	return 0;
}

static int drain_segment(struct dump *d, struct segment *s, struct image *img, struct err *err)
{
	scoped_fd fd = openat(d->proc, s->link, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "cannot open /proc/%s", s->link);
	if (describe(d, s, err) < 0 || image_put(img, &s->e->base, err) < 0)
		return -err->code;
	return pagemap_save_file(d, (uint32_t)s->id, fd, err);
}

static int drain_shmem(struct dump *d, struct task *t, struct err *err)
{
	struct shmem_state *state = kind_state(d->kinds, &shmem_kind);
	scoped_image *img = NULL;
	struct segment *s;

	if (!state->nr || state->is_drained)
		return 0;
	state->is_drained = true;
	if (image_create(d->store, IMAGE_IPCNS_SHM, d->our_ids->ipc_ns_id, &img, err) < 0)
		return -err->code;
	for_each_segment(s, state) if (drain_segment(d, s, img, err) < 0) return -err->code;
	return image_close(take_ptr(img), err);
}

/* ---- read and plan ---- */

static int read_begin_shmem(struct restore *r, struct err *err)
{
	struct shmem_state *state = kind_state(r->kinds, &shmem_kind);
	const TaskKobjIdsEntry *ids = r->tree->root->ids;
	scoped_image *img = NULL;
	IpcShmEntry *e;
	bool found;
	int got;

	if (!ids || !ids->has_ipc_ns_id)
		return 0;
	if (image_open(r->store, IMAGE_IPCNS_SHM, ids->ipc_ns_id, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	while ((got = image_get(img, &ipc_shm_entry__descriptor, (void **)&e, err)) > 0) {
		struct segment *s;

		if (!e->in_pagemaps || e->desc->id > INT32_MAX ||
		    find_segment(state, e->desc->id)) {
			err_set(err, EBADMSG, "cannot read System V segment %u from %s",
				e->desc->id, image_name(img));
			return err_hint(err,
					"see whether it is damaged, or from a criu older than 3.0");
		}
		s = add_segment(state, r->arena, (int)e->desc->id);
		s->e = e;
		if (pagemap_read(r, IMAGE_SHMEM_PAGEMAP, e->desc->id, &s->pages, &found, err) < 0)
			return -err->code;
	}
	return got;
}

/* Is the segment that has this number the one that was dumped? */
static int check_segment(struct segment *s, struct err *err)
{
	const IpcDescEntry *desc = s->e->desc;
	struct shmid_ds ds;
	int id;

	if (shmctl(s->id, IPC_STAT, &ds) == 0) {
		s->was_there = true;
		if ((uint32_t)ds.shm_perm.__key == desc->key && ds.shm_segsz == s->e->size &&
		    !ds.shm_nattch)
			return 0;
		err_set(err, EEXIST,
			"cannot make System V segment %d: there is one with this number", s->id);
		err_why(err, ds.shm_nattch ? "somebody uses it" : "it has another key or size");
		return err_hint(err, "stop who uses it and remove it (ipcrm -m %d)", s->id);
	}
	id = desc->key ? shmget((key_t)desc->key, 0, 0) : -1;
	if (id < 0)
		return 0;
	err_set(err, EEXIST, "cannot make System V segment %d: segment %d has its key %#x", s->id,
		id, desc->key);
	return err_hint(err, "remove that segment (ipcrm -m %d)", id);
}

static int plan_shmem(struct restore *r, struct task *t, struct err *err)
{
	struct shmem_state *state = kind_state(r->kinds, &shmem_kind);
	size_t i;

	for (i = 0; t->mm && i < t->mm->n_vmas; i++) {
		const VmaEntry *e = t->mm->vmas[i];
		struct segment *s;

		if (!is_segment(e))
			continue;
		s = find_segment(state, e->shmid);
		if (!s) {
			err_set(err, EBADMSG,
				"cannot map System V segment %" PRIu64 ": no image describes it",
				e->shmid);
			return err_hint(err, "copy all files of the dump");
		}
		if (!s->maker && check_segment(s, err) < 0)
			return -err->code;
		if (!s->maker)
			s->maker = t;
	}
	return 0;
}

/* ---- open ---- */

/* The next segment that anybody makes gets this number. */
static int set_next_id(struct restore *r, int id, struct err *err)
{
	scoped_fd fd = openat(r->proc, "sys/kernel/shm_next_id", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%d", id) < 0)
		return err_sys(err, "cannot ask for System V segment %d", id);
	return 0;
}

static int make_segment(struct restore *r, const struct segment *s, struct err *err)
{
	const IpcDescEntry *desc = s->e->desc;
	int flags = IPC_CREAT | IPC_EXCL | (int)(desc->mode & 0777);
	int id;

	if (s->was_there)
		return 0;
	if (s->e->has_hugetlb_flag)
		flags |= (int)s->e->hugetlb_flag;
	if (set_next_id(r, s->id, err) < 0)
		return -err->code;
	id = shmget((key_t)desc->key, s->e->size, flags);
	if (id < 0)
		return err_sys(err, "cannot make System V segment %d of %" PRIu64 " bytes", s->id,
			       s->e->size);
	if (id == s->id)
		return 0;
	shmctl(id, IPC_RMID, NULL);
	err_set(err, EEXIST, "cannot make System V segment %d: the kernel gave it number %d", s->id,
		id);
	return err_hint(err, "somebody made one at the same time; try again");
}

static int own_segment(const struct segment *s, struct err *err)
{
	const IpcDescEntry *desc = s->e->desc;
	struct shmid_ds ds = { 0 };

	ds.shm_perm.uid = desc->uid;
	ds.shm_perm.gid = desc->gid;
	ds.shm_perm.mode = desc->mode & 0777;
	if (shmctl(s->id, IPC_SET, &ds) < 0)
		return err_sys(err, "cannot set the owner of System V segment %d", s->id);
	return 0;
}

static int fill_segment(struct restore *r, const struct segment *s, struct err *err)
{
	char *p = shmat(s->id, NULL, 0);
	int ret;

	if (p == (void *)-1)
		return err_sys(err, "cannot attach System V segment %d", s->id);
	/* what is in there now is from after the dump */
	if (s->was_there)
		madvise(p, s->e->size, MADV_REMOVE);
	ret = pagemap_fill_memory(r, &s->pages, p,
				  (s->e->size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES, err);
	shmdt(p);
	return ret;
}

static int open_shmem(struct restore *r, struct task *t, struct err *err)
{
	struct shmem_state *state = kind_state(r->kinds, &shmem_kind);
	struct segment *s;

	for_each_segment(s, state) if (s->maker == t &&
				       (make_segment(r, s, err) < 0 || own_segment(s, err) < 0 ||
					fill_segment(r, s, err) < 0)) return -err->code;
	return 0;
}

/* Those that vanish with their last user. */
static int map_shmem(struct restore *r, struct task *t, struct err *err)
{
	struct shmem_state *state = kind_state(r->kinds, &shmem_kind);
	struct restorer_mm *mm = &r->region->args->mm;
	int32_t *ids = region_alloc(r->region, state->nr * sizeof(*ids), err);
	struct segment *s;

	if (!ids)
		return -err->code;
	mm->shm_removes = (uintptr_t)ids;
	for_each_segment(s, state) if (s->maker == t && s->e->desc->mode & SHM_DEST)
		ids[mm->nr_shm_removes++] = s->id;
	return 0;
}

/* What we have made is nobody's if the tasks do not live. */
static void restore_end_shmem(struct restore *r, bool ok)
{
	struct shmem_state *state = kind_state(r->kinds, &shmem_kind);
	struct segment *s;

	for_each_segment(s, state) if (!ok && s->maker && !s->was_there)
		shmctl(s->id, IPC_RMID, NULL);
}

const struct task_kind shmem_kind = {
	.name = "shmem",
	.state_size = sizeof(struct shmem_state),
	.collect = collect_shmem,
	.drain = drain_shmem,
	.read_begin = read_begin_shmem,
	.plan = plan_shmem,
	.open = open_shmem,
	.map = map_shmem,
	.restore_end = restore_end_shmem,
};
