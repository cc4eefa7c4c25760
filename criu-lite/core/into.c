/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * into - a process that is there already becomes the root task
 *
 * A container runtime has made the process, its namespaces and control groups,
 * and knows it by its pid and start time.  It cannot be born of us, so it is
 * made a copy of somebody who was: the mould, a root task as it is after fork.
 *
 *	code	a page with a system call instruction, where no program is
 *	memory	the vdso is moved, all else is unmapped; the mould's areas are
 *		mapped and written from outside, what is shared by descriptor
 *	files	it finds the mould by its pid inside, and fetches its descriptors
 *	rest	clocks, directories, umask, limit of descriptors, rseq; registers
 *
 * All of it is done in system calls that it is made to do, so it needs the
 * capabilities for them: those of root, and no seccomp filter.
 *
 * not copied  what a restorer sets anyway: actions of signals, credentials, name
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/barrier.h"
#include "core/into.h"
#include "core/ns.h"
#include "core/outside.h"
#include "core/proc.h"
#include "core/task.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* While it changes; below everything that programs have. */
enum {
	CODE = 0x10000,
	DATA = 0x20000,
	PARK = 0x30000,
	END = 0x100000,
	INSN_MAX = 16,
	PIECE = 1 << 20,
	PAGE_MOST = 1 << 16,
};

/* A piece of memory that the mould shares with us. */
struct shared_area {
	uint64_t start, end;
	int fd;
};

struct into {
	struct restore *r;
	pid_t pid;
	int mem; /* /proc/PID/mem */
	unsigned long insn;
	vec(struct shared_area) shared;
	int root, cwd;
	struct compel_task *mould;
	proc_vma_list areas; /* of the mould */
	unsigned int umask;
	long page;
};

/* ---- a system call in it ---- */

static int call(const struct into *in, const char *what, long nr, const unsigned long args[6],
		long *ret, struct err *err)
{
	if (compel_raw_syscall(in->pid, in->insn, nr, args, ret, err) < 0)
		return -err->code;
	if (*ret >= 0)
		return 0;
	err_set(err, (int)-*ret, "cannot %s in process %d", what, in->pid);
	return err_hint(err, "it must have the capabilities of root, and no seccomp filter");
}

/* CALL(in, &ret, "map memory", SYS_mmap, start, len, ...) */
#define CALL(in, ret, what, nr, ...) call(in, what, nr, (unsigned long[6]){ __VA_ARGS__ }, ret, err)

static int put(const struct into *in, const void *data, size_t len, struct err *err)
{
	int ret = io_pwrite(in->mem, data, len, DATA);

	return ret < 0 ? err_set(err, -ret, "cannot write into process %d", in->pid) : 0;
}

/* ---- code ---- */

static int find_insn(struct into *in, const proc_vma_list *areas, struct err *err)
{
	static unsigned char code[64 * 1024];
	const struct proc_vma *v;

	vec_for_each(v, areas) {
		size_t len = v->end - v->start < sizeof(code) ? v->end - v->start : sizeof(code);
		const unsigned char *found;

		if (v->prot[2] != 'x' || io_pread(in->mem, code, len, (off_t)v->start) < 0)
			continue;
		found = arch_find_syscall(code, len);
		if (found) {
			in->insn = v->start + (unsigned long)(found - code);
			return 0;
		}
	}
	err_set(err, ENOEXEC, "cannot use process %d", in->pid);
	err_why(err, "its code has no system call instruction");
	return err_hint(err, "give --into a process that waits in a system call of its own");
}

static int make_place(struct into *in, struct err *err)
{
	enum { FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED };
	unsigned char insn[INSN_MAX];
	long ret;

	if (CALL(in, &ret, "map memory", SYS_mmap, CODE, (unsigned long)in->page,
		 PROT_READ | PROT_EXEC, FLAGS, -1UL, 0) < 0 ||
	    CALL(in, &ret, "map memory", SYS_mmap, DATA, (unsigned long)in->page,
		 PROT_READ | PROT_WRITE, FLAGS, -1UL, 0) < 0)
		return -err->code;
	if (io_pread(in->mem, insn, sizeof(insn), (off_t)in->insn) < 0 ||
	    io_pwrite(in->mem, insn, sizeof(insn), CODE) < 0)
		return err_sys(err, "cannot write into process %d", in->pid);
	in->insn = CODE;
	return 0;
}

