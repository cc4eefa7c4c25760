/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shmem - System V shared memory segments
 *
 * collect   every mapping of a segment says its number
 * drain     key, owner and size once for each segment; its content like that of
 *           any file in memory
 * before    The coordinator makes every segment, with its old number and key,
 *           fills it, and stays attached: whatever is to vanish with its last
 *           user, which it is told at once, lives until the tasks have it. A
 *           segment that is still there, as it stays behind when a tree is
 *           dumped, is filled again.
 * map       the restorer attaches it (remap.c); then the coordinator lets go
 *
 * Segments belong to the IPC namespace. They are refused if somebody outside of
 * the tree uses them too. Of a namespace that is the tree's all are dumped; of
 * ours, those that the tree uses.
 *
 * not kept  when and by which processes it was used; SHM_NORESERVE; the key in
 *           the name that /proc/PID/maps shows for a segment that has been removed
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/ns.h"
#include "core/refuse.h"
#include "core/undo.h"
#include "mem/shmem.h"

enum {
	VMA_SYSVIPC = 1 << 10,
	HUGE_SHIFT = 26, /* of the same use in MAP_*, MFD_* and SHM_* */
	MODE_KNOWN = 0777 | SHM_DEST | SHM_LOCKED,
};

/* The size of huge pages, as a power of two. */
static const uint32_t HUGE_SIZE = 63u << HUGE_SHIFT;

static struct segment *find_segment(struct shmem_state *state, uint64_t id)
{
	struct segment *s;

	for (s = state->buckets[id % SHMEM_BUCKETS]; s; s = s->next)
		if ((uint64_t)s->id == id)
			return s;
	return NULL;
}

static struct segment *add_segment(struct shmem_state *state, struct arena *a, int id)
{
	struct segment *s = arena_new(a, struct segment);

	s->id = id;
	s->next = state->buckets[id % SHMEM_BUCKETS];
	state->buckets[id % SHMEM_BUCKETS] = s;
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
		s = find_segment(state, e->shmid);
		if (!s) {
			s = add_segment(state, d->arena, (int)e->shmid);
			s->link = arena_printf(d->arena, "%d/map_files/%" PRIx64 "-%" PRIx64,
					       t->host_pid, e->start, e->end);
			s->flags = e->flags;
		}
		s->nr_maps++;
	}
	return 0;
}

/* The kernel counts mappings, not processes. */
static int check_users(const struct segment *s, const struct shmid_ds *ds, struct err *err)
{
	if (ds->shm_nattch == s->nr_maps)
		return 0;
	err_set(err, EBUSY, "cannot dump System V segment %d (key %#x)", s->id,
		(unsigned int)ds->shm_perm.__key);
	if (ds->shm_nattch < s->nr_maps) {
		err_why(err, "the tree has one of this number from another IPC namespace");
		return err_hint(err, "this is not supported yet");
	}
	err_why(err, "a process outside of the tree uses it");
	return err_hint(err, "dump a tree that has all its users; ipcs -m and "
			     "grep SYSV /proc/*/maps find them");
}

static int describe(struct dump *d, struct segment *s, struct err *err)
{
	IpcDescEntry *desc = record_new(d, ipc_desc_entry);
	struct shmid_ds ds;

	if (shmctl(s->id, IPC_STAT, &ds) < 0) {
		err_sys(err, "cannot look at System V segment %d", s->id);
		return err_hint(err, "see whether it is of another IPC namespace (ipcs -m)");
	}
	if (check_users(s, &ds, err) < 0)
		return -err->code;
	desc->id = (uint32_t)s->id;
	desc->key = (uint32_t)ds.shm_perm.__key;
	desc->uid = ns_uid_inside(d->ns, ds.shm_perm.uid);
	desc->gid = ns_gid_inside(d->ns, ds.shm_perm.gid);
	desc->cuid = ns_uid_inside(d->ns, ds.shm_perm.cuid);
	desc->cgid = ns_gid_inside(d->ns, ds.shm_perm.cgid);
	desc->mode = ds.shm_perm.mode & MODE_KNOWN;
	s->e = record_new(d, ipc_shm_entry);
	s->e->desc = desc;
	s->e->size = ds.shm_segsz;
	s->e->has_in_pagemaps = s->e->in_pagemaps = true;
	s->e->has_hugetlb_flag = s->flags & MAP_HUGETLB;
	if (s->e->has_hugetlb_flag)
		s->e->hugetlb_flag = SHM_HUGETLB | (s->flags & HUGE_SIZE);
	return 0;
}

/* Of one that nobody has attached: are its pages huge ones? */
static int look_at_pages(struct segment *s, int fd, struct err *err)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return err_sys(err, "cannot look at System V segment %d", s->id);
	if (fs.f_type != HUGETLBFS_MAGIC)
		return 0;
	s->e->has_hugetlb_flag = true;
	s->e->hugetlb_flag = SHM_HUGETLB | (uint32_t)__builtin_ctzl((unsigned long)fs.f_bsize)
						   << HUGE_SHIFT;
	return 0;
}

