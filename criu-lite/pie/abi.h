/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PIE_ABI_H
#define PIE_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What crosses the border between criu-lite and the code that runs inside
 * other processes.  Fixed widths only; an address is a uint64_t and is valid
 * where the struct is used.
 */

/* ---- the parasite: commands of compel_call() ---- */

enum parasite_cmd {
	PARASITE_TASK = 1,    /* struct parasite_task */
	PARASITE_THREAD,      /* struct parasite_thread, in each thread */
	PARASITE_TIMERS,      /* struct parasite_timers */
	PARASITE_WRITE_PAGES, /* struct parasite_write */
	PARASITE_STOP_SEEN,   /* struct parasite_stop, in the parent of a stopped task */
	PARASITE_POLICIES,    /* struct parasite_policies */
	PARASITE_POLICY,      /* struct parasite_policy */
	PARASITE_UFFD,	      /* struct parasite_uffd */
	PARASITE_LOOK,	      /* struct parasite_look, in each thread */
};

enum { PARASITE_ARGS_SIZE = 64 * 1024 };

enum {
	NR_SPECULATIONS = 3, /* PR_SPEC_STORE_BYPASS and its like */
	NR_NODES = 1024,     /* of NUMA machines, as many as kernels can have */
};

struct parasite_sigaction {
	uint64_t handler, flags, restorer, mask; /* as the kernel's struct has them */
};

struct parasite_itimer {
	uint64_t interval_sec, interval_usec, value_sec, value_usec;
};

/* What only the task itself can ask the kernel. */
struct parasite_task {
	struct parasite_sigaction sigactions[64]; /* [0] is signal 1 */
	struct parasite_itimer itimers[3];	  /* real, virtual, prof */
	uint64_t brk;
	int32_t dumpable;
	int32_t thp_disabled;
	int32_t child_subreaper;
	int32_t membarrier;   /* mask of registrations, or negative errno */
	int32_t mdwe;	      /* PR_GET_MDWE */
	int32_t memory_merge; /* PR_GET_MEMORY_MERGE */
	int32_t lock_future;  /* MCL_*: what memory mapped from now on will be */
	uint64_t vector_permitted; /* vector state it may use that others may not, by number of component */
};

struct parasite_thread {
	uint64_t tid_address; /* clear_child_tid */
	uint64_t sas_sp, sas_size;
	uint32_t sas_flags;
	uint32_t pdeath_sig;
	uint32_t securebits;
	uint32_t tsc;			       /* PR_TSC_*, 0: this CPU has nothing of the kind */
	uint32_t mce_kill;		       /* PR_MCE_KILL_* */
	uint32_t speculation[NR_SPECULATIONS]; /* PR_SPEC_* */
	uint32_t memory_policy;		       /* MPOL_*, with flags */
	uint32_t pad;
	uint64_t nodes[NR_NODES / 64]; /* of its memory policy */
};

/* Has it asked for the stop of its child? */
struct parasite_stop {
	int32_t pid;	/* in */
	int32_t unseen; /* out */
};

/* May it look into another process? */
struct parasite_look {
	int32_t dir;	/* in: its directory in /proc */
	int32_t result; /* out: 0, or a negative errno */
};

struct parasite_timer {
	int32_t id; /* in: kernel timer id */
	int32_t overrun;
	uint64_t interval_sec, interval_nsec, value_sec, value_nsec;
};

struct parasite_timers {
	uint32_t n;
	uint32_t pad;
	struct parasite_timer timers[];
};

/* Which areas have a memory policy of their own. */
struct parasite_policies {
	uint32_t n;
	uint32_t pad;
	uint64_t at[]; /* in: addresses; out: MPOL_*, with flags; 0: it has none */
};

struct parasite_policy {
	uint64_t at, end; /* in: an area */
	uint32_t mode;	  /* out: as above */
	uint32_t differs; /* out: not all of its pages have that one */
	uint64_t nodes[NR_NODES / 64];
};

