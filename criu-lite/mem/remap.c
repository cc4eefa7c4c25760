/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * remap - the areas of an image, made ready for the restorer
 *
 * read      nothing in them is believed
 * plan      the files behind them
 * map       areas become struct restorer_vma: pie/remap.c maps them at their old
 *           addresses and puts pages into them
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "arch/arch.h"
#include "mem/mem.h"

enum {
	PROT_KNOWN = PROT_READ | PROT_WRITE | PROT_EXEC,
	MAP_KNOWN = MAP_SHARED | MAP_PRIVATE | VMA_MAP_DROPPABLE | MAP_ANONYMOUS | MAP_GROWSDOWN |
		    MAP_LOCKED | MAP_NORESERVE | MAP_HUGETLB,
	STATUS_KNOWN = VMA_REGULAR | VMA_STACK | VMA_VSYSCALL | VMA_VDSO | VMA_HEAP |
		       VMA_FILE_PRIVATE | VMA_FILE_SHARED | VMA_ANON_SHARED | VMA_ANON_PRIVATE |
		       VMA_SYSVIPC | VMA_SOCKET | VMA_VVAR | VMA_AIORING | VMA_MEMFD | VMA_GUARD,
};

/* Of vma_entry.flags: the size of huge pages as a power of two. */
static const uint32_t HUGE_SIZE = 63u << MAP_HUGE_SHIFT;

static const uint64_t MADV_KNOWN = 1 << MADV_RANDOM | 1 << MADV_SEQUENTIAL | 1 << MADV_DONTFORK |
				   1 << MADV_MERGEABLE | 1 << MADV_HUGEPAGE | 1 << MADV_NOHUGEPAGE |
				   1 << MADV_DONTDUMP | 1 << MADV_WIPEONFORK;

static const char *sort_problem(const VmaEntry *e)
{
	uint32_t sort = e->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED | VMA_ANON_SHARED |
				     VMA_ANON_PRIVATE | VMA_SOCKET);

	if (sort == 0 || sort & (sort - 1))
		return "it is neither a file nor anonymous";
	if (e->flags & ~(MAP_KNOWN | HUGE_SIZE) ||
	    (!(e->flags & MAP_HUGETLB) && e->flags & HUGE_SIZE) ||
	    !(e->flags & (MAP_SHARED | MAP_PRIVATE | VMA_MAP_DROPPABLE)))
		return "its flags are not known";
	if (!(e->status & VMA_ANON_SHARED) != !(e->status & VMA_SYSVIPC))
		return "shared anonymous memory of this form is not supported";
	if (!(e->flags & MAP_ANONYMOUS) != !(e->status & (VMA_ANON_PRIVATE | VMA_ANON_SHARED)) ||
	    !(e->flags & MAP_SHARED) !=
		    !(e->status & (VMA_FILE_SHARED | VMA_ANON_SHARED | VMA_SOCKET)))
		return "its flags contradict its status";
	return NULL;
}

static const char *vma_problem(const VmaEntry *e, uint64_t last_end)
{
	uint64_t task_size = arch_task_size();

	if (e->start % PAGE_BYTES || e->end % PAGE_BYTES || e->start >= e->end)
		return "its address is impossible";
	if (e->status & ~(uint32_t)STATUS_KNOWN)
		return "this sort of memory is not supported";
	if (e->status & VMA_GUARD)
		return e->end > task_size ? "it is outside the address space" : NULL;
	if (!(e->status & VMA_REGULAR))
		return e->status & VMA_VSYSCALL ? NULL : "this sort of memory is not supported";
	if (e->end > task_size)
		return "it is outside the address space";
	if (e->start < last_end)
		return "it overlaps or precedes the one before";
	if (e->prot & ~(uint32_t)PROT_KNOWN)
		return "its protection is not known";
	if (e->has_madv && e->madv & ~MADV_KNOWN)
		return "its advice is not known";
	if (!policy_is_known(e))
		return "its memory policy is not known";
	if (e->pgoff % PAGE_BYTES)
		return "its offset in the file is impossible";
	return e->status & VMA_AIORING ? NULL : sort_problem(e);
}