/* ---- memory ---- */

static bool is_kernels(const struct proc_vma *v)
{
	return strncmp(v->name, "[vvar", 5) == 0 || strcmp(v->name, "[vdso]") == 0;
}

static bool is_fixed(const struct proc_vma *v)
{
	return strcmp(v->name, "[vsyscall]") == 0;
}

/* Where what is the kernel's waits until its place is free. */
static uint64_t parked_at(const proc_vma_list *areas, const struct proc_vma *of)
{
	const struct proc_vma *v;

	vec_for_each(v, areas)
		if (is_kernels(v))
			return PARK + (of->start - v->start);
	return PARK;
}

static int move(const struct into *in, const struct proc_vma *v, uint64_t from, uint64_t to,
		struct err *err)
{
	unsigned long len = v->end - v->start;
	long ret;

	return CALL(in, &ret, "move the vdso", SYS_mremap, from, len, len,
		    MREMAP_MAYMOVE | MREMAP_FIXED, to);
}

static int clear_memory(const struct into *in, const proc_vma_list *areas, struct err *err)
{
	const struct proc_vma *v;
	long ret;

	vec_for_each(v, areas)
		if (is_kernels(v) && move(in, v, v->start, parked_at(areas, v), err) < 0)
			return -err->code;
	vec_for_each(v, areas)
		if (!is_kernels(v) && !is_fixed(v) && v->start >= END &&
		    CALL(in, &ret, "unmap memory", SYS_munmap, v->start, v->end - v->start) < 0)
			return -err->code;
	return 0;
}

