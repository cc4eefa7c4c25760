/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pidfd - a task as a descriptor, living or dead
 *
 * collect   the task is in fdinfo; it must be one of the tree, or have been
 *           reaped.  All pidfds of one task have its inode number in common,
 *           which is how those of a dead one are known to belong together
 * open      a living task (or a zombie) is there, it is opened by pid.  For a
 *           dead one a child is born, ends as it had ended, and is reaped
 * threads   those of threads, which have been born by now, replace one of the
 *           task that held the place
 *
 * The child has whatever pid is free, and has gone before threads get theirs.
 *
 * not kept  inode number; whether a dead task left a core; of one of a thread, that
 *           tasks which do not share their descriptors have the same open file
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "base/vec.h"
#include "compel.h"
#include "core/fdtable.h"
#include "core/kind.h"
#include "core/proc.h"
#include "core/shared.h"
#include "core/worker.h"

enum { THREAD = O_EXCL }; /* PIDFD_THREAD */

/* The pidfds of one dead task. */
struct dead {
	uint32_t ino;
	vec(struct file *) files;
};

struct pidfd_state {
	vec(struct dead *) dead;
};

extern const struct file_kind pidfd_kind;

/* Any thread, the leader or another; its task goes to *@task_ret. */
static const struct thread *find_thread(const struct tree *tree, pid_t id, bool host,
					const struct task **task_ret)
{
	const struct task *t;

	for_each_task(t, tree)
		for (size_t i = 0; i < t->nr_threads; i++)
			if ((host ? t->threads[i].host_tid : t->threads[i].tid) == id) {
				*task_ret = t;
				return &t->threads[i];
			}
	return NULL;
}

static bool is_late_pidfd(const struct tree *tree, const struct file *f)
{
	const PidfdEntry *e = f->image->pidfd;

	return e->flags & THREAD && e->nspid > 0 && !task_by_pid(tree, e->nspid);
}

/* ---- dump ---- */

/* struct pidfd_info and its ioctl, from Linux 6.15 on */
struct exit_info {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};

enum { INFO_EXIT = 1 << 3 };

/* How it ended; older kernels do not tell. */
static void collect_end_of_task(int own, PidfdEntry *e)
{
	struct exit_info info = { .mask = INFO_EXIT };

	if (ioctl(own, _IOWR(0xff, 11, struct exit_info), &info) < 0 || !(info.mask & INFO_EXIT))
		return;
	e->has_exit_code = true;
	e->exit_code = (uint32_t)info.exit_code;
}

static int refuse_outside(struct dump *d, const struct fd_probe *p, pid_t pid, struct err *err)
{
	char comm[64];

	if (pid)
		err_set(err, EOPNOTSUPP,
			"cannot dump pidfd %d: it is task %d (\"%s\"), which is not in the tree",
			p->fd, pid, proc_comm(d->proc, pid, comm));
	else
		err_set(err, EOPNOTSUPP,
			"cannot dump pidfd %d: its task is outside of our pid namespace", p->fd);
	err_why(err, "whoever has that number at restore would be another task");
	return err_hint(err, "dump a tree that has this task, or close the pidfd before");
}

static int collect_pidfd(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	PidfdEntry *e = record_new(d, pidfd_entry);
	const struct thread *th;
	const struct task *t;
	struct text value;
	int64_t pid;

	if (!text_find(p->fdinfo, "Pid:", &value) || !text_s64(&value, &pid))
		return err_set(err, EPROTO, "cannot read the pid of pidfd %d", p->fd);

	if (pid < 0) {
		e->nspid = -1;
		collect_end_of_task(p->own, e);
	} else if ((t = task_by_host_pid(d->tree, (pid_t)pid))) {
		e->nspid = t->pid;
	} else {
		th = find_thread(d->tree, (pid_t)pid, true, &t);
		if (!pid || !th)
			return refuse_outside(d, p, (pid_t)pid, err);
		e->nspid = th->tid;
	}
	e->ino = (uint32_t)p->st.st_ino;
	e->flags = p->flags & ~(unsigned int)O_ACCMODE;
	fe->pidfd = e;
	return 0;
}

/* ---- restore ---- */

static struct dead *dead_of(struct restore *r, uint32_t ino)
{
	struct pidfd_state *s = kind_state(r->kinds, &pidfd_kind);
	struct dead **at, *dead;

	vec_for_each(at, &s->dead)
		if ((*at)->ino == ino)
			return *at;
	dead = arena_new(r->arena, struct dead);
	dead->ino = ino;
	*vec_add(r->arena, &s->dead) = dead;
	return dead;
}

static int plan_pidfd(struct restore *r, struct file *f, struct err *err)
{
	const PidfdEntry *e = f->image->pidfd;
	const struct task *t;
	struct dead *dead;

	if (e->nspid > 0 && task_by_pid(r->tree, e->nspid))
		return 0;
	if (e->nspid > 0 && e->flags & THREAD && find_thread(r->tree, e->nspid, false, &t)) {
		f->data = (void *)t;
		return 0;
	}
	if (e->nspid != -1) {
		err_set(err, ESRCH, "cannot restore a pidfd of task %d, which is not in the tree",
			e->nspid);
		return err_hint(err,
				"the checkpoint is damaged or was not finished; take it again");
	}
	dead = dead_of(r, e->ino);
	if (dead->files.n)
		file_join(dead->files.items[0], f);
	*vec_add(r->arena, &dead->files) = f;
	f->data = dead;
	return 0;
}