int vma_check(const struct task *t, struct err *err)
{
	uint64_t last_end = 0;
	size_t i;

	for (i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *e = t->mm->vmas[i];
		const char *problem = vma_problem(e, last_end);

		if (problem) {
			err_set(err, EBADMSG,
				"cannot restore the mapping at %" PRIx64 "-%" PRIx64
				" (status %#x)",
				e->start, e->end, e->status);
			err_why(err, "%s", problem);
			return err_hint(err,
					"see whether mm-%d.img is damaged, or from a newer criu",
					t->pid);
		}
		if (e->status & VMA_REGULAR)
			last_end = e->end;
	}
	return 0;
}

static bool is_file(const VmaEntry *e)
{
	return e->status & VMA_REGULAR &&
	       e->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED | VMA_SOCKET);
}

static int file_flags(const VmaEntry *e)
{
	if (e->status & VMA_FILE_PRIVATE)
		return O_RDONLY;
	if (e->has_fdflags)
		return e->fdflags & O_ACCMODE;
	return e->prot & PROT_WRITE ? O_RDWR : O_RDONLY;
}

/* A mapping of a file, and where its descriptor goes. */
struct file_vma {
	const VmaEntry *e;
	struct file_need **need;
};

/* For qsort: same file and same rights stand together. */
static int by_file(const void *a, const void *b)
{
	const VmaEntry *x = ((const struct file_vma *)a)->e, *y = ((const struct file_vma *)b)->e;

	if (x->shmid != y->shmid)
		return x->shmid < y->shmid ? -1 : 1;
	return file_flags(x) - file_flags(y);
}

static struct file_need *need_of(struct restore *r, struct task *t, const VmaEntry *e,
				 struct err *err)
{
	struct file *f = e->shmid <= UINT32_MAX ? file_by_id(r, (uint32_t)e->shmid) : NULL;

	if (f)
		return file_need(r, t, f, file_flags(e));
	err_set(err, EBADMSG,
		"cannot restore the mapping at %" PRIx64 ": there is no file %" PRIu64, e->start,
		e->shmid);
	err_hint(err, "see whether files.img is damaged");
	return NULL;
}

/* What it needs in the region besides a struct restorer_vma. */
static size_t room_of(const VmaEntry *e)
{
	enum { ALIGNMENT = 16 };

	return (e->anon_name ? strlen(e->anon_name) + 1 + ALIGNMENT : 0) +
	       (e->memory_policy ? sizeof(struct restorer_policy) + ALIGNMENT : 0);
}

/* One descriptor for all mappings of a file that need the same rights. */
int vma_plan(struct restore *r, struct task *t, struct mem_task *m, struct err *err)
{
	MmEntry *mm = t->mm;
	struct file_vma *list = arena_array(r->arena, struct file_vma, mm->n_vmas + 1);
	size_t i, n = 0;

	m->files = arena_array(r->arena, struct file_need *, mm->n_vmas + 1);
	for (i = 0; i < mm->n_vmas; i++)
		t->region_room += room_of(mm->vmas[i]);
	for (i = 0; i < mm->n_vmas; i++)
		if (is_file(mm->vmas[i]))
			list[n++] = (struct file_vma){ mm->vmas[i], &m->files[i] };
	qsort(list, n, sizeof(*list), by_file);

	for (i = 0; i < n; i++) {
		bool again = i && by_file(&list[i - 1], &list[i]) == 0;

		*list[i].need = again ? *list[i - 1].need : need_of(r, t, list[i].e, err);
		if (!*list[i].need)
			return -err->code;
	}
	return 0;
}

bool vma_is_kernels(const VmaEntry *e, const struct mem_task *m)
{
	return e->status & VMA_VVAR || (e->status & VMA_VDSO && !m->vdso_moved);
}

/* Does any page go into @e?  *@at moves on to the first run that ends behind its start. */
static bool is_filled(const VmaEntry *e, const pagemap_runs *pages, size_t *at)
{
	while (*at < pages->n && pages->items[*at].addr + pages->items[*at].len <= e->start)
		(*at)++;
	return *at < pages->n && pages->items[*at].addr < e->end;
}

