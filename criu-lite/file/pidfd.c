/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pidfd - a task as a descriptor, living or dead
 *
 * collect   the task is in fdinfo; it must be one of the tree, or have been
 *           reaped.  All pidfds of one task have its inode number in common,
 *           which is how those of a dead one are known to belong together
 * open      a living task (or a zombie) is there, it is opened by pid.  For a
 *           dead one a child is born, ends as it had ended, and is reaped
 *
 * The child has whatever pid is free, and has gone before threads get theirs.
 *
 * not kept  inode number; whether a dead task left a core
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
#include "core/kind.h"
#include "core/proc.h"
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
	const struct task *t;
	struct text value;
	int64_t pid;

	if (!text_find(p->fdinfo, "Pid:", &value) || !text_s64(&value, &pid))
		return err_set(err, EPROTO, "cannot read the pid of pidfd %d", p->fd);
	if (p->flags & THREAD) {
		err_set(err, EOPNOTSUPP,
			"cannot dump pidfd %d: it is one of a thread (%" PRId64 ")", p->fd, pid);
		return err_hint(err, "open it without PIDFD_THREAD, or close it before the dump");
	}

	if (pid < 0) {
		e->nspid = -1;
		collect_end_of_task(p->own, e);
	} else {
		t = task_by_host_pid(d->tree, (pid_t)pid);
		if (!t)
			return refuse_outside(d, p, (pid_t)pid, err);
		e->nspid = t->pid;
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
	struct dead *dead;

	if (e->nspid > 0 && task_by_pid(r->tree, e->nspid))
		return 0;
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
	int fd = (int)syscall(SYS_pidfd_open, pid, e->flags & O_NONBLOCK);

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

	return e->nspid < 0 ? open_dead(r, f, err) : open_task(e->nspid, e, err);
}

const struct file_kind pidfd_kind = {
	.name = "pidfd",
	.type = FD_TYPES__PIDFD,
	.anon = "[pidfd]",
	.state_size = sizeof(struct pidfd_state),
	.collect = collect_pidfd,
	.plan = plan_pidfd,
	.open = open_pidfd,
};
