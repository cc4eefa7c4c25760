/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * remap - unmaps all that is not the region, and builds the new address space
 *
 * Areas that get pages are writable until they have them. Pages are read by
 * the leader and by fillers: processes that share its memory and descriptors
 * and are gone, with their pids, before anything else is made.
 */
#include <asm/unistd.h>

#include "pie/restorer.h"
#include "sys.h"

enum {
	EINTR_ = 4,
	ENODATA_ = 61,
	ECHILD_ = 10,
	EINVAL_ = 22,
	PROT_READ_ = 1,
	PROT_WRITE_ = 2,
	SHM_RDONLY_ = 010000,
	SHM_REMAP_ = 040000,
	MREMAP_MAYMOVE_ = 1,
	MREMAP_FIXED_ = 2,
	MAP_PRIVATE_ = 0x02,
	MAP_ANONYMOUS_ = 0x20,
	MAP_NORESERVE_ = 0x4000,
	MAP_FIXED_NOREPLACE_ = 0x100000,
	MAP_LOCKED_ = 0x2000,
	MADV_MERGEABLE_ = 12,
	MADV_HUGEPAGE_ = 14,
	MADV_NOHUGEPAGE_ = 15,
	MADV_POPULATE_WRITE_ = 23,
	MADV_GUARD_INSTALL_ = 102,
	PR_SET_PDEATHSIG_ = 1,
	PR_SET_VMA_ = 0x53564d41,
	PR_SET_VMA_ANON_NAME_ = 0,
	PR_SET_THP_DISABLE_ = 41,
	NR_MSEAL = 462, /* of all CPUs */
	SIGKILL_ = 9,
	WALL_ = 0x40000000,
	/* Smaller pieces are faulted in by the read itself. */
	POPULATE_MIN = 64 * 1024,
};

static void unmap_range(struct restorer_args *args, uint64_t start, uint64_t end)
{
	if (start < end)
		restorer_check(args, sys2(__NR_munmap, (long)start, (long)(end - start)), RST_UNMAP,
			       start);
}

/* A System V segment is only a place that is taken; see attach_vma(). */
static long reserve_vma(const struct restorer_vma *v)
{
	return sys6(__NR_mmap, (long)v->start, (long)v->len, 0,
		    MAP_PRIVATE_ | MAP_ANONYMOUS_ | MAP_NORESERVE_ | MAP_FIXED_NOREPLACE_, -1, 0);
}

/* The region lies in between, or not. */
static void unmap_gap(struct restorer_args *args, uint64_t start, uint64_t end)
{
	uint64_t region_end = args->region + args->region_size;

	if (args->region >= end || region_end <= start) {
		unmap_range(args, start, end);
		return;
	}
	unmap_range(args, start, args->region);
	unmap_range(args, region_end, end);
}

static void unmap_others(struct restorer_args *args)
{
	const struct restorer_vma *vmas = (const struct restorer_vma *)args->mm.vmas;
	uint64_t i, at = 0;

	for (i = 0; i < args->mm.nr_vmas; i++) {
		if (!vmas[i].kept)
			continue;
		unmap_gap(args, at, vmas[i].start);
		at = vmas[i].start + vmas[i].len;
	}
	unmap_gap(args, at, args->mm.task_size);
}

static void map_new(struct restorer_args *args, const struct restorer_vma *v)
{
	uint32_t prot = v->fill ? v->prot | PROT_WRITE_ : v->prot;
	uint32_t flags = (v->flags & ~(uint32_t)MAP_LOCKED_) | MAP_FIXED_NOREPLACE_;
	long ret = v->shm < 0 ? sys6(__NR_mmap, (long)v->start, (long)v->len, prot, flags, v->fd,
				     (long)v->pgoff)
			      : reserve_vma(v);

	restorer_check(args, ret, RST_MMAP, v->start);
	if ((uint64_t)ret != v->start)
		restorer_fail(args, RST_MMAP, -EINVAL_, v->start);
}

static void map_vma(struct restorer_args *args, const struct restorer_vma *v)
{
	if (!v->kept)
		map_new(args, v);
}

/*
 * A segment can only be attached whole. If that is not what the area was, it is
 * attached where there is room, which the kernel knows best now that everything
 * else is in place, and cut to size.
 */
