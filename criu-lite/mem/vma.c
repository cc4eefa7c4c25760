/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vma - the address space as a list of areas
 *
 * collect   /proc/PID/smaps tells everything: what an area is from its name and
 *           file, how it was mapped and advised from its VmFlags
 * map       areas become struct restorer_vma; the restorer maps them at their
 *           old addresses and puts pages into them
 *
 * not kept  names of anonymous areas (PR_SET_VMA_ANON_NAME), that an area is
 *           locked only where it has pages (MLOCK_ONFAULT): the record has no
 *           place for either
 * refused   devices, AIO rings, shadow stacks, userfaultfd, sealed areas (mseal)
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/vfs.h>

#include "arch/arch.h"
#include "base/cleanup.h"
#include "mem/mem.h"

enum {
	PROT_KNOWN = PROT_READ | PROT_WRITE | PROT_EXEC,
	MAP_KNOWN = MAP_SHARED | MAP_PRIVATE | VMA_MAP_DROPPABLE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_LOCKED |
		    MAP_NORESERVE | MAP_HUGETLB,
	STATUS_KNOWN = VMA_REGULAR | VMA_STACK | VMA_VSYSCALL | VMA_VDSO | VMA_HEAP | VMA_FILE_PRIVATE |
		       VMA_FILE_SHARED | VMA_ANON_SHARED | VMA_ANON_PRIVATE | VMA_SYSVIPC | VMA_VVAR | VMA_MEMFD |
		       VMA_GUARD,
};

/* Of vma_entry.flags: the size of huge pages as a power of two. */
static const uint32_t HUGE_SIZE = 63u << MAP_HUGE_SHIFT;

/* One VmFlag: how it comes into the record, or why it cannot. */
struct vm_flag {
	char name[3];
	uint8_t advice; /* bit of vma_entry.madv */
	uint32_t map;	/* of vma_entry.flags */
	const char *refuse;
};

static const struct vm_flag vm_flags[] = {
	/* told by the protection, by the file, or by nothing one can see */
	{ .name = "rd" }, { .name = "wr" }, { .name = "ex" }, { .name = "sh" },
	{ .name = "mr" }, { .name = "mw" }, { .name = "me" }, { .name = "ms" },
	{ .name = "ac" }, { .name = "de" }, { .name = "sd" }, { .name = "lf" },
	{ .name = "gu" },

	{ .name = "gd", .map = MAP_GROWSDOWN },
	{ .name = "lo", .map = MAP_LOCKED },
	{ .name = "nr", .map = MAP_NORESERVE },
	{ .name = "ht", .map = MAP_HUGETLB },
	{ .name = "dp", .map = VMA_MAP_DROPPABLE },

	{ .name = "rr", .advice = MADV_RANDOM },
	{ .name = "sr", .advice = MADV_SEQUENTIAL },
	{ .name = "dc", .advice = MADV_DONTFORK },
	{ .name = "mg", .advice = MADV_MERGEABLE },
	{ .name = "hg", .advice = MADV_HUGEPAGE },
	{ .name = "nh", .advice = MADV_NOHUGEPAGE },
	{ .name = "dd", .advice = MADV_DONTDUMP },
	{ .name = "wf", .advice = MADV_WIPEONFORK },

	{ .name = "io", .refuse = "it is a device" },
	{ .name = "pf", .refuse = "it is a device" },
	{ .name = "mm", .refuse = "it is a device" },
	{ .name = "um", .refuse = "a userfaultfd serves it" },
	{ .name = "uw", .refuse = "a userfaultfd serves it" },
	{ .name = "ui", .refuse = "a userfaultfd serves it" },
	{ .name = "sl", .refuse = "it is sealed (mseal)" },
	{ .name = "ss", .refuse = "it is a shadow stack" },
	{ .name = "sf", .refuse = "it is persistent memory (MAP_SYNC)" },
	{ .name = "mt", .refuse = "it has memory tags" },
	{ .name = "ar", .refuse = "it has a flag of this CPU only" },
};

/* ---- collect ---- */

static int refuse(const struct task *t, const struct proc_vma *v, const char *why, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump the mapping at %" PRIx64 "-%" PRIx64 " of task %d (%s)", v->start,
		v->end, t->host_pid, *v->name ? v->name : "anonymous");
	err_why(err, "%s", why);
	return err_hint(err, "unmap it in the program before the dump");
}

static const struct vm_flag *find_flag(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(vm_flags) / sizeof(vm_flags[0]); i++)
		if (memcmp(vm_flags[i].name, name, 2) == 0)
			return &vm_flags[i];
	return NULL;
}