static const struct proc_vma *find_named(const proc_vma_list *areas, const char *name)
{
	const struct proc_vma *v;

	vec_for_each(v, areas)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

/* Behind all else: it has become free only now. */
static int place_vdso(const struct into *in, const proc_vma_list *areas, struct err *err)
{
	const struct proc_vma *v, *to;

	vec_for_each(v, areas) {
		if (!is_kernels(v))
			continue;
		to = find_named(&in->areas, v->name);
		if (!to)
			return err_set(err, ENOENT, "cannot find %s in our own memory", v->name);
		if (move(in, v, parked_at(areas, v), to->start, err) < 0)
			return -err->code;
	}
	return 0;
}

/* Anonymous pages that are not there are zero here, too. */
static bool is_there(uint64_t entry)
{
	return entry >> 62 != 0; /* present, or in swap */
}

static bool is_zero(const char *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static int copy_page(const struct into *in, const char *page, uint64_t at, struct err *err)
{
	size_t len = (size_t)in->page;

	if (is_zero(page, len) || io_pwrite(in->mem, page, len, (off_t)at) == 0)
		return 0;
	return err_sys(err, "cannot write into process %d", in->pid);
}

static int copy_piece(const struct into *in, const struct proc_vma *v, int pagemap, uint64_t start,
		      size_t len, struct err *err)
{
	static char buf[PAGE_MOST];
	uint64_t there[PIECE / 4096];
	size_t page = (size_t)in->page, n = len / page;

	if (pagemap >= 0 && io_pread(pagemap, there, n * sizeof(*there),
				     (off_t)(start / page * sizeof(*there))) < 0)
		return err_set(err, EIO, "cannot read a page map");
	for (size_t i = 0; i < n; i++) {
		off_t at = (off_t)(start + i * page);

		if (pagemap >= 0 && !v->ino && !is_there(there[i]))
			continue;
		if (io_pread(in->mould->mem, buf, page, at) < 0)
			return err_sys(err, "cannot read our own memory at %#jx", (intmax_t)at);
		if (copy_page(in, buf, (uint64_t)at, err) < 0)
			return -err->code;
	}
	return 0;
}

static int copy_area(const struct into *in, const struct proc_vma *v, struct err *err)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/pagemap", in->mould->pid);

	scoped_fd pagemap = openat(in->r->proc, path, O_RDONLY | O_CLOEXEC);

	for (uint64_t at = v->start; at < v->end; at += PIECE) {
		size_t len = v->end - at < PIECE ? (size_t)(v->end - at) : PIECE;

		if (copy_piece(in, v, pagemap, at, len, err) < 0)
			return -err->code;
	}
	return 0;
}

static unsigned long protection(const struct proc_vma *v)
{
	return (unsigned long)(v->prot[0] == 'r' ? PROT_READ : 0) |
	       (unsigned long)(v->prot[1] == 'w' ? PROT_WRITE : 0) |
	       (unsigned long)(v->prot[2] == 'x' ? PROT_EXEC : 0);
}

static int make_private(const struct into *in, const struct proc_vma *v, struct err *err)
{
	unsigned long flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
	long ret;

	if (strcmp(v->name, "[stack]") == 0)
		flags |= MAP_GROWSDOWN;
	if (CALL(in, &ret, "map memory", SYS_mmap, v->start, v->end - v->start, protection(v),
		 flags, -1UL, 0) < 0)
		return -err->code;
	return protection(v) ? copy_area(in, v, err) : 0;
}

static int make_memory(const struct into *in, struct err *err)
{
	const struct proc_vma *v;

	vec_for_each(v, &in->areas)
		if (!is_kernels(v) && !is_fixed(v) && v->prot[3] == 'p' &&
		    make_private(in, v, err) < 0)
			return -err->code;
	return 0;
}

/* ---- what is shared ---- */

struct area_name {
	pid_t pid;
	uint64_t start, end;
};

/* In a user namespace nobody may open it. */
static int open_area(struct restore *r, void *args, int *fd, struct err *err)
{
	const struct area_name *n = args;
	char path[80];

	snprintf(path, sizeof(path), "%d/map_files/%" PRIx64 "-%" PRIx64, n->pid, n->start, n->end);
	*fd = openat(r->proc, path, O_RDWR | O_CLOEXEC);
	return *fd < 0 ? err_sys(err, "cannot open /proc/%s", path) : 0;
}

static int open_shared(struct into *in, struct err *err)
{
	proc_vma_list own = { 0 };
	const struct proc_vma *v;

	if (proc_read_own_maps(in->r->proc, in->r->arena, &own, err) < 0)
		return -err->code;
	vec_for_each(v, &own) {
		struct area_name name = { getpid(), v->start, v->end };
		int fd = -1;

		if (v->prot[3] != 's')
			continue;
		if (outside_run(in->r, open_area, &name, sizeof(name), &fd, err) < 0)
			return -err->code;
		*vec_add(in->r->arena, &in->shared) = (struct shared_area){ v->start, v->end, fd };
	}
	return 0;
}

/* By the descriptors that it has from the mould. */
static int map_shared(const struct into *in, struct err *err)
{
	const struct shared_area *s;
	const struct proc_vma *v;
	long ret;

	vec_for_each(v, &in->areas) {
		if (v->prot[3] != 's')
			continue;
		vec_for_each(s, &in->shared)
			if (s->start <= v->start && v->end <= s->end)
				break;
		if (s == in->shared.items + in->shared.n)
			return err_set(err, ENOENT, "cannot find what is shared at %#" PRIx64,
				       v->start);
		if (CALL(in, &ret, "map shared memory", SYS_mmap, v->start, v->end - v->start,
			 protection(v), MAP_SHARED | MAP_FIXED, (unsigned long)s->fd, v->pgoff) < 0)
			return -err->code;
	}
	return 0;
}

/* ---- descriptors ---- */

/* Of its own it has none any more but this: the mould as a pidfd, above all that it will get. */
static int reach_mould(const struct into *in, int highest, long *pidfd_ret, struct err *err)
{
	struct proc_status status;
	long low, ret;

	if (proc_read_status(in->r->proc, in->mould->pid, in->mould->pid, in->r->arena, &status,
			     err) < 0)
		return -err->code;
	if (CALL(in, &low, "find its likeness", SYS_pidfd_open, (unsigned long)status.nspid, 0) <
		    0 ||
	    CALL(in, pidfd_ret, "copy a descriptor", SYS_fcntl, (unsigned long)low, F_DUPFD_CLOEXEC,
		 (unsigned long)highest + 1) < 0 ||
	    CALL(in, &ret, "close descriptors", SYS_close_range, 0, (unsigned long)*pidfd_ret - 1,
		 0) < 0)
		return -err->code;
	return CALL(in, &ret, "close descriptors", SYS_close_range, (unsigned long)*pidfd_ret + 1,
		    ~0U, 0);
}

static int fetch_fd(const struct into *in, long pidfd, unsigned long fd, struct err *err)
{
	long got, ret;

	if (CALL(in, &got, "fetch a descriptor", SYS_pidfd_getfd, (unsigned long)pidfd, fd, 0) < 0)
		return -err->code;
	if ((unsigned long)got == fd)
		return 0;
	if (CALL(in, &ret, "place a descriptor", SYS_dup3, (unsigned long)got, fd, O_CLOEXEC) < 0)
		return -err->code;
	return CALL(in, &ret, "close a descriptor", SYS_close, (unsigned long)got);
}

/* As many as the mould may have. */
static int raise_limit(const struct into *in, struct err *err)
{
	struct rlimit limit;
	long ignored;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (put(in, &limit, sizeof(limit), err) < 0)
		return -err->code;
	return CALL(in, &ignored, "set the limit of descriptors", SYS_prlimit64, 0, RLIMIT_NOFILE,
		    DATA, 0);
}

static int fetch_files(const struct into *in, long *pidfd_ret, struct err *err)
{
	fd_list fds = { 0 };
	const int *fd;

	if (proc_read_fds(in->r->proc, in->mould->pid, in->r->arena, &fds, err) < 0 ||
	    raise_limit(in, err) < 0 || reach_mould(in, fds.items[fds.n - 1], pidfd_ret, err) < 0)
		return -err->code;
	vec_for_each(fd, &fds)
		if (fetch_fd(in, *pidfd_ret, (unsigned long)*fd, err) < 0)
			return -err->code;
	return 0;
}

/* ---- the rest ---- */

static bool is_same_clock(const struct into *in)
{
	struct stat mould, its;
	char path[48];

	snprintf(path, sizeof(path), "%d/ns/time", in->mould->pid);
	if (fstatat(in->r->proc, path, &mould, 0) < 0)
		return true;
	snprintf(path, sizeof(path), "%d/ns/time", in->pid);
	return fstatat(in->r->proc, path, &its, 0) < 0 || mould.st_ino == its.st_ino;
}

static int enter_clock(const struct into *in, long pidfd, struct err *err)
{
	long ret;

	if (is_same_clock(in))
		return 0;
	return CALL(in, &ret, "enter a time namespace", SYS_setns, (unsigned long)pidfd,
		    CLONE_NEWTIME);
}

static int set_directories(const struct into *in, struct err *err)
{
	long ret;

	if (put(in, ".", 2, err) < 0 ||
	    CALL(in, &ret, "go to the root", SYS_fchdir, (unsigned long)in->root) < 0 ||
	    CALL(in, &ret, "change the root", SYS_chroot, DATA) < 0 ||
	    CALL(in, &ret, "go to our directory", SYS_fchdir, (unsigned long)in->cwd) < 0)
		return -err->code;
	return CALL(in, &ret, "set the umask", SYS_umask, in->umask);
}

/* Where the kernel was told to write in the memory of a process. */
static int change_rseq(const struct into *in, pid_t of, unsigned long flags, struct err *err)
{
	struct __ptrace_rseq_configuration c = { 0 };
	long ret;

	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, of, sizeof(c), &c) < 0 || !c.rseq_abi_pointer)
		return 0;
	return CALL(in, &ret, "register restartable sequences", SYS_rseq, c.rseq_abi_pointer,
		    c.rseq_abi_size, flags, c.signature);
}