static void attach_vma(struct restorer_args *args, const struct restorer_vma *v)
{
	bool whole = v->pgoff == 0 && v->len == v->shm_len;
	uint32_t prot = v->shm_flags & SHM_RDONLY_ ? PROT_READ_ : PROT_READ_ | PROT_WRITE_;
	long p;

	if (v->shm < 0)
		return;
	p = whole ? sys3(__NR_shmat, v->shm, (long)v->start, v->shm_flags | SHM_REMAP_)
		  : sys3(__NR_shmat, v->shm, 0, v->shm_flags);
	restorer_check(args, p, RST_SHM, (uint64_t)v->shm);
	if (!whole) {
		uint64_t from = (uint64_t)p + v->pgoff;

		restorer_check(args,
			       sys5(__NR_mremap, (long)from, (long)v->len, (long)v->len,
				    MREMAP_MAYMOVE_ | MREMAP_FIXED_, (long)v->start),
			       RST_SHM, (uint64_t)v->shm);
		unmap_range(args, (uint64_t)p, from);
		unmap_range(args, from + v->len, (uint64_t)p + v->shm_len);
	}
	if (v->prot != prot)
		restorer_check(args, sys3(__NR_mprotect, (long)v->start, (long)v->len, v->prot),
			       RST_PROTECT, v->start);
}

/* Kernels are built with or without names. */
static void tell_vma(struct restorer_args *args, const struct restorer_vma *v)
{
	const struct restorer_policy *p = (const struct restorer_policy *)v->policy;

	if (v->name)
		sys5(__NR_prctl, PR_SET_VMA_, PR_SET_VMA_ANON_NAME_, (long)v->start, (long)v->len,
		     (long)v->name);
	if (p)
		restorer_check(args,
			       sys6(__NR_mbind, (long)v->start, (long)v->len, p->mode,
				    (long)p->nodes, NR_NODES + 1, 0),
			       RST_MBIND, v->start);
}

/* Fault memory in in large steps. It is only a matter of speed, so it may fail. */
static void populate(const struct restorer_iov *iov, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++)
		if (iov[i].len >= POPULATE_MIN)
			sys3(__NR_madvise, (long)iov[i].base, (long)iov[i].len,
			     MADV_POPULATE_WRITE_);
}

static void read_io(struct restorer_args *args, struct restorer_io *io)
{
	struct restorer_iov *iov = (struct restorer_iov *)io->iov;
	uint64_t off = io->off, n = io->nr_iov;

	populate(iov, n);
	while (n) {
		long ret = sys5(__NR_preadv, io->fd, (long)iov, (long)n, (long)off, 0);

		if (ret == -EINTR_)
			continue;
		if (ret <= 0)
			restorer_fail(args, RST_READ, ret ? ret : -ENODATA_, iov->base);
		off += (uint64_t)ret;
		for (; n && (uint64_t)ret >= iov->len; iov++, n--)
			ret -= (long)iov->len;
		if (n) {
			iov->base += (uint64_t)ret;
			iov->len -= (uint64_t)ret;
		}
	}
}

static void read_pages(struct restorer_args *args)
{
	struct restorer_mm *mm = &args->mm;
	struct restorer_io *ios = (struct restorer_io *)mm->ios;
	uint64_t i;

	while ((i = __atomic_fetch_add(&mm->next_io, 1, __ATOMIC_RELAXED)) < mm->nr_ios)
		read_io(args, &ios[i]);
}

static void filler_main(void *arg)
{
	struct restorer_args *args = arg;

	/* Whoever kills the leader must not leave its memory to us. */
	sys5(__NR_prctl, PR_SET_PDEATHSIG_, SIGKILL_, 0, 0, 0);
	if (sys0(__NR_getppid) == args->pid)
		read_pages(args);
}

static long filler_start(struct restorer_args *args, uint64_t i)
{
	struct clone_args ca;

	memset(&ca, 0, sizeof(ca));
	ca.flags = CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_UNTRACED;
	ca.stack = args->mm.filler_stacks + i * RESTORER_STACK;
	ca.stack_size = RESTORER_STACK;
	return restorer_clone(&ca, filler_main, args);
}

static void filler_wait(struct restorer_args *args, long pid)
{
	int status = 0;
	long ret;

	do
		ret = sys4(__NR_wait4, pid, (long)&status, WALL_, 0);
	while (ret == -EINTR_);
	restorer_check(args, ret, RST_FILLER, (uint64_t)pid);
	if (status)
		restorer_fail(args, RST_FILLER, -ECHILD_, (uint64_t)pid);
}

enum { MAX_FILLERS = 7 };

/* A filler that cannot be made is no loss: the others do its work. */
static void fill(struct restorer_args *args)
{
	long pids[MAX_FILLERS];
	uint64_t i, n = 0;

	while (n < args->mm.fillers && n < MAX_FILLERS && (pids[n] = filler_start(args, n)) > 0)
		n++;
	read_pages(args);
	for (i = 0; i < n; i++)
		filler_wait(args, pids[i]);
}