static int apply_flags(const struct task *t, const struct proc_vma *v, VmaEntry *e, struct err *err)
{
	const char *p;

	for (p = v->vm_flags; strlen(p) >= 2; p += 2 + (p[2] == ' ')) {
		const struct vm_flag *f = find_flag(p);
		char why[64];

		if (!f) {
			snprintf(why, sizeof(why), "its flag \"%.2s\" in /proc/PID/smaps is not known", p);
			return refuse(t, v, why, err);
		}
		if (f->refuse)
			return refuse(t, v, f->refuse, err);
		e->flags |= f->map;
		if (f->advice)
			e->madv |= 1ull << f->advice;
	}
	if (e->flags & VMA_MAP_DROPPABLE) {
		e->flags &= ~(uint32_t)(MAP_PRIVATE | MAP_NORESERVE);
		/* the kernel gives these to droppable memory by itself */
		e->madv &= ~(1ull << MADV_WIPEONFORK | 1ull << MADV_DONTDUMP);
	}
	e->has_madv = e->madv != 0;
	return 0;
}

static int apply_page_size(struct dump *d, const struct task *t, const struct proc_vma *v, VmaEntry *e,
			   struct err *err)
{
	char path[64];
	struct statfs fs;

	if (!(e->flags & MAP_HUGETLB))
		return 0;
	snprintf(path, sizeof(path), "%d/map_files/%" PRIx64 "-%" PRIx64, t->host_pid, v->start, v->end);
	scoped_fd fd = openat(d->proc, path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return err_sys(err, "cannot find the page size of /proc/%s", path);
	e->flags |= (uint32_t)__builtin_ctzl((unsigned long)fs.f_bsize) << MAP_HUGE_SHIFT;
	return 0;
}

static int collect_flags(struct dump *d, const struct task *t, const struct proc_vma *v, VmaEntry *e,
			 struct err *err)
{
	int ret = apply_flags(t, v, e, err);