/* A userfaultfd for its own memory, in the place of a descriptor that it was given. */
struct parasite_uffd {
	int32_t fd;
	int32_t pad;
};

struct parasite_iov {
	uint64_t base, len;
};

/*
 * Write memory of the victim into one of its descriptors, one area after the
 * other.  The result is the number of bytes written: fewer than asked for if
 * the victim may not read what comes next.  A pipe gets the pages themselves, not a
 * copy: they must have been read there before the victim goes on.
 */
#define PARASITE_PIPE UINT64_MAX

struct parasite_write {
	int32_t fd;
	uint32_t n;
	uint64_t offset; /* where in the file; PARASITE_PIPE: it is a pipe */
	struct parasite_iov iov[];
};

/* ---- pie/parasite_knobs.c ---- */

void parasite_task_knobs(struct parasite_task *t);
void parasite_thread_knobs(struct parasite_thread *t);
long parasite_policies(struct parasite_policies *p);
long parasite_policy(struct parasite_policy *p);

/* ---- arch/CPU/pie_vector.c, in both ---- */

/* Vector state that the process has asked for, by number of component; 0: none, or not such a CPU. */
uint64_t vector_get_permitted(void);

/* Ask for it; a negative errno. */
long vector_permit(uint64_t components);

/* Have the kernel make room for it in this thread. */
void vector_make_large(void);

/* ---- the restorer ---- */

/* Shared by the coordinator and all newborn tasks. */
struct shared_page {
	uint32_t failed;  /* somebody failed: what follows is the first failure inside a restorer */
	uint32_t op;	  /* enum restorer_op */
	int32_t code;	  /* errno, positive */
	int32_t pid;	  /* who */
	uint64_t arg;	  /* an address, a signal ...: depends on op */
	uint32_t sharers; /* who share descriptors, and need those of ours no more */

	/* of those that were let go on together; the last one wakes who waits for @arrived */
	uint32_t expected, arrived;

	/* for tests of what happens when something fails */
	uint32_t inject;      /* there is one: what follows is of interest */
	uint32_t inject_op;   /* where; RST_NONE: nowhere */
	int32_t inject_code;  /* the errno to report, 0: none */
	uint32_t inject_hang; /* go on no more */
	int32_t inject_kill;  /* whom to kill, -1: ourselves, 0: nobody */
	uint64_t passed;      /* out, bit N: operation N has been done by somebody */

	uint64_t scratch[16]; /* arguments of a system call that the coordinator has a task make */
};

/* What a restorer was doing when it failed; the host has the words for each. */
enum restorer_op {
	RST_NONE,
	RST_UNMAP,     /* arg: address */
	RST_VDSO,      /* arg: address */
	RST_MMAP,      /* arg: address of the vma */
	RST_READ,      /* arg: address that pages were read to */
	RST_PROTECT,   /* arg: address */
	RST_MADVISE,   /* arg: address */
	RST_MM,	       /* PR_SET_MM_MAP */
	RST_THREAD,    /* arg: tid */
	RST_FILLER,    /* helper for reading pages */
	RST_SIGACTION, /* arg: signal */
	RST_SIGQUEUE,  /* arg: signal */
	RST_ITIMER,    /* arg: which */
	RST_TIMER,     /* arg: timer id */
	RST_CREDS,     /* arg: step */
	RST_SECCOMP,   /* arg: filter */
	RST_RLIMIT,    /* arg: resource */
	RST_SCHED,     /* arg: tid */
	RST_PRCTL,     /* arg: option */
	RST_RSEQ,      /* arg: tid */
	RST_SAS,       /* arg: tid */
	RST_LOCK,      /* arg: address */
	RST_GUARD,     /* arg: address */
	RST_SEAL,      /* arg: seals */
	RST_SHM,       /* arg: number of the segment */
	RST_FILE_LOCK, /* arg: descriptor */
	RST_FS,	       /* arg: descriptor */
	RST_POLICY,    /* arg: tid */
	RST_AIO,       /* arg: address of the ring */
	RST_MBIND,     /* arg: address */
	RST_MSEAL,     /* arg: address */
	RST_OPS,       /* how many */
};

