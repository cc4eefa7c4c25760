/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vma - the address space as a list of areas
 *
 * collect   /proc/PID/smaps tells everything: what an area is from its name and
 *           file, how it was mapped and advised from its VmFlags
 * drain     adds the guard pages that the scan has found
 *
 * refused   devices, shadow stacks, userfaultfd
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "core/refuse.h"
#include "core/unknown.h"
#include "mem/mem.h"

/* One VmFlag: how it comes into the record, or why it cannot. */
struct vm_flag {
	char name[3];
	uint8_t advice; /* bit of vma_entry.madv */
	uint32_t map;	/* of vma_entry.flags */
	const char *refuse;
};

static const struct vm_flag vm_flags[] = {
	/* told by the protection, by the file, or by nothing one can see */
	{ .name = "rd" },
	{ .name = "wr" },
	{ .name = "ex" },
	{ .name = "sh" },
	{ .name = "mr" },
	{ .name = "mw" },
	{ .name = "me" },
	{ .name = "ms" },
	{ .name = "ac" },
	{ .name = "de" },
	{ .name = "sd" },
	{ .name = "lf" },
	{ .name = "gu" },
	{ .name = "sl" },

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
	{ .name = "ss", .refuse = "it is a shadow stack" },
	{ .name = "sf", .refuse = "it is persistent memory (MAP_SYNC)" },
	{ .name = "mt", .refuse = "it has memory tags" },
	{ .name = "ar", .refuse = "it has a flag of this CPU only" },
};

/* ---- collect ---- */

