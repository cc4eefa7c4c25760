/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tty restore - terminals come back
 *
 * plan      numbers of ptys must be free
 * before    pairs are made by the coordinator (tty_pty.c)
 * fork      a session leader takes its controlling terminal before the children
 *           of its session are born, because that is how they come to have it
 * born      process groups exist: one of them comes into the foreground
 * open      masters are borrowed, all others are opened anew by their names
 *
 * The terminal that a program was started from (--shell-job) becomes the one
 * that criu-lite is started from, its standard input; or a client gets the master
 * of a new pair (orphan_pts_master).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/external.h"
#include "core/kind.h"
#include "core/path_ref.h"
#include "file/tty.h"

extern const struct file_kind tty_kind;

/* ---- read ---- */

static int damaged(struct err *err, const char *what, uint32_t id)
{
	err_set(err, EBADMSG, "cannot restore terminal %u: %s", id, what);
	return err_hint(err, "the checkpoint is damaged or was not finished; take it again");
}

static int read_info(struct restore *r, TtyInfoEntry *info, struct err *err)
{
	struct tty_state *s = kind_state(r->kinds, &tty_kind);

	if (tty_by_id(s, info->id) || (info->type == TTY_TYPE__PTY && !info->pty))
		return damaged(err, "its description in tty-info.img does not fit", info->id);
	if (info->type < TTY_TYPE__PTY || info->type > TTY_TYPE__SERIAL)
		return damaged(err, "its type is unknown", info->id);
	tty_add(r->arena, s, info);
	return tty_check_state(info, err);
}