static int forget_addresses(const struct into *in, struct err *err)
{
	const stack_t none = { .ss_flags = SS_DISABLE };
	long ret;

	if (change_rseq(in, in->pid, RSEQ_FLAG_UNREGISTER, err) < 0 ||
	    CALL(in, &ret, "forget its locks", SYS_set_robust_list, 0, 3 * sizeof(long)) < 0 ||
	    put(in, &none, sizeof(none), err) < 0)
		return -err->code;
	return CALL(in, &ret, "forget a stack", SYS_sigaltstack, DATA, 0);
}

/* What was only for the way. */
static int leave_place(struct into *in, long pidfd, struct err *err)
{
	long ret;

	/* this function of libc has one, in memory that it now has too */
	in->insn = (unsigned long)arch_find_syscall((const void *)syscall, 256);
	if (!in->insn)
		return err_set(err, ENOEXEC, "cannot find a system call instruction in our libc");
	if (CALL(in, &ret, "close a descriptor", SYS_close, (unsigned long)pidfd) < 0 ||
	    CALL(in, &ret, "unmap memory", SYS_munmap, CODE, END - CODE) < 0)
		return -err->code;
	return 0;
}

static int set_registers(const struct into *in, struct err *err)
{
	const struct compel_thread *t = &in->mould->threads[0];
	char xstate[COMPEL_XSTATE_MAX];
	size_t len;

	if (compel_get_xstate(t->tid, xstate, sizeof(xstate), &len, err) < 0)
		return -err->code;
	return compel_set_state(in->pid, &t->regs, xstate, len, t->sigmask, err);
}