enum { RESTORER_STACK = 16 * 1024 };

/* One area of the new address space. */
struct restorer_vma {
	uint64_t start, len;
	uint64_t pgoff; /* bytes */
	uint64_t madv;	/* bit N: madvise value N */
	uint32_t prot;
	uint32_t flags; /* MAP_*, as given to mmap, without MAP_FIXED */
	int32_t fd;	/* -1: none */
	uint32_t fill;	/* pages are read into it before it gets its protection */
	int32_t shm;	/* System V segment, -1: none */
	uint32_t shm_flags;
	uint64_t shm_len;    /* of the segment, whole pages */
	uint32_t lock_flags; /* of mlock2() */
	uint32_t aio;	     /* it becomes an AIO ring, for so many requests; 0: it does not */
	uint32_t kept;	     /* it is there, readable and writable */
	uint32_t sealed;     /* mseal(), last of all */
	uint64_t name;	     /* text for PR_SET_VMA_ANON_NAME; 0: none */
	uint64_t policy;     /* struct restorer_policy, 0: none */
};

/* For mbind(). */
struct restorer_policy {
	uint32_t mode; /* MPOL_*, with flags */
	uint32_t pad;
	uint64_t nodes[NR_NODES / 64];
};

/* A piece of memory; laid out like struct iovec. */
struct restorer_iov {
	uint64_t base, len;
};

/* Pages from an image: what is at @off of @fd goes to these pieces, one after the other. */
struct restorer_io {
	uint64_t iov, nr_iov; /* struct restorer_iov[], at most 1024 */
	uint64_t off;
	int32_t fd;
	uint32_t pad;
};

/* A memfd that gets its seals when everything that maps it has done so. */
struct restorer_seal {
	int32_t fd;
	uint32_t seals;
};

/* Code to be put into memory that has got its pages. */
struct restorer_patch {
	uint64_t addr;
	uint32_t len;
	uint8_t bytes[20];
};

/* What mm/ needs; filled by stage map of mem/. */
struct restorer_mm {
	uint64_t vmas, nr_vmas;		    /* struct restorer_vma[] */
	uint64_t ios, nr_ios;		    /* struct restorer_io[] */
	uint64_t fillers;		    /* how many helpers besides the leader read pages */
	uint64_t vdso;			    /* where vvar and vdso go as one block, 0: nowhere */
	uint64_t patches, nr_patches;	    /* struct restorer_patch[] */
	uint64_t prctl_map, prctl_map_size; /* struct prctl_mm_map */
	int32_t dumpable;
	int32_t thp_disabled;
	uint64_t task_size;	    /* end of what is unmapped */
	uint64_t next_io;	    /* shared by the fillers: index of the next of ios */
	uint64_t membarrier;	    /* registrations to repeat */
	uint64_t guards, nr_guards; /* struct restorer_iov[]: lightweight guard pages */
	uint64_t seals, nr_seals;   /* struct restorer_seal[] */
	uint64_t filler_stacks;	    /* RESTORER_STACK bytes each */
};

struct restorer_timer {
	int32_t id, clock, signo, notify;
	uint64_t sival;
	int32_t notify_tid, overrun;
	uint64_t interval_sec, interval_nsec, value_sec, value_nsec;
	uint32_t fired; /* its signal is pending */
	uint32_t pad;
};

struct restorer_creds {
	uint32_t uids[4], gids[4]; /* real, effective, saved, fs */
	uint64_t cap_inh, cap_prm, cap_eff, cap_bnd, cap_amb;
	uint32_t securebits;
	uint32_t no_new_privs;
	uint64_t groups, nr_groups; /* uint32_t[] */
};

