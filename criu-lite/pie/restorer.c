/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * restorer - the last steps of a newborn task, with nothing of criu-lite left
 *
 * It runs in the region (core/region.h), with all signals blocked but SIGTRAP,
 * by which it stops for the coordinator: once when its memory and files are
 * there (then all tasks of the tree are waited for), once when it has made its
 * other threads (then these are), and once at its end. It never goes on from there: the coordinator takes the region away and sets the
 * registers.
 *
 * The order is that of what a step takes away: signal actions before threads,
 * which share them; limits after everything that needs memory, processes or
 * pending signals; credentials and seccomp filters last of all.
 */
#include <asm/unistd.h>

#include "pie/restorer.h"
#include "sys.h"

_Noreturn void restorer_main(struct restorer_args *args);

enum {
	SIGTRAP_ = 5,
	FUTEX_WAKE_ = 1,
	SIGKILL_ = 9,
	F_SETLK_ = 6,
	F_ADD_SEALS_ = 1033,
	PR_SET_DUMPABLE_ = 4,
	PR_SET_MM_ = 35,
	PR_SET_MM_MAP_ = 14,
};

_Noreturn void restorer_fail(struct restorer_args *args, enum restorer_op op, long ret,
			     uint64_t arg)
{
	struct shared_page *page = (struct shared_page *)args->shared;
	uint32_t nobody = 0;

	/* 2: being written, 1: written */
	if (__atomic_compare_exchange_n(&page->failed, &nobody, 2, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE)) {
		page->op = op;
		page->code = (int32_t)-ret;
		page->pid = args->pid;
		page->arg = arg;
		__atomic_store_n(&page->failed, 1, __ATOMIC_RELEASE);
	}
	for (;;)
		sys1(__NR_exit_group, 1);
}

/* A test wants something to go wrong here. */
static long inject(struct shared_page *page, long ret, enum restorer_op op)
{
	__atomic_or_fetch(&page->passed, 1ull << op, __ATOMIC_RELAXED);
	if (page->inject_op != op)
		return ret;
	while (page->inject_hang)
		;
	if (page->inject_kill)
		sys2(__NR_kill, page->inject_kill < 0 ? sys0(__NR_getpid) : page->inject_kill,
		     SIGKILL_);
	return page->inject_code ? -page->inject_code : ret;
}

long restorer_check(struct restorer_args *args, long ret, enum restorer_op op, uint64_t arg)
{
	struct shared_page *page = (struct shared_page *)args->shared;

	if (page->inject)
		ret = inject(page, ret, op);
	if (ret < 0)
		restorer_fail(args, op, ret, arg);
	return ret;
}

void restorer_stop(struct restorer_args *args)
{
	struct shared_page *page = (struct shared_page *)args->shared;

	if (__atomic_add_fetch(&page->arrived, 1, __ATOMIC_ACQ_REL) == page->expected)
		sys3(__NR_futex, (long)&page->arrived, FUTEX_WAKE_, 1);
	sys3(__NR_tgkill, sys0(__NR_getpid), sys0(__NR_gettid), SIGTRAP_);
}

/* What maps a memfd may need what its seals forbid, so they come when all tasks have mapped it. */
static void seal_memfds(struct restorer_args *args)
{
	const struct restorer_seal *s = (const struct restorer_seal *)args->mm.seals;
	uint64_t i;

	for (i = 0; i < args->mm.nr_seals; i++)
		restorer_check(args, sys3(__NR_fcntl, s[i].fd, F_ADD_SEALS_, s[i].seals), RST_SEAL,
			       s[i].seals);
}

/*
 * PR_SET_MM_MAP sets all fields at once, which needs CAP_SYS_ADMIN or
 * CAP_CHECKPOINT_RESTORE for the executable only; the calls that set single
 * fields need CAP_SYS_RESOURCE.
 */