/* ---- all ---- */

/* Its pid in the namespace of the tree is that of the root task. */
static int check_process(const struct into *in, struct err *err)
{
	pid_t root = in->r->tree->root->pid;
	struct proc_status status;

	if (proc_read_status(in->r->proc, in->pid, in->pid, in->r->arena, &status, err) < 0)
		return err_hint(err, "give --into a process that is there");
	if (status.nspid == root)
		return 0;
	err_set(err, EINVAL, "cannot restore task %d into process %d", root, in->pid);
	err_why(err, "its pid is %d where the tree is to be", status.nspid);
	return err_hint(err, "give --into the first process of a new pid namespace");
}

int into_begin(struct restore *r, struct into **ret, struct err *err)
{
	struct into *in = arena_new(r->arena, struct into);

	*in = (struct into){ .r = r, .pid = r->opts->into, .page = sysconf(_SC_PAGESIZE) };
	if (check_process(in, err) < 0 || open_shared(in, err) < 0)
		return -err->code;
	in->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	in->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (in->root < 0 || in->cwd < 0)
		return err_sys(err, "cannot open our own directories");
	in->umask = umask(0);
	umask(in->umask);
	*ret = in;
	return 0;
}

static int stop(struct into *in, struct err *err)
{
	char path[32];
	int status;

	snprintf(path, sizeof(path), "%d/mem", in->pid);
	in->mem = openat(in->r->proc, path, O_RDWR | O_CLOEXEC);
	if (in->mem < 0)
		return err_sys(err, "cannot open the memory of process %d", in->pid);
	if (barrier_adopt(in->r, in->r->barrier, in->pid, err) < 0)
		return -err->code;
	if (ptrace(PTRACE_INTERRUPT, in->pid, 0, 0) < 0)
		return err_sys(err, "cannot stop process %d", in->pid);
	while (waitpid(in->pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return err_sys(err, "cannot wait for process %d", in->pid);
	if (WIFSTOPPED(status))
		return 0;
	return err_set(err, ESRCH, "cannot restore into process %d: it has ended", in->pid);
}

static int copy_all(struct into *in, struct err *err)
{
	proc_vma_list its = { 0 };
	long pidfd;

	if (proc_read_maps(in->r->proc, in->mould->pid, in->r->arena, &in->areas, err) < 0 ||
	    proc_read_maps(in->r->proc, in->pid, in->r->arena, &its, err) < 0 ||
	    find_insn(in, &its, err) < 0 || make_place(in, err) < 0)
		return -err->code;
	if (forget_addresses(in, err) < 0 || clear_memory(in, &its, err) < 0 ||
	    make_memory(in, err) < 0 || fetch_files(in, &pidfd, err) < 0 ||
	    map_shared(in, err) < 0 || place_vdso(in, &its, err) < 0)
		return -err->code;
	if (enter_clock(in, pidfd, err) < 0 || set_directories(in, err) < 0 ||
	    change_rseq(in, in->mould->pid, 0, err) < 0 || leave_place(in, pidfd, err) < 0)
		return -err->code;
	return set_registers(in, err);
}

static void end_mould(struct into *in, pid_t mould)
{
	struct err ignored = { 0 };

	if (in->mould)
		compel_release(in->mould, COMPEL_KILL, &ignored);
	else
		kill(mould, SIGKILL);
	while (waitpid(mould, NULL, __WALL) < 0 && errno == EINTR)
		;
}

static void close_all(struct into *in)
{
	const struct shared_area *s;

	vec_for_each(s, &in->shared)
		close(s->fd);
	close(in->root);
	close(in->cwd);
	close(in->mem);
}

int into_become(struct into *in, pid_t mould, struct err *err)
{
	int ret = compel_seize(mould, 0, &in->mould, err);

	if (ret == 0)
		ret = stop(in, err);
	if (ret == 0)
		ret = copy_all(in, err);
	end_mould(in, mould);
	close_all(in);
	if (ret == 0)
		ret = barrier_send_on(in->pid, err);
	return ret;
}