	return ret < 0 ? ret : apply_page_size(d, t, v, e, err);
}

static uint32_t prot_of(const struct proc_vma *v)
{
	return (v->prot[0] == 'r' ? PROT_READ : 0) | (v->prot[1] == 'w' ? PROT_WRITE : 0) |
	       (v->prot[2] == 'x' ? PROT_EXEC : 0);
}

static bool has_flag(const struct proc_vma *v, const char *flag)
{
	const char *p;

	for (p = v->vm_flags; strlen(p) >= 2; p += 2 + (p[2] == ' '))
		if (memcmp(p, flag, 2) == 0)
			return true;
	return false;
}

/* What the kernel maps by itself has flags of its own that say nothing. */
static bool collect_special(const struct proc_vma *v, VmaEntry *e)
{
	static const struct {
		const char *name;
		uint32_t status;
	} special[] = {
		{ "[vdso]", VMA_REGULAR | VMA_VDSO | VMA_ANON_PRIVATE },
		{ "[vvar]", VMA_REGULAR | VMA_VVAR | VMA_ANON_PRIVATE },
		{ "[vvar_vclock]", VMA_REGULAR | VMA_VVAR | VMA_ANON_PRIVATE },
		{ "[vsyscall]", VMA_VSYSCALL | VMA_ANON_PRIVATE },
	};
	size_t i;

	for (i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		if (strcmp(v->name, special[i].name) != 0)
			continue;
		e->status = special[i].status;
		e->flags = MAP_PRIVATE | MAP_ANONYMOUS;
		return true;
	}
	return false;
}

/* Private huge pages have a file that nobody else can see. */
static bool is_anonymous(const struct proc_vma *v)
{
	if (v->deleted && strcmp(v->name, "/anon_hugepage") == 0)
		return v->prot[3] == 'p';
	return !v->ino && (!*v->name || strcmp(v->name, "[heap]") == 0 || strcmp(v->name, "[stack]") == 0 ||
			   strncmp(v->name, "[anon:", 6) == 0);
}

static int collect_file(struct dump *d, struct task *t, const struct proc_vma *v, VmaEntry *e, struct err *err)
{
	bool shared = v->prot[3] == 's';
	struct file *f;
	char link[64];

	if (v->deleted && (strncmp(v->name, "/[aio]", 6) == 0 ||
			   strcmp(v->name, "/secretmem") == 0))
		return refuse(t, v, "this sort of memory is not supported yet", err);

	snprintf(link, sizeof(link), "map_files/%" PRIx64 "-%" PRIx64, v->start, v->end);
	if (file_of_link(d, t, link, &f, err) < 0)
		return err_in(err, "mapping at %" PRIx64 " of task %d", v->start, t->host_pid);
	if (f->kind->type != FD_TYPES__REG && f->kind->type != FD_TYPES__MEMFD)
		return refuse(t, v, "only files and shared memory can be mapped again", err);

	e->shmid = f->id;
	e->pgoff = v->pgoff;
	e->status = VMA_REGULAR | (shared ? VMA_FILE_SHARED : VMA_FILE_PRIVATE) |
		    (f->kind->type == FD_TYPES__MEMFD ? VMA_MEMFD : 0);
	e->flags = shared ? MAP_SHARED : MAP_PRIVATE;
	e->has_fdflags = true;
	/* whether it may be made writable later: mapped from a descriptor that could write */
	e->fdflags = shared && has_flag(v, "mw") ? O_RDWR : O_RDONLY;
	return collect_flags(d, t, v, e, err);
}

static int collect_anonymous(struct dump *d, struct task *t, const struct proc_vma *v, VmaEntry *e, struct err *err)
{
	e->status = VMA_REGULAR | VMA_ANON_PRIVATE;
	if (strcmp(v->name, "[heap]") == 0)
		e->status |= VMA_HEAP;
	e->flags = MAP_PRIVATE | MAP_ANONYMOUS;
	return collect_flags(d, t, v, e, err);
}

/* A System V segment: its number is that of its inode. */
static bool is_segment(const struct proc_vma *v)
{
	return v->deleted && v->prot[3] == 's' && strncmp(v->name, "/SYSV", 5) == 0;
}

static int collect_segment(struct dump *d, struct task *t, const struct proc_vma *v, VmaEntry *e, struct err *err)
{
	e->shmid = v->ino;
	e->pgoff = v->pgoff;
	e->status = VMA_REGULAR | VMA_ANON_SHARED | VMA_SYSVIPC;
	e->flags = MAP_SHARED | MAP_ANONYMOUS;
	e->has_fdflags = true;
	e->fdflags = has_flag(v, "mw") ? O_RDWR : O_RDONLY;
	return collect_flags(d, t, v, e, err);
}

static int collect_vma(struct dump *d, struct task *t, const struct proc_vma *v, const struct proc_vma *before,
		       VmaEntry *e, struct err *err)
{
	const VmaEntry *last = e - 1;

	e->start = v->start;
	e->end = v->end;
	e->prot = prot_of(v);
	e->fd = -1;
	if (collect_special(v, e))
		return 0;
	if (is_anonymous(v))
		return collect_anonymous(d, t, v, e, err);
	if (is_segment(v))
		return collect_segment(d, t, v, e, err);
	if (!v->ino || v->name[0] == '[')
		return refuse(t, v, "this sort of memory is not known", err);

	/* the segments of a library: the same file again */
	if (before && before->ino == v->ino && before->dev == v->dev && before->prot[3] == v->prot[3] &&
	    strcmp(before->name, v->name) == 0 && has_flag(before, "mw") == has_flag(v, "mw")) {
		e->shmid = last->shmid;
		e->status = last->status;
		e->flags = last->flags & (MAP_SHARED | MAP_PRIVATE);
		e->has_fdflags = true;
		e->fdflags = last->fdflags;
		e->pgoff = v->pgoff;
		return collect_flags(d, t, v, e, err);
	}
	return collect_file(d, t, v, e, err);
}

/* vvar and vvar_vclock are one record. */
static bool join_vvar(VmaEntry *last, const VmaEntry *e)
{
	if (!(e->status & VMA_VVAR) || !(last->status & VMA_VVAR) || last->end != e->start)
		return false;
	last->end = e->end;
	return true;
}

int vma_collect(struct dump *d, struct task *t, struct err *err)
{
	proc_vma_list list = { 0 };
	MmEntry *mm = t->mm;
	VmaEntry *entries;
	size_t i;

	if (proc_read_smaps(d->proc, t->host_pid, d->arena, &list, err) < 0)
		return -err->code;
	mm->vmas = arena_array(d->arena, VmaEntry *, list.n + 1);
	entries = arena_array(d->arena, VmaEntry, list.n + 1);

	for (i = 0; i < list.n; i++) {
		VmaEntry *e = &entries[i];

		vma_entry__init(e);
		if (collect_vma(d, t, &list.items[i], i ? &list.items[i - 1] : NULL, e, err) < 0)
			return -err->code;
		if (mm->n_vmas && join_vvar(mm->vmas[mm->n_vmas - 1], e))
			continue;
		mm->vmas[mm->n_vmas++] = e;
	}
	return 0;
}

void vma_add_guards(struct dump *d, struct task *t, const vma_ranges *guards)
{
	MmEntry *mm = t->mm;
	VmaEntry **bigger = arena_array(d->arena, VmaEntry *, mm->n_vmas + guards->n + 1);
	const struct vma_range *g;

	memcpy(bigger, mm->vmas, mm->n_vmas * sizeof(*bigger));
	mm->vmas = bigger;
	vec_for_each(g, guards)
	{
		VmaEntry *e = record_new(d, vma_entry);

		e->start = g->start;
		e->end = g->end;
		e->status = VMA_GUARD;
		e->fd = -1;
		mm->vmas[mm->n_vmas++] = e;
	}
}

bool vma_has_pages(const VmaEntry *e)
{
	if (!(e->status & VMA_REGULAR) || e->status & VMA_VVAR || e->flags & VMA_MAP_DROPPABLE)
		return false;
	return e->status & (VMA_ANON_PRIVATE | VMA_FILE_PRIVATE);
}

/* ---- restore ---- */

static const char *vma_problem(const VmaEntry *e, uint64_t last_end)
{
	uint64_t task_size = arch_task_size();
	uint32_t sort = e->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED | VMA_ANON_SHARED | VMA_ANON_PRIVATE);

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
	if (sort == 0 || sort & (sort - 1))
		return "it is neither a file nor anonymous";
	if (e->prot & ~(uint32_t)PROT_KNOWN)
		return "its protection is not known";
	if (e->flags & ~(MAP_KNOWN | HUGE_SIZE) || (!(e->flags & MAP_HUGETLB) && e->flags & HUGE_SIZE) ||
	    !(e->flags & (MAP_SHARED | MAP_PRIVATE | VMA_MAP_DROPPABLE)))
		return "its flags are not known";
	if (!(e->status & VMA_ANON_SHARED) != !(e->status & VMA_SYSVIPC))
		return "shared anonymous memory of this form is not supported";
	if (!(e->flags & MAP_ANONYMOUS) != !(e->status & (VMA_ANON_PRIVATE | VMA_ANON_SHARED)) ||
	    !(e->flags & MAP_SHARED) != !(e->status & (VMA_FILE_SHARED | VMA_ANON_SHARED)))
		return "its flags contradict its status";
	if (e->has_madv && e->madv >> 32)
		return "its advice is not known";
	if (e->pgoff % PAGE_BYTES)
		return "its offset in the file is impossible";
	return NULL;
}