static int open_mapping(struct dump *d, const char *link, struct err *err)
{
	int fd = openat(d->proc, link, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "cannot open /proc/%s", link) : fd;
}

/* The range of a mapping of ours that begins at @at, as /proc/self/map_files calls it. */
static int find_mapping(struct dump *d, const void *at, const char **link_ret, struct err *err)
{
	const char *range = arena_printf(d->arena, "\n%" PRIxPTR "-", (uintptr_t)at), *found;
	char *maps;

	if (io_slurp_at(d->proc, "self/maps", d->arena, &maps, NULL) < 0)
		return err_sys(err, "cannot read /proc/self/maps");
	found = strstr(maps, range);
	if (!found)
		return err_set(err, EPROTO, "cannot find a System V segment in our memory");
	*link_ret = arena_printf(d->arena, "self/map_files/%.*s", (int)strcspn(found + 1, " "),
				 found + 1);
	return 0;
}

/* Attached for a moment by ourselves; then its file is held by the descriptor. */
static int open_unused(struct dump *d, struct segment *s, struct err *err)
{
	void *at = shmat(s->id, NULL, SHM_RDONLY);
	int fd;

	if (at == (void *)-1)
		return err_sys(err, "cannot attach System V segment %d", s->id);
	fd = find_mapping(d, at, &s->link, err) < 0 ? -err->code : open_mapping(d, s->link, err);
	shmdt(at);
	if (fd < 0 || look_at_pages(s, fd, err) < 0)
		return -err->code;
	return fd;
}

static int drain_segment(struct dump *d, struct segment *s, struct image *img, struct err *err)
{
	if (describe(d, s, err) < 0)
		return -err->code;

	scoped_fd fd = s->link ? open_mapping(d, s->link, err) : open_unused(d, s, err);

	if (fd < 0 || image_put(img, &s->e->base, err) < 0)
		return -err->code;
	return pagemap_save_file(d, (uint32_t)s->id, fd, err);
}

/* Those of a namespace of the tree that no task has attached. */
static int add_unused(struct dump *d, struct shmem_state *state, struct err *err)
{
	struct shm_info info;
	int last = shmctl(0, SHM_INFO, (struct shmid_ds *)&info);

	if (last < 0)
		return err_sys(err, "cannot list System V segments");
	for (int i = 0; i <= last; i++) {
		struct shmid_ds ds;
		int id = shmctl(i, SHM_STAT_ANY, &ds);

		if (id >= 0 && !find_segment(state, (uint64_t)id))
			add_segment(state, d->arena, id);
	}
	return 0;
}

static int drain_all(struct dump *d, struct task *t, struct shmem_state *state, struct image *img,
		     struct err *err)
{
	const struct ns *ns = d->ns->root[NS_IPC];
	struct segment *s;

	if (ns && !ns->external && add_unused(d, state, err) < 0)
		return -err->code;
	for_each_segment(s, state) {
		if (drain_segment(d, s, img, err) < 0 && !refuse_note(d, t, -1, err))
			return -err->code;
	}
	return 0;
}

static int drain_shmem(struct dump *d, struct task *t, struct err *err)
{
	struct shmem_state *state = kind_state(d->kinds, &shmem_kind);
	const struct ns *ns = d->ns->root[NS_IPC];
	struct err other = { 0 };
	struct ns_visit visit;
	scoped_image *img = NULL;
	int ret;

	if (state->is_drained)
		return 0;
	state->is_drained = true;
	/* also without any: a file of an earlier dump goes */
	if (image_create(d->store, IMAGE_IPCNS_SHM, ns ? ns->id : d->our_ids->ipc_ns_id, &img,
			 err) < 0 ||
	    ns_enter_dump(d, ns, &visit, err) < 0)
		return -err->code;
	ret = drain_all(d, t, state, img, err);
	if (ns_leave(&visit, &other) < 0 && ret == 0) {
		*err = other;
		ret = -err->code;
	}
	return ret < 0 ? ret : image_close(take_ptr(img), err);
}

/* ---- read ---- */

uint64_t shmem_length(const IpcShmEntry *e)
{
	uint32_t shift = e->has_hugetlb_flag ? (e->hugetlb_flag & HUGE_SIZE) >> HUGE_SHIFT : 12;
	uint64_t page = 1ull << shift;

	return e->size > INT64_MAX - page ? 0 : (e->size + page - 1) & ~(page - 1);
}

static const char *segment_problem(const struct segment *s)
{
	const IpcShmEntry *e = s->e;
	const struct pagemap_run *run;

	if (e->has_hugetlb_flag && e->hugetlb_flag & ~(SHM_HUGETLB | HUGE_SIZE))
		return "its flags are not known";
	if (e->desc->mode & ~(uint32_t)MODE_KNOWN)
		return "its mode is not known";
	if (!shmem_length(e))
		return "its size is impossible";
	vec_for_each(run, &s->pages) {
		if (run->addr + run->len > shmem_length(e))
			return "it has pages behind its end";
	}
	return NULL;
}