static int refuse(const struct task *t, const struct proc_vma *v, const char *why, struct err *err)
{
	err_set(err, EOPNOTSUPP,
		"cannot dump the mapping at %" PRIx64 "-%" PRIx64 " of task %d (%s)", v->start,
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

/* The ring of a packet socket looks like a device; and memory that we watch, as if it were served. */
static bool is_only_look(const struct task *t, const struct proc_vma *v, const VmaEntry *e,
			 const struct vm_flag *f)
{
	if (strcmp(f->name, "mm") == 0)
		return e->status & VMA_SOCKET;
	return strcmp(f->name, "uw") == 0 && written_is_ours(t, v->start, v->end);
}

static int apply_flags(const struct dump *d, const struct task *t, const struct proc_vma *v,
		       VmaEntry *e, struct err *err)
{
	const char *p;

	for (p = v->vm_flags; strlen(p) >= 2; p += 2 + (p[2] == ' ')) {
		const struct vm_flag *f = find_flag(p);
		char why[64];

		if (!f && unknown_is_allowed(d, p, 2))
			continue;
		if (!f) {
			snprintf(why, sizeof(why),
				 "its flag \"%.2s\" in /proc/PID/smaps is not known", p);
			return refuse(t, v, why, err);
		}
		if (f->refuse && !is_only_look(t, v, e, f))
			return refuse(t, v, f->refuse, err);
		e->flags |= f->map;
		if (strcmp(f->name, "lf") == 0)
			e->lock_on_fault = e->has_lock_on_fault = true;
		if (strcmp(f->name, "sl") == 0)
			e->sealed = e->has_sealed = true;
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

static int apply_page_size(struct dump *d, const struct task *t, const struct proc_vma *v,
			   VmaEntry *e, struct err *err)
{
	char path[64];
	struct statfs fs;

	if (!(e->flags & MAP_HUGETLB))
		return 0;
	snprintf(path, sizeof(path), "%d/map_files/%" PRIx64 "-%" PRIx64, t->host_alive, v->start,
		 v->end);
	scoped_fd fd = openat(d->proc, path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return err_sys(err, "cannot find the page size of /proc/%s", path);
	e->flags |= (uint32_t)__builtin_ctzl((unsigned long)fs.f_bsize) << MAP_HUGE_SHIFT;
	return 0;
}

static int collect_flags(struct dump *d, const struct task *t, const struct proc_vma *v,
			 VmaEntry *e, struct err *err)
{
	int ret = apply_flags(d, t, v, e, err);

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

/* What follows in "[anon:text]", or "[anon_shmem:text]" for memory that is shared; NULL: another name. */
static const char *given_name(const struct proc_vma *v)
{
	static const char private[] = "[anon:", shared[] = "[anon_shmem:";

	if (strncmp(v->name, private, sizeof(private) - 1) == 0)
		return v->name + sizeof(private) - 1;
	if (strncmp(v->name, shared, sizeof(shared) - 1) == 0)
		return v->name + sizeof(shared) - 1;
	return NULL;
}

static void collect_name(struct dump *d, const struct proc_vma *v, VmaEntry *e)
{
	const char *name = given_name(v);

	/* a name has no brackets */
	if (name)
		e->anon_name = arena_printf(d->arena, "%.*s", (int)strcspn(name, "]"), name);
}

/* Private huge pages have a file that nobody else can see. */
static bool is_anonymous(const struct proc_vma *v)
{
	if (v->deleted && strcmp(v->name, "/anon_hugepage") == 0)
		return v->prot[3] == 'p';
	return !v->ino && (!*v->name || strcmp(v->name, "[heap]") == 0 ||
			   strcmp(v->name, "[stack]") == 0 || given_name(v));
}

static int collect_file(struct dump *d, struct task *t, const struct proc_vma *v, VmaEntry *e,
			struct err *err)
{
	bool shared = v->prot[3] == 's';
	struct file *f;
	char link[64];

	if (v->deleted && strcmp(v->name, "/secretmem") == 0)
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

static int collect_anonymous(struct dump *d, struct task *t, const struct proc_vma *v, VmaEntry *e,
			     struct err *err)
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

static int collect_segment(struct dump *d, struct task *t, const struct proc_vma *v, VmaEntry *e,
			   struct err *err)
{
	e->shmid = v->ino;
	e->pgoff = v->pgoff;
	e->status = VMA_REGULAR | VMA_ANON_SHARED | VMA_SYSVIPC;
	e->flags = MAP_SHARED | MAP_ANONYMOUS;
	e->has_fdflags = true;
	e->fdflags = has_flag(v, "mw") ? O_RDWR : O_RDONLY;
	return collect_flags(d, t, v, e, err);
}

static int collect_ring(struct dump *d, struct task *t, const struct proc_vma *v, VmaEntry *e,
			struct err *err)
{
	struct file *f = file_of_ring(d, v->ino);

	if (!f)
		return refuse(t, v, "its socket is not among the descriptors of the tree", err);
	e->shmid = f->id;
	e->status = VMA_REGULAR | VMA_SOCKET;
	e->flags = MAP_SHARED;
	e->has_fdflags = true;
	e->fdflags = O_RDWR;
	return collect_flags(d, t, v, e, err);
}

static int collect_aio(struct dump *d, struct task *t, const struct proc_vma *v, VmaEntry *e,
		       struct err *err)
{
	e->pgoff = v->pgoff;
	e->status = VMA_REGULAR | VMA_ANON_PRIVATE | VMA_AIORING;
	e->flags = MAP_PRIVATE | MAP_ANONYMOUS;
	return collect_flags(d, t, v, e, err);
}

static int collect_vma(struct dump *d, struct task *t, const struct proc_vma *v,
		       const struct proc_vma *before, VmaEntry *e, struct err *err)
{
	const VmaEntry *last = e - 1;

	e->start = v->start;
	e->end = v->end;
	e->prot = prot_of(v);
	e->fd = -1;
	collect_name(d, v, e);
	if (collect_special(v, e))
		return 0;
	if (is_anonymous(v))
		return collect_anonymous(d, t, v, e, err);
	if (is_segment(v))
		return collect_segment(d, t, v, e, err);
	if (strncmp(v->name, "socket:[", 8) == 0)
		return collect_ring(d, t, v, e, err);
	if (vma_is_ring(v->name, v->deleted))
		return collect_aio(d, t, v, e, err);
	if (!v->ino || (v->name[0] == '[' && !given_name(v)))
		return refuse(t, v, "this sort of memory is not known", err);

	/* the segments of a library: the same file again */
	if (before && before->ino == v->ino && before->dev == v->dev &&
	    before->prot[3] == v->prot[3] && strcmp(before->name, v->name) == 0 &&
	    has_flag(before, "mw") == has_flag(v, "mw")) {
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

	if (proc_read_smaps(d->proc, t->host_alive, d->arena, &list, err) < 0)
		return -err->code;
	mm->vmas = arena_array(d->arena, VmaEntry *, list.n + 1);
	entries = arena_array(d->arena, VmaEntry, list.n + 1);

	for (i = 0; i < list.n; i++) {
		VmaEntry *e = &entries[i];

		vma_entry__init(e);
		if (collect_vma(d, t, &list.items[i], i ? &list.items[i - 1] : NULL, e, err) < 0 &&
		    !refuse_note(d, t, -1, err))
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
	vec_for_each(g, guards) {
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