static int map_guards(struct restore *r, const MmEntry *mm, struct err *err)
{
	struct restorer_mm *out = &r->region->args->mm;
	struct restorer_iov *g;
	size_t i, n = 0;

	for (i = 0; i < mm->n_vmas; i++)
		n += (mm->vmas[i]->status & VMA_GUARD) != 0;
	g = region_alloc(r->region, n * sizeof(*g), err);
	if (!g)
		return -err->code;
	out->guards = (uintptr_t)g;
	for (i = 0; i < mm->n_vmas; i++)
		if (mm->vmas[i]->status & VMA_GUARD)
			g[out->nr_guards++] =
				(struct restorer_iov){ mm->vmas[i]->start,
						       mm->vmas[i]->end - mm->vmas[i]->start };
	return 0;
}

static int map_segment(const VmaEntry *e, struct restorer_vma *v, struct err *err)
{
	uint64_t page = e->flags & MAP_HUGETLB ? 1ull << (e->flags >> MAP_HUGE_SHIFT) : PAGE_BYTES;
	struct shmid_ds ds;

	if (shmctl((int)e->shmid, IPC_STAT, &ds) < 0)
		return err_sys(err, "cannot look at System V segment %" PRIu64, e->shmid);
	v->shm = (int32_t)e->shmid;
	v->shm_len = ((uint64_t)ds.shm_segsz + page - 1) & ~(page - 1);
	v->shm_flags = e->has_fdflags && (e->fdflags & O_ACCMODE) == O_RDONLY ? SHM_RDONLY : 0;
	v->pgoff = e->pgoff;
	return 0;
}

static int map_name(struct restore *r, const VmaEntry *e, struct restorer_vma *v, struct err *err)
{
	size_t size = e->anon_name ? strlen(e->anon_name) + 1 : 0;
	char *name = size ? region_alloc(r->region, size, err) : NULL;

	if (!size)
		return 0;
	if (!name)
		return -err->code;
	memcpy(name, e->anon_name, size);
	v->name = (uintptr_t)name;
	return 0;
}

/* Ordinary memory, until it has its content. */
static uint32_t ring_flags(const VmaEntry *e)
{
	return MAP_PRIVATE | MAP_ANONYMOUS | (e->flags & MAP_LOCKED);
}

int vma_map(struct restore *r, struct task *t, const struct mem_task *m, struct err *err)
{
	struct restorer_mm *out = &r->region->args->mm;
	const MmEntry *mm = t->mm;
	struct restorer_vma *v = region_alloc(r->region, mm->n_vmas * sizeof(*v), err);
	size_t i, at = 0;

	if (!v)
		return -err->code;
	out->vmas = (uintptr_t)v;
	for (i = 0; i < mm->n_vmas; i++) {
		const VmaEntry *e = mm->vmas[i];

		if (!(e->status & VMA_REGULAR) || vma_is_kernels(e, m))
			continue;
		v[out->nr_vmas++] = (struct restorer_vma){
			.start = e->start,
			.len = e->end - e->start,
			.pgoff = is_file(e) ? e->pgoff : 0,
			.madv = e->has_madv ? e->madv : 0,
			.prot = e->prot,
			.flags = e->status & VMA_AIORING ? ring_flags(e) : e->flags,
			.aio = aio_requests(mm, e),
			.kept = cow_is_held(r, e),
			.fd = m->files[i] ? m->files[i]->fd : -1,
			.fill = is_filled(e, &m->pages, &at),
			.shm = -1,
			.lock_flags = e->lock_on_fault ? MLOCK_ONFAULT : 0,
			.sealed = e->has_sealed && e->sealed,
		};
		if ((e->status & VMA_SYSVIPC && map_segment(e, &v[out->nr_vmas - 1], err) < 0) ||
		    map_name(r, e, &v[out->nr_vmas - 1], err) < 0 ||
		    policy_map(r, e, &v[out->nr_vmas - 1], err) < 0)
			return -err->code;
	}
	return map_guards(r, mm, err);
}