static int read_segment(struct restore *r, struct segment *s, struct err *err)
{
	char name[IMAGE_NAME_MAX];
	const char *problem;
	bool found;

	if (pagemap_read(r, IMAGE_SHMEM_PAGEMAP, s->e->desc->id, &s->pages, &found, err) < 0)
		return -err->code;
	if (!found) {
		err_set(err, ENOENT, "cannot find %s",
			image_file_name(IMAGE_SHMEM_PAGEMAP, s->e->desc->id, name));
		return err_hint(err, "copy all files of the dump");
	}
	problem = segment_problem(s);
	if (!problem)
		return 0;
	err_set(err, EBADMSG, "cannot restore System V segment %d", s->id);
	err_why(err, "%s", problem);
	return err_hint(err, "make the dump again");
}

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
		if (read_segment(r, s, err) < 0)
			return -err->code;
	}
	return got;
}

/* ---- plan ---- */

static const char *difference(const IpcShmEntry *e, const struct shmid_ds *ds)
{
	if (ds->shm_nattch)
		return "somebody uses it";
	if ((uint32_t)ds->shm_perm.__key != e->desc->key)
		return "it has another key";
	if (ds->shm_segsz != e->size)
		return "it has another size";
	if (ds->shm_perm.cuid != e->desc->cuid || ds->shm_perm.cgid != e->desc->cgid)
		return "it was made by another user";
	/* one that had been removed went with its last user */
	if (e->desc->mode & SHM_DEST)
		return "it is another one";
	return NULL;
}

/*
 * Is the number free, or that of the segment that was dumped?  Numbers that have
 * their low bits in common are for the same place in the kernel's table, which
 * is what SHM_STAT looks at.
 */
static int check_id(struct segment *s, struct err *err)
{
	struct shmid_ds ds;
	int id = shmctl(s->id, SHM_STAT_ANY, &ds);
	const char *why = NULL;

	if (id < 0)
		return 0;
	s->is_there = id == s->id;
	why = s->is_there ? difference(s->e, &ds)
			  : "they have the same place in the kernel's table";
	if (!why)
		return 0;
	err_set(err, EEXIST, "cannot restore System V segment %d: there is segment %d", s->id, id);
	err_why(err, "%s", why);
	if (ds.shm_nattch)
		return err_hint(
			err, "end its users (grep SYSV /proc/*/maps), then remove it (ipcrm -m %d)",
			id);
	return err_hint(err, "remove it, if nobody needs it (ipcrm -m %d)", id);
}

static int check_key(const struct segment *s, struct err *err)
{
	key_t key = (key_t)s->e->desc->key;
	int id = key == IPC_PRIVATE ? -1 : shmget(key, 0, 0);

	if (id < 0 || id == s->id)
		return 0;
	err_set(err, EEXIST, "cannot restore System V segment %d: segment %d has its key %#x",
		s->id, id, s->e->desc->key);
	return err_hint(err, "remove that segment, if nobody needs it (ipcrm -m %d)", id);
}

static int plan_mapping(struct shmem_state *state, const VmaEntry *e, struct err *err)
{
	const struct segment *s = find_segment(state, e->shmid);
	uint64_t len = s ? shmem_length(s->e) : 0;

	if (s && e->pgoff <= len && e->end - e->start <= len - e->pgoff)
		return 0;
	err_set(err, EBADMSG, "cannot map System V segment %" PRIu64 " at %" PRIx64, e->shmid,
		e->start);
	err_why(err, s ? "it is too short" : "no image describes it");
	return err_hint(err, "copy all files of the dump, or make it again");
}

/* A segment that we have made is nobody's if the tasks do not live. */
static void remove_segment(const void *what, pid_t maker)
{
	const struct segment *s = what;
	struct shmid_ds ds;

	if (shmctl(s->id, IPC_STAT, &ds) == 0 && ds.shm_cpid == maker)
		shmctl(s->id, IPC_RMID, NULL);
}

static int plan_shmem(struct restore *r, struct task *t, struct err *err)
{
	struct shmem_state *state = kind_state(r->kinds, &shmem_kind);
	struct segment *s;
	size_t i;

	for (i = 0; i < t->mm->n_vmas; i++)
		if (is_segment(t->mm->vmas[i]) && plan_mapping(state, t->mm->vmas[i], err) < 0)
			return -err->code;
	/* in a new namespace there is nobody */
	if (t != r->tree->root || r->ns->root[NS_IPC])
		return 0;
	for_each_segment(s, state) {
		if (check_id(s, err) < 0 || check_key(s, err) < 0)
			return -err->code;
		if (!s->is_there)
			undo_add(r, remove_segment, s);
	}
	return 0;
}

const struct task_kind shmem_kind = {
	.name = "shmem",
	.state_size = sizeof(struct shmem_state),
	.collect = collect_shmem,
	.drain = drain_shmem,
	.read_begin = read_begin_shmem,
	.plan = plan_shmem,
	.before = before_shmem,
	.after = after_shmem,
	.restore_end = restore_end_shmem,
};
