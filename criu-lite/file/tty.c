/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tty - terminals: pseudo terminals, the console, virtual and serial ones
 *
 * collect   settings, size, session and foreground group are asked from outside:
 *           a master answers for its slave, of others /proc/PID/stat tells
 * drain     unread bytes of a pty whose ends are both here (tty_data.c)
 * restore   tty_restore.c
 *
 * A slave whose master is outside of the tree is the terminal of the shell that
 * the program was started from (--shell-job), or whoever restores will hold it
 * (orphan_pts_master).  Or it is left out by --external.
 *
 * not kept  a status of packet mode that has not been read; input written to a
 *           slave that nobody has opened yet; the column of the cursor
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/external.h"
#include "core/kind.h"
#include "core/path_ref.h"
#include "core/refuse.h"
#include "file/tty.h"

/* Ids of tty_info_entry; those of ptys are twice their number, and one more for a master. */
enum {
	ID_CONSOLE = 2004,
	ID_VT = 2008,
	ID_CTTY = 2012,
	ID_SERIAL = 2020,
	ID_EXTERNAL = 2026,
	ID_STEP = 1000
};

extern const struct file_kind tty_kind;

struct tty *tty_by_id(const struct tty_state *s, uint32_t id)
{
	struct tty *t = s->ttys;

	while (t && t->info->id != id)
		t = t->next;
	return t;
}

struct tty *tty_add(struct arena *a, struct tty_state *s, TtyInfoEntry *info)
{
	struct tty *t = arena_new(a, struct tty);

	t->info = info;
	t->next = s->ttys;
	s->ttys = t;
	return t;
}

static struct tty *other_end(const struct tty_state *s, const struct tty *t)
{
	return t->info->type == TTY_TYPE__PTY ? tty_by_id(s, t->info->id ^ 1) : NULL;
}

/* ---- collect: which one ---- */

static bool is_tty_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) &&
	       (major(st->st_rdev) == VT_MAJOR || major(st->st_rdev) == AUX_MAJOR ||
		is_slave_device(st->st_rdev));
}

static bool match_tty(const struct fd_probe *p)
{
	return is_tty_device(&p->st) && !(p->flags & O_PATH) && p->fd >= 0;
}

static TtyType type_of(dev_t rdev)
{
	if (is_slave_device(rdev))
		return TTY_TYPE__PTY;
	if (major(rdev) == VT_MAJOR)
		return minor(rdev) < FIRST_SERIAL ? TTY_TYPE__VT : TTY_TYPE__SERIAL;
	switch (minor(rdev)) {
	case MINOR_CTTY:
		return TTY_TYPE__CTTY;
	case MINOR_CONSOLE:
		return TTY_TYPE__CONSOLE;
	case MINOR_PTMX:
		return TTY_TYPE__PTY;
	}
	return TTY_TYPE__SERIAL;
}

/* CRIU has one number for all terminals of a type; if there are more, they get higher ones. */
static uint32_t id_of_device(const struct tty_state *s, TtyType type, dev_t rdev)
{
	static const uint32_t first[] = { [TTY_TYPE__CONSOLE] = ID_CONSOLE,
					  [TTY_TYPE__VT] = ID_VT,
					  [TTY_TYPE__CTTY] = ID_CTTY,
					  [TTY_TYPE__SERIAL] = ID_SERIAL,
					  [TTY_TYPE__EXT_TTY] = ID_EXTERNAL };
	uint32_t id = first[type];
	const struct tty *t;

	while ((t = tty_by_id(s, id)) && t->info->rdev != (uint32_t)rdev)
		id += type == TTY_TYPE__EXT_TTY ? 2 : ID_STEP;
	return id;
}

static int id_of_pty(const struct fd_probe *p, uint32_t *id_ret, struct err *err)
{
	bool master = !is_slave_device(p->st.st_rdev);
	int index = (int)minor(p->st.st_rdev);

	if (master && ioctl(p->own, TIOCGPTN, &index) < 0)
		return err_sys(err, "cannot ask %s for its number", p->link);
	if (index >= ID_CONSOLE / 2) {
		err_set(err, EOPNOTSUPP, "cannot dump terminal /dev/pts/%d", index);
		return err_hint(err, "images have numbers for the first %d only", ID_CONSOLE / 2);
	}
	*id_ret = (uint32_t)index * 2 + master;
	return 0;
}