static void restore_mm(struct restorer_args *args)
{
	const struct restorer_mm *mm = &args->mm;
	uint64_t i;

	if (mm->prctl_map)
		restorer_check(args,
			       sys5(__NR_prctl, PR_SET_MM_, PR_SET_MM_MAP_, (long)mm->prctl_map,
				    (long)mm->prctl_map_size, 0),
			       RST_MM, 0);
	for (i = 0; i < 64; i++)
		if (mm->membarrier & 1ull << i)
			restorer_check(args, sys3(__NR_membarrier, (long)(1ull << i), 0, 0), RST_MM,
				       1ull << i);
}

/* When nobody needs names any more, as they lead elsewhere then. */
static void restore_fs(struct restorer_args *args)
{
	static const char here[] = ".";

	if (args->fs_root >= 0) {
		restorer_check(args, sys1(__NR_fchdir, args->fs_root), RST_FS,
			       (uint64_t)args->fs_root);
		restorer_check(args, sys1(__NR_chroot, (long)here), RST_FS,
			       (uint64_t)args->fs_root);
	}
	if (args->fs_cwd >= 0)
		restorer_check(args, sys1(__NR_fchdir, args->fs_cwd), RST_FS,
			       (uint64_t)args->fs_cwd);
	if (args->umask >= 0)
		sys1(__NR_umask, args->umask);
}

/* Who closes what is ours in a shared table waits until the others need it no more. */
static void wait_for_sharers(struct restorer_args *args)
{
	struct shared_page *page = (struct shared_page *)args->shared;

	if (!args->shares_files)
		return;
	__atomic_add_fetch(&page->sharers, 1, __ATOMIC_ACQ_REL);
	while (args->nr_closes && __atomic_load_n(&page->sharers, __ATOMIC_ACQUIRE) < args->sharers)
		sys0(__NR_sched_yield);
}

static void close_files(struct restorer_args *args)
{
	const struct restorer_closes *c = (const struct restorer_closes *)args->closes;
	uint64_t i;

	for (i = 0; i < args->nr_closes; i++)
		sys3(__NR_close_range, c[i].first, c[i].last, 0);
}

static void restore_locks(struct restorer_args *args)
{
	struct restorer_lock *l = (struct restorer_lock *)args->locks;
	uint64_t i;

	for (i = 0; i < args->nr_locks; i++)
		restorer_check(args, sys3(__NR_fcntl, l[i].fd, F_SETLK_, (long)&l[i].type),
			       RST_FILE_LOCK, (uint64_t)l[i].fd);
}

static void restore_dumpable(struct restorer_args *args)
{
	const struct restorer_mm *mm = &args->mm;

	/*
	 * The kernel clears this whenever credentials change. 2 (only root may
	 * look) cannot be set; it is what the kernel itself gives then, or 0.
	 */
	if (mm->dumpable != 2)
		restorer_check(args, sys5(__NR_prctl, PR_SET_DUMPABLE_, mm->dumpable, 0, 0, 0),
			       RST_PRCTL, PR_SET_DUMPABLE_);
}

_Noreturn void restorer_main(struct restorer_args *args)
{
	struct restorer_thread *threads = (struct restorer_thread *)args->threads;

	restore_memory(args);
	restorer_stop(args);

	seal_memfds(args);
	restore_mm(args);
	restore_task_knobs(args);
	restore_fs(args);
	wait_for_sharers(args);
	close_files(args);
	restore_locks(args);
	restore_signals(args);
	restore_threads(args);
	restore_timers(args);
	restore_rlimits(args);
	restore_thread(args->exiting_leader ? (struct restorer_thread *)args->exiting_leader
					    : &threads[0]);
	restore_dumpable(args);
	restorer_stop(args);
	/* Those who live on are told apart from it by the coordinator, who lets only this one go on. */
	if (args->exiting_leader)
		sys1(__NR_exit, (long)args->exit_code);
	for (;;)
		restorer_stop(args);
}