static int open_task(pid_t pid, const PidfdEntry *e, struct err *err)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, e->flags & (O_NONBLOCK | THREAD));

	return fd < 0 ? err_sys(err, "cannot open a pidfd of task %d", pid) : fd;
}

static int reap(pid_t pid, struct err *err)
{
	int ret;

	do
		ret = waitpid(pid, NULL, __WALL);
	while (ret < 0 && errno == EINTR);
	return ret < 0 ? err_sys(err, "cannot reap a child made for a pidfd") : 0;
}

/* Until the thread is there. */
static int open_placeholder(const struct task *t, struct err *err)
{
	int fd = (int)syscall(SYS_pidfd_open, t->pid, 0);

	return fd < 0 ? err_sys(err, "cannot open a pidfd of task %d", t->pid) : fd;
}

static int open_dead(struct restore *r, struct file *f, struct err *err)
{
	const struct dead *dead = f->data;
	struct file **other;
	int fd = -1;
	/* no signal for us, who are to be another task soon; nothing for a tracer either */
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | CLONE_UNTRACED, 0, &fd, 0, 0);

	if (pid < 0)
		return err_sys(err, "cannot fork a child for a pidfd");
	if (pid == 0)
		exit_like((int)f->image->pidfd->exit_code);

	vec_for_each(other, &dead->files) {
		int one;

		if (*other == f)
			continue;
		one = open_task(pid, (*other)->image->pidfd, err);
		if (one < 0)
			return one;
		file_give(r, *other, one);
	}
	return reap(pid, err) < 0 ? -err->code : fd;
}

static int open_pidfd(struct restore *r, struct file *f, struct err *err)
{
	const PidfdEntry *e = f->image->pidfd;

	if (is_late_pidfd(r->tree, f))
		return open_placeholder(f->data, err);
	return e->nspid < 0 ? open_dead(r, f, err) : open_task(e->nspid, e, err);
}

/* ---- threads ---- */

static long call(struct restore *r, const struct task *t, long nr, unsigned long a, unsigned long b,
		 unsigned long c, struct err *err)
{
	unsigned long args[6] = { a, b, c };
	long ret;

	if (compel_raw_syscall(t->host_alive, r->shared->tasks[t->index].insn, nr, args, &ret,
			       err) < 0)
		return -err->code;
	return ret < 0 ? err_set(err, (int)-ret, "cannot open a pidfd in task %d", t->pid) : ret;
}

static int put_at(struct restore *r, const struct task *t, const struct fdtable_entry *at,
		  const struct fdtable_entry *from, struct err *err)
{
	return (int)call(r, t, SYS_dup3, (unsigned long)from->fd, (unsigned long)at->fd,
			 at->cloexec ? O_CLOEXEC : 0, err);
}

/* Where the placeholder was there is room for it. */
static int open_at(struct restore *r, const struct task *t, const struct fdtable_entry *at,
		   struct err *err)
{
	const PidfdEntry *e = at->file->image->pidfd;
	struct fdtable_entry made = { 0 };

	if (call(r, t, SYS_close, (unsigned long)at->fd, 0, 0, err) < 0)
		return -err->code;
	made.fd = (int)call(r, t, SYS_pidfd_open, (unsigned long)e->nspid,
			    e->flags & (O_NONBLOCK | THREAD), 0, err);
	if (made.fd < 0)
		return made.fd;
	if (made.fd == at->fd)
		return at->cloexec
			       ? 0
			       : (int)call(r, t, SYS_fcntl, (unsigned long)at->fd, F_SETFD, 0, err);
	if (put_at(r, t, at, &made, err) < 0)
		return -err->code;
	return (int)call(r, t, SYS_close, (unsigned long)made.fd, 0, 0, err);
}

static int open_in(struct restore *r, const struct task *t, struct file *f, struct err *err)
{
	const struct fdtable_entry *at, *first = NULL;

	vec_for_each(at, &t->fdtable->entries) {
		if (at->file != f)
			continue;
		if ((first ? put_at(r, t, at, first, err) : open_at(r, t, at, err)) < 0)
			return -err->code;
		first = first ?: at;
	}
	return 0;
}

static int threads_pidfd(struct restore *r, struct err *err)
{
	struct file *f;
	struct task *t;

	for_each_file(f, r->files) {
		if (f->kind != &pidfd_kind || !f->owner || !is_late_pidfd(r->tree, f))
			continue;
		for_each_alive(t, r->tree) if (t->fdtable->task == t &&
					       open_in(r, t, f, err) < 0) return -err->code;
	}
	return 0;
}

const struct file_kind pidfd_kind = {
	.name = "pidfd",
	.type = FD_TYPES__PIDFD,
	.anon = "[pidfd]",
	.state_size = sizeof(struct pidfd_state),
	.collect = collect_pidfd,
	.plan = plan_pidfd,
	.open = open_pidfd,
	.is_late = is_late_pidfd,
	.threads = threads_pidfd,
};