struct restorer_thread {
	uint64_t args;		    /* struct restorer_args */
	uint64_t stack, stack_size; /* what it runs on until its registers are set */
	int32_t tid;
	uint32_t is_leader;
	uint64_t tls; /* what CLONE_SETTLS would set; registers carry it on x86-64 */
	uint64_t tid_address;
	uint64_t robust_list, robust_list_len;
	uint64_t rseq, rseq_size, rseq_sig; /* rseq 0: none */
	uint64_t sas_sp, sas_size;
	uint32_t sas_flags;
	uint32_t pdeath_sig;
	int32_t sched_policy, sched_priority, sched_nice;
	uint32_t vector_large; /* it uses vector state for which the kernel must make room first */
	char comm[16];
	struct restorer_creds creds;
	uint64_t filters,
		nr_filters; /* struct restorer_filter[], in the order they are installed */
	uint64_t siginfos, nr_siginfos;	       /* 128 bytes each, queued to this thread */
	uint32_t tsc;			       /* PR_SET_TSC, 0: as it is */
	uint32_t mce_kill;		       /* PR_MCE_KILL_* */
	uint32_t speculation[NR_SPECULATIONS]; /* PR_SPEC_*, 0: as it is */
	uint32_t memory_policy;		       /* MPOL_*, with flags */
	uint64_t nodes[NR_NODES / 64];
};

struct restorer_filter {
	uint64_t insns; /* struct sock_filter[] */
	uint32_t n, flags;
};

struct restorer_rlimit {
	uint64_t cur, max;
};

/*
 * All that a newborn task needs once nothing of criu-lite is left in its
 * memory.  Lives, with everything it points to, in the region.
 */
/* A POSIX lock. */
struct restorer_lock {
	int32_t fd;
	uint32_t pad;
	int16_t type, whence; /* from here on as the kernel's struct flock */
	uint32_t pad2;
	int64_t start, len;
	int32_t pid;
	uint32_t pad3;
};

/* Descriptors from one to another. */
struct restorer_closes {
	uint32_t first, last;
};

struct restorer_args {
	uint64_t shared; /* struct shared_page */
	uint64_t region,
		region_size; /* everything of ours: code, this, stacks; unmapped last, from outside */
	uint64_t closes,
		nr_closes; /* struct restorer_closes[]: what may be ours, closed when memory is there */
	uint64_t locks, nr_locks; /* struct restorer_lock[]: set when nothing is closed any more */
	uint32_t sharers; /* how many tasks there are that share their descriptors with others */
	uint32_t shares_files; /* whether this is one of them */
	int32_t fs_root,
		fs_cwd; /* descriptors; fs_root -1: the root is right; fs_cwd -1: another task sets them */
	int32_t umask; /* -1: stays as it is */
	int32_t pid;
	uint32_t nr_threads;
	uint64_t threads;	 /* struct restorer_thread[], the leader first */
	uint64_t exiting_leader; /* struct restorer_thread, 0: the leader is one of the threads */
	uint64_t exit_code;	 /* of that leader */
	struct restorer_mm mm;

	struct parasite_sigaction sigactions[64];
	uint64_t sigaction_mask; /* bit N-1: sigactions[N-1] is set */
	struct parasite_itimer itimers[3];
	uint64_t timers, nr_timers;	/* struct restorer_timer[] */
	uint64_t siginfos, nr_siginfos; /* 128 bytes each, queued to the process */
	struct restorer_rlimit rlimits[16];
	uint32_t nr_rlimits;
	int32_t child_subreaper;
	uint32_t personality;
	uint32_t mdwe; /* PR_SET_MDWE */
	uint64_t vector_permitted;
	uint32_t memory_merge;
	uint32_t lock_future;	 /* MCL_* */
	uint64_t shared_filters; /* the first of each thread's filters that are the same for all */
};

#endif
