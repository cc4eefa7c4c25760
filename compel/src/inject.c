/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inject - a blob goes in, threads run it, and everything goes out again
 *
 * The blob's end of the socket pair is the only descriptor in the victim.  When
 * our end closes, whoever runs the blob returns to its own code by itself: so
 * no copy of our end may live on in a child of ours.
 *
 * not kept	the shadow stack pointer (CET) of a thread that runs the blob
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "internal.h"
#include "stop.h"

enum {
	LEAVE_TIMEOUT_MS = 10000,
	PIDFD_OF_THREAD = O_EXCL, /* PIDFD_THREAD, Linux 6.9 */
};

/* Threads can have unshared their descriptors; there the socket would be another file. */
static int check_files_shared(struct compel_task *task, struct compel_thread *t, struct err *err)
{
	pid_t home = task->blob->home->tid;

	if (t->tid == home || syscall(SYS_kcmp, home, t->tid, KCMP_FILES, 0, 0) <= 0)
		return 0;
	return err_set(err, EOPNOTSUPP,
		       "cannot run code in thread %d, its descriptors are not those of thread %d",
		       t->tid, home);
}

int blob_enter(struct compel_task *task, struct compel_thread *t, struct err *err)
{
	struct compel_blob *b = task->blob;
	struct compel_regs regs = t->regs;
	int ret;

	if (b->inside == t)
		return 0;

	ret = blob_leave(task, err);
	if (ret == 0)
		ret = remote_is_allowed(task, t, err);
	if (ret == 0)
		ret = check_files_shared(task, t, err);
	if (ret == 0)
		ret = blob_write_resume(task, t, err);
	if (ret < 0)
		return ret;

	arch_set_entry(&regs, b->base, blob_control(b));
	ret = thread_run(t->tid, &regs);
	if (ret < 0)
		return thread_err(err, ret, t, "run code in");
	b->inside = t;
	return 0;
}

int blob_leave(struct compel_task *task, struct err *err)
{
	struct compel_blob *b = task->blob;
	struct patience p = patience_of(LEAVE_TIMEOUT_MS);
	struct compel_thread *t;
	int ret, status;

	if (!b || !b->inside)
		return 0;

	t = b->inside;
	b->inside = NULL;
	ret = thread_park(t->tid, &p, &status);
	if (ret == 0)
		ret = thread_reset(t);
	return ret < 0 ? thread_err(err, ret, t, "take our code out of") : 0;
}

/* A call in the home thread whose failure is a failure of ours. */
static int home_call(struct compel_task *task, long nr, const unsigned long args[6], long *ret_ret,
		     const char *what, struct err *err)
{
	long result;
	int ret = compel_syscall(task, task->blob->home, nr, args, &result, err);

	if (ret < 0)
		return ret;
	if (result < 0 && result > -4096)
		return err_set(err, (int)-result, "cannot %s in process %d", what, task->pid);
	if (ret_ret)
		*ret_ret = result;
	return 0;
}

/*
 * Code is writable for /proc/PID/mem only, and nothing is ever writable and
 * executable: that may be forbidden in the victim.
 */
static int map(struct compel_task *task, const struct compel_image *image, struct err *err)
{
	struct compel_blob *b = task->blob;
	unsigned long mmap_args[6] = {
		0, b->size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, (unsigned long)-1, 0
	};
	unsigned long protect_args[6] = { 0, b->size - b->code_size, PROT_READ | PROT_WRITE };
	long base;
	int ret;

	ret = home_call(task, SYS_mmap, mmap_args, &base, "map memory", err);
	if (ret < 0)
		return err_hint(err, "check its limits RLIMIT_AS and RLIMIT_MEMLOCK");

	b->base = (unsigned long)base;
	ret = task_write(task, b->base, image->start, image->size, err);
	if (ret == 0)
		ret = blob_write_sock(task, -1, err);
	if (ret == 0)
		ret = blob_write_host(task, -1, err);
	if (ret < 0)
		return ret;

	protect_args[0] = b->base + b->code_size;
	return home_call(task, SYS_mprotect, protect_args, NULL, "protect memory", err);
}

static int remote_close(struct compel_task *task, int fd, struct err *err)
{
	return home_call(task, SYS_close, (unsigned long[6]){ (unsigned long)fd }, NULL,
			 "close a descriptor", err);
}

static int steal_fd(struct compel_thread *t, int remote, struct err *err)
{
	scoped_fd pidfd = (int)syscall(SYS_pidfd_open, t->tid, PIDFD_OF_THREAD);
	int fd;

	/* Before Linux 6.9 only leaders have one, which most threads are. */
	if (pidfd < 0)
		pidfd = (int)syscall(SYS_pidfd_open, t->tid, 0);
	if (pidfd < 0)
		return err_sys(err, "cannot get a pidfd of thread %d", t->tid);

	fd = (int)syscall(SYS_pidfd_getfd, pidfd, remote, 0);
	return fd < 0 ? err_sys(err, "cannot get a descriptor of thread %d", t->tid) : fd;
}

/*
 * Its soft limit may leave us no descriptor.  As long as we are inside it is
 * the hard one; the block remembers what it was, for whoever ends this.
 */