int vma_check(const struct task *t, struct err *err)
{
	uint64_t last_end = 0;
	size_t i;

	for (i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *e = t->mm->vmas[i];
		const char *problem = vma_problem(e, last_end);

		if (problem) {
			err_set(err, EBADMSG, "cannot restore the mapping at %" PRIx64 "-%" PRIx64 " (status %#x)",
				e->start, e->end, e->status);
			err_why(err, "%s", problem);
			return err_hint(err, "see whether mm-%d.img is damaged, or from a newer criu", t->pid);
		}
		if (e->status & VMA_REGULAR)
			last_end = e->end;
	}
	return 0;
}

static bool is_file(const VmaEntry *e)
{
	return e->status & VMA_REGULAR && e->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED);
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

static struct file_need *need_of(struct restore *r, struct task *t, const VmaEntry *e, struct err *err)
{
	struct file *f = e->shmid <= UINT32_MAX ? file_by_id(r, (uint32_t)e->shmid) : NULL;

	if (f)
		return file_need(r, t, f, file_flags(e));
	err_set(err, EBADMSG, "cannot restore the mapping at %" PRIx64 ": there is no file %" PRIu64, e->start,
		e->shmid);
	err_hint(err, "see whether files.img is damaged");
	return NULL;
}

/* One descriptor for all mappings of a file that need the same rights. */
int vma_plan(struct restore *r, struct task *t, struct mem_task *m, struct err *err)
{
	MmEntry *mm = t->mm;
	struct file_vma *list = arena_array(r->arena, struct file_vma, mm->n_vmas + 1);
	size_t i, n = 0;

	m->files = arena_array(r->arena, struct file_need *, mm->n_vmas + 1);
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
			g[out->nr_guards++] = (struct restorer_iov){ mm->vmas[i]->start,
								     mm->vmas[i]->end - mm->vmas[i]->start };
	return 0;
}

static int map_segment(const VmaEntry *e, struct restorer_vma *v, struct err *err)
{
	struct shmid_ds ds;

	if (shmctl((int)e->shmid, IPC_STAT, &ds) < 0)
		return err_sys(err, "cannot look at System V segment %" PRIu64, e->shmid);
	v->shm = (int32_t)e->shmid;
	v->shm_len = ((uint64_t)ds.shm_segsz + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	v->shm_flags = e->has_fdflags && (e->fdflags & O_ACCMODE) == O_RDONLY ? SHM_RDONLY : 0;
	v->pgoff = e->pgoff;
	v->prot = e->prot;
	if (e->pgoff > v->shm_len || v->len > v->shm_len - e->pgoff)
		return err_set(err, EBADMSG, "cannot map System V segment %" PRIu64 " behind its end", e->shmid);
	return 0;
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
			.flags = e->flags,
			.fd = m->files[i] ? m->files[i]->fd : -1,
			.fill = is_filled(e, &m->pages, &at),
			.shm = -1,
		};
		if (e->status & VMA_SYSVIPC && map_segment(e, &v[out->nr_vmas - 1], err) < 0)
			return -err->code;
	}
	return map_guards(r, mm, err);
}