static int read_infos(struct restore *r, struct err *err)
{
	scoped_image *img = NULL;
	bool found;
	void *msg;
	int ret;

	if (image_open(r->store, IMAGE_TTY_INFO, 0, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	while ((ret = image_get(img, &tty_info_entry__descriptor, &msg, err)) > 0)
		if (read_info(r, msg, err) < 0)
			return -err->code;
	return ret;
}

static struct pty *pty_of_index(struct restore *r, uint32_t index)
{
	struct tty_state *s = kind_state(r->kinds, &tty_kind);
	struct pty *p;

	for (p = s->ptys; p; p = p->next)
		if (p->index == index)
			return p;
	p = restore_shared_new(r, struct pty);
	p->index = index;
	p->master_fd = p->slave_fd = -1;
	p->may_be_given = r->opts->common.orphan_pts_master && r->opts->common.listener;
	p->next = s->ptys;
	s->ptys = p;
	return p;
}

static int read_data(struct restore *r, TtyDataEntry *e, struct err *err)
{
	struct tty_state *s = kind_state(r->kinds, &tty_kind);
	const struct tty *t = tty_by_id(s, e->tty_id), *other = tty_by_id(s, e->tty_id ^ 1);
	struct pty *p;

	if (!t && !other)
		return damaged(err, "it has unread bytes, but no description", e->tty_id);
	for (size_t i = 0; i < e->n_ends; i++)
		if (e->ends[i] > e->data.len || (i && e->ends[i] < e->ends[i - 1]))
			return damaged(err, "its unread bytes do not fit", e->tty_id);
	if ((t ? t : other)->info->type != TTY_TYPE__PTY)
		return 0;
	p = pty_of_index(r, (t ? t : other)->info->pty->index);
	*(e->tty_id % 2 ? &p->data.master : &p->data.slave) = e;
	return 0;
}

int read_begin_tty(struct restore *r, struct err *err)
{
	scoped_image *img = NULL;
	bool found;
	void *msg;
	int ret;

	if (read_infos(r, err) < 0 ||
	    image_open(r->store, IMAGE_TTY_DATA, 0, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	while ((ret = image_get(img, &tty_data_entry__descriptor, &msg, err)) > 0)
		if (read_data(r, msg, err) < 0)
			return -err->code;
	return ret;
}

static void join_pair(struct restore *r, struct tty *t)
{
	struct pty *p = pty_of_index(r, t->info->pty->index);

	t->pty = p;
	if (tty_is_master(t->info)) {
		p->master = t;
		p->data.stopped = t->info->stopped;
	} else {
		p->slave = t;
	}
}

/* What struct file keeps for us. */
struct tty_name {
	struct tty *tty;
	const RegFileEntry *reg; /* NULL: external */
};

int read_tty(struct restore *r, struct file *f, struct err *err)
{
	const TtyFileEntry *e = f->image->tty;
	struct tty *t = tty_by_id(kind_state(r->kinds, &tty_kind), e->tty_info_id);
	const struct file *name = e->has_regf_id ? file_by_id(r, e->regf_id) : NULL;
	struct tty_name *n = arena_new(r->arena, struct tty_name);

	if (!t)
		return damaged(err, "it is not in tty-info.img", e->tty_info_id);
	n->tty = t;
	n->reg = name ? name->image->reg : NULL;
	if (t->info->type != TTY_TYPE__EXT_TTY && (!n->reg || n->reg->name[0] != '/'))
		return damaged(err, "it has no name", e->tty_info_id);
	t->reg = n->reg;
	f->data = n;
	if (t->info->type == TTY_TYPE__PTY)
		join_pair(r, t);
	return 0;
}

/* ---- plan ---- */

/* The descriptor of the coordinator that stands for a terminal from outside. */
enum { OUTSIDE_FD = 0 };

static int plan_outside(struct restore *r, const struct tty *t, struct err *err)
{
	const struct task *leader = task_by_pid(r->tree, (pid_t)t->info->sid);

	if (!r->opts->common.shell_job) {
		err_set(err, EINVAL,
			"cannot restore terminal %s: its master was outside of the tree",
			t->reg->name);
		return err_hint(err, "use --shell-job, from a terminal");
	}
	if (!isatty(OUTSIDE_FD)) {
		err_set(err, ENOTTY, "cannot restore terminal %s: standard input is none",
			t->reg->name);
		return err_hint(err, "run criu-lite restore from a terminal");
	}
	if (!leader)
		return 0;
	err_set(err, EOPNOTSUPP,
		"cannot give a terminal to session %u: it belongs to the session of criu-lite",
		t->info->sid);
	return err_hint(err,
			"dump the terminal emulator as well, so that the terminal is made anew");
}

static int plan_external(struct restore *r, const struct tty *t, struct err *err)
{
	const char *key = external_tty_key(r->arena, t->info->rdev, t->info->dev);

	if (external_inherited(r, key) >= 0)
		return 0;
	err_set(err, ENOENT, "cannot restore terminal %s: it was left outside of the dump", key);
	return err_hint(err, "give a descriptor for it: --inherit-fd fd[N]:%s", key);
}

int plan_tty(struct restore *r, struct file *f, struct err *err)
{
	const struct tty_name *n = f->data;
	const struct tty *t = n->tty;

	switch (t->info->type) {
	case TTY_TYPE__PTY:
		return pty_is_outside(t->pty) ? plan_outside(r, t, err) : pty_plan(r, t->pty, err);
	case TTY_TYPE__EXT_TTY:
		return plan_external(r, t, err);
	default:
		return path_ref_plan(r, n->reg, err);
	}
}

/* ---- fork: controlling terminals ---- */

int before_tty(struct restore *r, struct err *err)
{
	struct tty_state *s = kind_state(r->kinds, &tty_kind);

	return pty_make_all(r, s->ptys, err);
}

/* The terminal of session @sid. */
static struct tty *tty_of_session(struct restore *r, pid_t sid)
{
	struct tty_state *s = kind_state(r->kinds, &tty_kind);
	struct tty *t;

	for (t = s->ttys; t; t = t->next)
		if (t->info->sid == (uint32_t)sid && t->info->type != TTY_TYPE__CTTY &&
		    t->info->type != TTY_TYPE__UNKNOWN &&
		    (t->pty || t->reg || t->info->type == TTY_TYPE__EXT_TTY))
			return t;
	return NULL;
}

/* A descriptor in this task, before it has any of its own. */
static int open_for_session(struct restore *r, const struct tty *t, struct err *err)
{
	if (t->pty)
		return restore_borrow_fd(r, t->pty->slave_fd, err);
	if (t->info->type == TTY_TYPE__EXT_TTY)
		return restore_borrow_fd(
			r,
			external_inherited(r,
					   external_tty_key(r->arena, t->info->rdev, t->info->dev)),
			err);
	return path_ref_open(r, t->reg, O_RDWR | O_NONBLOCK, err);
}

int fork_tty_session(struct restore *r, struct task *task, struct err *err)
{
	const struct tty *t = task->pid == task->sid ? tty_of_session(r, task->sid) : NULL;
	scoped_fd fd = -1;

	if (!t)
		return 0;
	fd = open_for_session(r, t, err);
	if (fd < 0)
		return fd;
	if (ioctl(fd, TIOCSCTTY, 0) < 0) {
		err_sys(err, "cannot make a terminal the controlling one of session %d", task->sid);
		return err_hint(err, "see whether another session has it");
	}
	return 0;
}

static bool is_group(const struct restore *r, pid_t pgrp)
{
	const struct task *t;

	for_each_alive(t, r->tree) if (t->pgid == pgrp) return true;
	return false;
}

/* Groups exist by now.  One that has ended remains in the foreground only as a number, which nobody can give. */
int born_tty_session(struct restore *r, struct task *task, struct err *err)
{
	const struct tty *t = task->pid == task->sid ? tty_of_session(r, task->sid) : NULL;
	pid_t pgrp = t ? (pid_t)t->info->pgrp : 0;
	scoped_fd fd = -1;

	if (!pgrp || !is_group(r, pgrp))
		return 0;
	fd = open_for_session(r, t, err);
	if (fd < 0)
		return fd;
	return ioctl(fd, TIOCSPGRP, &pgrp) < 0
		       ? err_sys(err, "cannot put group %d into the foreground", pgrp)
		       : 0;
}

/* The terminal from outside is of our session already; who leads the foreground group takes it. */
int open_tty_session(struct restore *r, struct task *task, struct err *err)
{
	const struct tty_state *s = kind_state(r->kinds, &tty_kind);
	const struct tty *t;

	for (t = s->ttys; t; t = t->next) {
		scoped_fd fd = -1;

		if (!t->pty || !pty_is_outside(t->pty) || t->info->pgrp != (uint32_t)task->pid)
			continue;
		fd = restore_borrow_fd(r, OUTSIDE_FD, err);
		if (fd < 0)
			return fd;
		if (ioctl(fd, TIOCSPGRP, &task->pid) < 0)
			return err_sys(err, "cannot put group %d into the foreground", task->pid);
	}
	return 0;
}

/* ---- open ---- */

static int open_again(struct restore *r, int fd, unsigned int flags, struct err *err)
{
	scoped_fd own = restore_borrow_fd(r, fd, err);
	char path[32];
	int again;

	if (own < 0)
		return own;
	snprintf(path, sizeof(path), "self/fd/%d", own);
	again = openat(r->proc, path, (int)flags | O_NOCTTY | O_CLOEXEC);
	return again < 0 ? err_sys(err, "cannot open the terminal that criu-lite runs in") : again;
}

static int open_pty(struct restore *r, const struct tty_name *n, unsigned int flags,
		    struct err *err)
{
	const struct pty *p = n->tty->pty;

	if (tty_is_master(n->tty->info))
		return restore_borrow_fd(r, p->master_fd, err);
	if (pty_is_outside(p))
		return open_again(r, OUTSIDE_FD, flags, err);
	return path_ref_open(r, n->reg, flags | O_NONBLOCK, err);
}

/*
 * Consoles and lines are shared with the whole machine: their settings are the
 * program's only if it works in front of them.
 */
static int open_line(struct restore *r, const struct tty_name *n, unsigned int flags,
		     struct err *err)
{
	const TtyInfoEntry *info = n->tty->info;
	scoped_fd fd = path_ref_open(r, n->reg, flags | O_NONBLOCK, err);

	if (fd < 0)
		return fd;
	if (info->type != TTY_TYPE__CTTY && info->sid && task_by_pid(r->tree, (pid_t)info->sid) &&
	    tty_set_state(r, fd, info, false, err) < 0)
		return -err->code;
	return take_fd(&fd);
}

int open_tty(struct restore *r, struct file *f, struct err *err)
{
	const struct tty_name *n = f->data;

	switch (n->tty->info->type) {
	case TTY_TYPE__PTY:
		return open_pty(r, n, f->image->tty->flags, err);
	case TTY_TYPE__EXT_TTY:
		return open_for_session(r, n->tty, err);
	default:
		return open_line(r, n, f->image->tty->flags, err);
	}
}

/* Its settings are the program's, its size is its own. */
static int set_outside(struct restore *r, const struct tty *t, struct err *err)
{
	sigset_t ttou, old;
	int ret;

	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, &old);
	ret = tty_set_state(r, OUTSIDE_FD, t->info, false, err);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return ret;
}

int after_tty(struct restore *r, struct err *err)
{
	struct tty_state *s = kind_state(r->kinds, &tty_kind);
	struct pty *p;

	for (p = s->ptys; p; p = p->next) {
		if (pty_is_outside(p) && set_outside(r, p->slave, err) < 0)
			return -err->code;
		if (pty_finish(r, p, err) < 0)
			return -err->code;
	}
	return 0;
}