static uint64_t devpts_of(struct dump *d, const struct fd_probe *p)
{
	struct statfs fs;
	struct stat st;

	if (is_slave_device(p->st.st_rdev) ||
	    (fstatfs(p->own, &fs) == 0 && fs.f_type == DEVPTS_SUPER_MAGIC))
		return p->st.st_dev;
	/* /dev/ptmx: the devpts beside it */
	if (stat(arena_printf(d->arena, "%.*s/pts", (int)(strrchr(p->link, '/') - p->link),
			      p->link),
		 &st) < 0)
		return 0;
	return st.st_dev;
}

/* ---- collect: what it is like ---- */

/* A master tells whose controlling terminal its slave is; it is not ours. */
static void ask_session(struct dump *d, int master, TtyInfoEntry *info)
{
	pid_t sid = 0, pgrp = 0;

	if (ioctl(master, TIOCGSID, &sid) < 0 || ioctl(master, TIOCGPGRP, &pgrp) < 0)
		return;
	info->sid = (uint32_t)ns_pid_inside(d, sid);
	info->pgrp = (uint32_t)ns_pid_inside(d, pgrp);
}

static bool is_slave_closed(int master)
{
	struct pollfd p = { .fd = master, .events = 0 };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

static int collect_info(struct dump *d, const struct fd_probe *p, struct tty *t, struct err *err)
{
	TtyInfoEntry *info = t->info;

	info->rdev = (uint32_t)p->st.st_rdev;
	info->has_dev = info->has_uid = info->has_gid = true;
	info->dev = (uint32_t)p->st.st_dev;
	info->uid = p->st.st_uid;
	info->gid = p->st.st_gid;
	if (tty_collect_state(d, p->own, info, &t->hung_up, err) < 0)
		return -err->code;
	if (info->type != TTY_TYPE__PTY)
		return ioctl(p->own, TIOCGDEV, &t->device) < 0
			       ? err_sys(err, "cannot ask for the device")
			       : 0;

	info->pty = record_new(d, tty_pty_entry);
	info->pty->index = info->id / 2;
	t->instance = devpts_of(d, p);
	t->device = (uint32_t)gnu_dev_makedev(SLAVE_MAJOR, info->pty->index);
	if (tty_is_master(info)) {
		ask_session(d, p->own, info);
		info->has_slave_closed = info->slave_closed = is_slave_closed(p->own);
	}
	return 0;
}

static int check_known(struct dump *d, const struct fd_probe *p, const struct tty *t,
		       struct err *err)
{
	const struct tty *other = other_end(kind_state(d->kinds, &tty_kind), t);
	bool hung_up;
	TtyInfoEntry scratch = *t->info;

	if (t->info->type != TTY_TYPE__PTY)
		return 0;
	if (t->instance != devpts_of(d, p) || (other && other->instance != t->instance)) {
		err_set(err, EOPNOTSUPP,
			"cannot dump %s: terminal %u is there twice, on two devpts", p->link,
			t->info->pty->index);
		return err_hint(err, "dump only the tasks that live with one of them");
	}
	if (tty_collect_state(d, p->own, &scratch, &hung_up, err) < 0)
		return -err->code;
	if (hung_up == t->hung_up)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump %s: it was hung up, and opened again", p->link);
	return err_hint(err, "have the program close the old one");
}

static int find_or_add(struct dump *d, const struct fd_probe *p, TtyType type, struct tty **tty_ret,
		       struct err *err)
{
	struct tty_state *s = kind_state(d->kinds, &tty_kind);
	TtyInfoEntry *info;
	uint32_t id = 0;

	if (type != TTY_TYPE__PTY)
		id = id_of_device(s, type, p->st.st_rdev);
	else if (id_of_pty(p, &id, err) < 0)
		return -err->code;
	*tty_ret = tty_by_id(s, id);
	if (!*tty_ret) {
		info = record_new(d, tty_info_entry);
		info->id = id;
		info->type = type;
		*tty_ret = tty_add(d->arena, s, info);
		if (collect_info(d, p, *tty_ret, err) < 0)
			return -err->code;
	}
	return check_known(d, p, *tty_ret, err);
}

/* The name of a slave without a master is gone, and comes again with the pair. */
static int collect_name(struct dump *d, const struct fd_probe *p, bool hung_up, TtyFileEntry *e,
			struct err *err)
{
	FileEntry *fe = record_new(d, file_entry);

	fe->type = FD_TYPES__REG;
	fe->reg = record_new(d, reg_file_entry);
	fe->reg->flags = p->flags;
	if (hung_up) {
		fe->reg->name = arena_strdup(d->arena, p->link);
		fe->reg->has_mode = true;
		fe->reg->mode = p->st.st_mode;
	} else if (path_ref_collect(d, p, fe->reg, err) < 0) {
		return -err->code;
	}
	e->has_regf_id = true;
	e->regf_id = file_add_record(d, fe);
	return 0;
}

static int collect_tty(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	TtyType type = type_of(p->st.st_rdev);
	TtyFileEntry *e = record_new(d, tty_file_entry);
	struct tty *t = NULL;

	if (external_tty(d, p->st.st_rdev, p->st.st_dev))
		type = TTY_TYPE__EXT_TTY;
	if (find_or_add(d, p, type, &t, err) < 0)
		return -err->code;
	fe->tty = e;
	e->flags = p->flags;
	e->tty_info_id = t->info->id;
	return type == TTY_TYPE__EXT_TTY ? 0 : collect_name(d, p, t->hung_up, e, err);
}

/* ---- collect_end: how they belong together ---- */

static void find_session(struct dump *d, struct tty *t)
{
	const struct task *task;

	for_each_task(task, d->tree)
		if (task->stat.tty_nr && (uint32_t)task->stat.tty_nr == t->device && !t->hung_up) {
			t->info->sid = (uint32_t)task->sid;
			t->info->pgrp = task->stat.tty_pgid > 0
						? (uint32_t)ns_pid_inside(d, task->stat.tty_pgid)
						: 0;
			return;
		}
}

static int refuse_orphan(const struct tty *t, const char *why, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump terminal /dev/pts/%u", t->info->pty->index);
	err_why(err, "%s", why);
	return err_hint(
		err,
		"use --shell-job for the terminal a program was started from, at dump and restore");
}

static int check_orphans(struct dump *d, const struct tty_state *s, struct err *err)
{
	const struct tty *t, *first = NULL;

	for (t = s->ttys; t; t = t->next) {
		if (!tty_is_slave(t->info) || t->hung_up || other_end(s, t))
			continue;
		if (!d->opts->common.shell_job && !d->opts->common.orphan_pts_master)
			refuse_orphan(t, "its master is outside of the tree", err);
		else if (first)
			refuse_orphan(t, "only one terminal may be outside of the tree", err);
		else
			first = t;
		if (first != t && !refuse_note(d, NULL, -1, err))
			return -err->code;
	}
	return 0;
}

/* A session leader in the tree has a controlling terminal; do we know it? */
static int check_controlling(struct dump *d, const struct tty_state *s, const struct task *task,
			     struct err *err)
{
	const struct tty *t;

	if (!task->stat.tty_nr || task->sid != task->pid || task->state == TASK_DEAD)
		return 0;
	for (t = s->ttys; t; t = t->next)
		if (t->info->sid == (uint32_t)task->sid && t->info->type != TTY_TYPE__CTTY)
			return 0;
	err_set(err, EOPNOTSUPP,
		"cannot dump task %d: nobody in the tree has its controlling terminal open",
		task->host_pid);
	return err_hint(
		err,
		"dump the terminal emulator with it, or have the program open /dev/tty's real name");
}

static int collect_end_tty(struct dump *d, struct err *err)
{
	struct tty_state *s = kind_state(d->kinds, &tty_kind);
	const struct task *task;
	struct tty *t, *master;

	for (t = s->ttys; t; t = t->next) {
		master = tty_is_slave(t->info) ? other_end(s, t) : NULL;
		if (master) {
			t->info->sid = master->info->sid;
			t->info->pgrp = master->info->pgrp;
		} else if (!tty_is_master(t->info)) {
			find_session(d, t);
		}
	}
	for_each_task(task, d->tree)
		if (check_controlling(d, s, task, err) < 0 && !refuse_note(d, task, -1, err))
			return -err->code;
	return check_orphans(d, s, err);
}

/* ---- drain ---- */

static int drain_tty(struct dump *d, struct file *f, struct err *err)
{
	struct tty *t = tty_by_id(kind_state(d->kinds, &tty_kind), f->image->tty->tty_info_id);

	if (!t->file)
		t->file = f;
	return 0;
}

/* A descriptor of the slave that reads and writes: by its own, or, if all have been closed, for a moment. */
static int open_slave(struct dump *d, int master, const struct tty *slave, struct err *err)
{
	scoped_fd own = -1;
	char path[32];
	int fd;

	if (slave && slave->file) {
		own = file_get(d, slave->file, err);
		if (own < 0)
			return own;
		snprintf(path, sizeof(path), "self/fd/%d", own);
		fd = openat(d->proc, path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	} else {
		fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	}
	return fd < 0 ? err_sys(err, "cannot open the slave of a terminal") : fd;
}

static TtyDataEntry *with_id(TtyDataEntry *e, uint32_t id)
{
	if (e)
		e->tty_id = id;
	return e;
}

/* Nobody in the tree has opened the slave: if somebody else has, unread bytes are on their way from him. */
static int check_unread(const struct tty *t, int master, struct err *err)
{
	int n;

	if (ioctl(master, FIONREAD, &n) < 0 || !n)
		return 0;
	err_set(err, EOPNOTSUPP,
		"cannot dump terminal %u: it has unread bytes from outside of the tree",
		t->info->pty->index);
	return err_hint(err, "dump the program that uses the terminal as well");
}

static int drain_pty(struct dump *d, struct image *img, struct tty *t, struct err *err)
{
	struct tty *slave = other_end(kind_state(d->kinds, &tty_kind), t);
	scoped_fd master = file_get(d, t->file, err);
	struct pty_data data = { 0 };

	if (master < 0)
		return master;
	if (!slave && !t->info->slave_closed)
		return check_unread(t, master, err);
	/* the bytes would have to be taken, and put back */
	if (d->dry)
		return 0;

	scoped_fd fd = open_slave(d, master, slave, err);

	if (fd < 0 || pty_copy_data(d, master, fd, &data, err) < 0)
		return err_in(err, "terminal %u", t->info->pty->index);
	t->info->has_stopped = t->info->stopped = data.stopped;
	if (data.master && image_put(img, &with_id(data.master, t->info->id)->base, err) < 0)
		return -err->code;
	if (data.slave && image_put(img, &with_id(data.slave, t->info->id ^ 1)->base, err) < 0)
		return -err->code;
	return 0;
}

static int drain_end_tty(struct dump *d, struct err *err)
{
	struct tty_state *s = kind_state(d->kinds, &tty_kind);
	scoped_image *infos = NULL;
	scoped_image *data = NULL;
	struct tty *t;

	if (image_create(d->store, IMAGE_TTY_DATA, 0, &data, err) < 0 ||
	    image_create(d->store, IMAGE_TTY_INFO, 0, &infos, err) < 0)
		return -err->code;
	for (t = s->ttys; t; t = t->next) {
		if (tty_is_master(t->info) && drain_pty(d, data, t, err) < 0 &&
		    !refuse_note(d, t->file->task, t->file->fd, err))
			return -err->code;
		if (image_put(infos, &t->info->base, err) < 0)
			return -err->code;
	}
	if (image_close(take_ptr(data), err) < 0)
		return -err->code;
	return image_close(take_ptr(infos), err);
}

const struct file_kind tty_kind = {
	.name = "tty",
	.type = FD_TYPES__TTY,
	.match = match_tty,
	.state_size = sizeof(struct tty_state),
	.collect = collect_tty,
	.collect_end = collect_end_tty,
	.drain = drain_tty,
	.drain_end = drain_end_tty,
	.read_begin = read_begin_tty,
	.read = read_tty,
	.plan = plan_tty,
	.before = before_tty,
	.open = open_tty,
	.after = after_tty,
};

const struct task_kind tty_session_kind = {
	.name = "tty",
	.fork = fork_tty_session,
	.born = born_tty_session,
	.open = open_tty_session,
};
