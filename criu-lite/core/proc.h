/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_PROC_H
#define CORE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/vec.h"

/*
 * The files of /proc/PID, parsed.  @proc is a descriptor of /proc.  All numbers
 * are as the kernel writes them; pids are those of the mounted /proc.
 */
struct proc_stat {
	char comm[64];
	char state; /* R S D T t Z X */
	pid_t ppid, pgid, sid;
	int tty_nr;	/* controlling terminal, 0: none */
	pid_t tty_pgid; /* its foreground group, -1: none */
	unsigned int flags;
	uint64_t start_time;
	uint64_t start_code, end_code, start_stack;
	uint64_t start_data, end_data, start_brk;
	uint64_t arg_start, arg_end, env_start, env_end;
	int exit_code;
	int exit_signal; /* what tells the parent of its end */
	long nice;
	int nr_threads;
	int policy, rt_priority;
	int processor; /* where it ran last */
};

struct proc_status {
	pid_t tracer;
	uint32_t uid[4], gid[4]; /* real, effective, saved, fs */
	uint32_t *groups;
	size_t nr_groups;
	int nspid_depth;
	pid_t nstgid, nspid, nspgid, nssid; /* in the innermost pid namespace */
	uint64_t sig_pending, shared_pending, blocked, ignored, caught;
	uint64_t cap_inh, cap_prm, cap_eff, cap_bnd, cap_amb;
	int no_new_privs;
	int seccomp_mode;
	int seccomp_filters;
	unsigned int umask;
	int threads;
	int thp_enabled; /* -1: the kernel does not say */
};

typedef vec(int) number_list;

/* @tid may be 0: the process. */
int proc_read_stat(int proc, pid_t pid, pid_t tid, struct proc_stat *ret, struct err *err);
int proc_read_status(int proc, pid_t pid, pid_t tid, struct arena *a, struct proc_status *ret,
		     struct err *err);

/* Living children of all threads of @pid, in order of birth where the kernel says. */
typedef number_list pid_list;
int proc_read_children(int proc, pid_t pid, struct arena *a, pid_list *ret, struct err *err);
int proc_read_threads(int proc, pid_t pid, struct arena *a, pid_list *ret, struct err *err);

/* One line of /proc/PID/smaps. */
struct proc_vma {
	uint64_t start, end, pgoff; /* bytes */
	char prot[4];		    /* "rw-p" */
	uint64_t dev;		    /* makedev() */
	uint64_t ino;
	const char *name; /* path, "[heap]", "" */
	bool deleted;
	const char *vm_flags; /* "rd wr mr ..." of smaps, "" if read from maps */
};
typedef vec(struct proc_vma) proc_vma_list;
int proc_read_smaps(int proc, pid_t pid, struct arena *a, proc_vma_list *ret, struct err *err);

/* The same from /proc/PID/maps, or our own: quick, and without flags. */
int proc_read_maps(int proc, pid_t pid, struct arena *a, proc_vma_list *ret, struct err *err);
int proc_read_own_maps(int proc, struct arena *a, proc_vma_list *ret, struct err *err);

/* Numbers in /proc/PID/fd, rising. */
typedef number_list fd_list;
int proc_read_fds(int proc, pid_t pid, struct arena *a, fd_list *ret, struct err *err);

/* Common lines of fdinfo. */
struct proc_fdinfo {
	uint64_t pos;
	unsigned int flags; /* with O_CLOEXEC */
	uint64_t mnt_id, ino;
	const char *text;
};
int proc_read_fdinfo(int proc, pid_t pid, int fd, struct arena *a, struct proc_fdinfo *ret,
		     struct err *err);

/* The numbers among the names in /proc/PID/@dir, in the order of the kernel. */
int proc_read_numbers(int proc, pid_t pid, const char *dir, struct arena *a, number_list *ret,
		      struct err *err);

/* All processes that @proc shows, rising. */
int proc_read_processes(int proc, struct arena *a, pid_list *ret, struct err *err);

/* All text of a file below /proc, with a NUL behind it.  @len_ret may be NULL. */
int proc_slurp(int proc, const char *path, struct arena *a, char **text_ret, size_t *len_ret,
	       struct err *err);

/*
 * The parsers alone.  They take any bytes, and return false, with what they
 * return unspecified, if these are not as the kernel writes them.
 */
bool proc_parse_stat(const char *s, size_t len, struct proc_stat *ret);
bool proc_parse_status(const char *s, size_t len, struct arena *a, struct proc_status *ret);
bool proc_parse_children(const char *s, size_t len, struct arena *a, pid_list *ret);
bool proc_parse_maps(const char *s, size_t len, struct arena *a, proc_vma_list *ret);
/* @s ends with a NUL and is kept. */
bool proc_parse_fdinfo(const char *s, size_t len, struct proc_fdinfo *ret);

/* The name of a process, "?" if there is none; @buf is at least 64 bytes.  Returns @buf. */
const char *proc_comm(int proc, pid_t pid, char *buf);

#endif