static void apply_patches(const struct restorer_mm *mm)
{
	const struct restorer_patch *p = (const struct restorer_patch *)mm->patches;
	uint64_t i;

	for (i = 0; i < mm->nr_patches; i++)
		memcpy((void *)p[i].addr, p[i].bytes, p[i].len);
}

static void protect_vma(struct restorer_args *args, const struct restorer_vma *v)
{
	uint32_t now = v->kept ? PROT_READ_ | PROT_WRITE_ : v->prot | PROT_WRITE_;

	if ((v->fill || v->kept) && v->prot != now)
		restorer_check(args, sys3(__NR_mprotect, (long)v->start, (long)v->len, v->prot),
			       RST_PROTECT, v->start);
}

/* A kernel without huge pages or without merging knows no advice about them. */
static bool is_optional(int advice)
{
	return advice == MADV_MERGEABLE_ || advice == MADV_HUGEPAGE_ || advice == MADV_NOHUGEPAGE_;
}

static void advise_vma(struct restorer_args *args, const struct restorer_vma *v)
{
	int advice;

	for (advice = 0; advice < 64; advice++) {
		long ret;

		if (!(v->madv & 1ull << advice))
			continue;
		ret = sys3(__NR_madvise, (long)v->start, (long)v->len, advice);
		if (ret != -EINVAL_ || !is_optional(advice))
			restorer_check(args, ret, RST_MADVISE, v->start);
	}
}

/* It is another mapping now, which needs its advice again. */
static void make_ring(struct restorer_args *args, const struct restorer_vma *v)
{
	if (!v->aio)
		return;
	restore_ring(args, v);
	advise_vma(args, v);
}

static void install_guards(struct restorer_args *args)
{
	const struct restorer_iov *g = (const struct restorer_iov *)args->mm.guards;
	uint64_t i;

	for (i = 0; i < args->mm.nr_guards; i++)
		restorer_check(args,
			       sys3(__NR_madvise, (long)g[i].base, (long)g[i].len,
				    MADV_GUARD_INSTALL_),
			       RST_GUARD, g[i].base);
}

static void lock_vma(struct restorer_args *args, const struct restorer_vma *v)
{
	long ret;

	if (!(v->flags & MAP_LOCKED_))
		return;
	ret = sys3(__NR_mlock2, (long)v->start, (long)v->len, v->lock_flags);
	/* Memory that cannot be read is locked all the same, but cannot be faulted in. */
	if (ret < 0 && v->prot & 5)
		restorer_fail(args, RST_LOCK, ret, v->start);
}

static void seal_vma(struct restorer_args *args, const struct restorer_vma *v)
{
	if (v->sealed)
		restorer_check(args, sys3(NR_MSEAL, (long)v->start, (long)v->len, 0), RST_MSEAL,
			       v->start);
}

int restore_memory(struct restorer_args *args)
{
	struct restorer_mm *mm = &args->mm;
	const struct restorer_vma *vmas = (const struct restorer_vma *)mm->vmas;
	uint64_t i;

	unmap_others(args);
	if (mm->vdso)
		restorer_check(args, restorer_map_vdso(mm->vdso), RST_VDSO, mm->vdso);
	for (i = 0; i < mm->nr_vmas; i++)
		map_vma(args, &vmas[i]);
	for (i = 0; i < mm->nr_vmas; i++)
		attach_vma(args, &vmas[i]);
	for (i = 0; i < mm->nr_vmas; i++)
		tell_vma(args, &vmas[i]);
	/* Before pages: whether they are huge is decided when memory is faulted in. */
	restorer_check(args, sys5(__NR_prctl, PR_SET_THP_DISABLE_, mm->thp_disabled, 0, 0, 0),
		       RST_PRCTL, PR_SET_THP_DISABLE_);
	for (i = 0; i < mm->nr_vmas; i++)
		advise_vma(args, &vmas[i]);
	fill(args);
	apply_patches(mm);
	for (i = 0; i < mm->nr_vmas; i++)
		make_ring(args, &vmas[i]);
	for (i = 0; i < mm->nr_vmas; i++)
		protect_vma(args, &vmas[i]);
	install_guards(args);
	for (i = 0; i < mm->nr_vmas; i++)
		lock_vma(args, &vmas[i]);
	for (i = 0; i < mm->nr_vmas; i++)
		seal_vma(args, &vmas[i]);
	return 0;
}