static int raise_nofile(struct compel_task *task, struct err *err)
{
	unsigned long control = blob_control(task->blob);
	unsigned long ours = control + offsetof(struct compel_control, our_nofile);
	unsigned long was = control + offsetof(struct compel_control, nofile);
	unsigned long ask[6] = { 0, RLIMIT_NOFILE, 0, ours };
	unsigned long set[6] = { 0, RLIMIT_NOFILE, ours, was };
	uint64_t limit[2] = { 0 };
	int ret;

	ret = home_call(task, SYS_prlimit64, ask, NULL, "read RLIMIT_NOFILE", err);
	if (ret == 0)
		ret = task_read(task, ours, limit, sizeof(limit), err);
	limit[0] = limit[1];
	if (ret == 0)
		ret = task_write(task, ours, limit, sizeof(limit), err);
	if (ret == 0)
		ret = home_call(task, SYS_prlimit64, set, NULL, "raise RLIMIT_NOFILE", err);
	task->blob->nofile_is_raised = ret == 0;
	return ret;
}

static int put_nofile_back(struct compel_task *task, struct err *err)
{
	unsigned long was = blob_control(task->blob) + offsetof(struct compel_control, nofile);
	unsigned long args[6] = { 0, RLIMIT_NOFILE, was };

	if (!task->blob->nofile_is_raised)
		return 0;
	return home_call(task, SYS_prlimit64, args, NULL, "set RLIMIT_NOFILE", err);
}

static int make_pair(struct compel_task *task, unsigned long pair_at, struct err *err)
{
	unsigned long args[6] = { AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair_at };
	struct err ignored = { 0 };
	int ret = home_call(task, SYS_socketpair, args, NULL, "make a socket", err);

	if (ret == -EMFILE && raise_nofile(task, &ignored) == 0) {
		memset(err, 0, sizeof(*err));
		ret = home_call(task, SYS_socketpair, args, NULL, "make a socket", err);
	}
	return ret < 0 ? err_hint(err, "it needs two free descriptors, see its RLIMIT_NOFILE") : 0;
}

static int connect_blob(struct compel_task *task, struct err *err)
{
	struct compel_blob *b = task->blob;
	unsigned long pair_at = blob_control(b) + offsetof(struct compel_control, pair);
	int pair[2], ret;

	ret = make_pair(task, pair_at, err);
	if (ret < 0)
		return ret;
	ret = task_read(task, pair_at, pair, sizeof(pair), err);
	if (ret < 0)
		return ret;

	b->remote_sock = pair[1];
	b->sock = steal_fd(b->home, pair[0], err);
	ret = remote_close(task, pair[0], err);
	if (b->sock < 0)
		return -err->code;
	return ret < 0 ? ret : blob_write_sock(task, pair[1], err);
}

static int blob_new(struct compel_task *task, const struct compel_image *image, size_t args_size,
		    struct err *err)
{
	struct compel_blob *b = calloc(1, sizeof(*b));

	if (!b)
		return err_set(err, ENOMEM, "cannot put code into process %d", task->pid);

	b->sock = b->remote_sock = -1;
	b->home = task_thread(task);
	blob_layout(b, image->size, args_size);
	task->blob = b;
	return 0;
}

/* See wait_for_end() in entry.c. */
static int send_own_pidfd(struct compel_task *task, struct err *err)
{
	scoped_fd pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int remote, ret;

	if (pidfd < 0)
		return err_sys(err, "cannot open a pidfd of ourselves");
	ret = compel_send_fd(task, pidfd, &remote, err);
	return ret < 0 ? ret : blob_write_host(task, remote, err);
}

int compel_inject(struct compel_task *task, const struct compel_image *image, size_t args_size,
		  struct err *err)
{
	struct err ignored;
	int ret;

	ret = remote_is_allowed(task, task_thread(task), err);
	if (ret == 0)
		ret = blob_new(task, image, args_size, err);
	if (ret < 0)
		return ret;

	ret = map(task, image, err);
	if (ret == 0)
		ret = connect_blob(task, err);
	/* It waits in there, so that it notices our death and closes its socket. */
	if (ret == 0)
		ret = blob_enter(task, task_thread(task), err);
	if (ret == 0 && task->stop_signal)
		ret = send_own_pidfd(task, err);
	if (ret < 0)
		compel_cure(task, &ignored);
	return ret;
}

int compel_stay(struct compel_task *task, struct err *err)
{
	return task->blob ? blob_enter(task, task->blob->home, err) : 0;
}

static int unmap(struct compel_task *task, struct err *err)
{
	struct compel_blob *b = task->blob;
	unsigned long args[6] = { b->base, b->size };

	b->base = 0; /* so that the call is not made through what it unmaps */
	return home_call(task, SYS_munmap, args, NULL, "unmap memory", err);
}

static int take_out(struct compel_task *task, struct err *err)
{
	struct compel_blob *b = task->blob;
	int ret = blob_leave(task, err);

	while (ret == 0 && b->nr_fds)
		ret = remote_close(task, b->fds[--b->nr_fds], err);
	if (ret == 0 && b->remote_sock >= 0)
		ret = remote_close(task, b->remote_sock, err);
	if (ret == 0)
		ret = put_nofile_back(task, err);
	if (ret == 0 && b->base)
		ret = unmap(task, err);
	return ret;
}

int compel_cure(struct compel_task *task, struct err *err)
{
	int ret = task->blob ? take_out(task, err) : 0;

	blob_free(task);
	return ret;
}
