/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tty - terminals: pseudo terminals, the console, virtual and serial ones
 *
 * collect   settings, size, session and foreground group are asked from outside:
 *           a master answers for its slave, of others /proc/PID/stat tells
 * drain     unread bytes of a pty whose ends are both here (tty_data.c)
 * plan      numbers of ptys must be free
 * before    pairs are made by the coordinator (pty.c)
 * fork      a session leader takes its controlling terminal before the children
 *           of its session are born, because that is how they come to have it
 * open      masters are borrowed, all others are opened anew by their names
 *
 * A slave whose master is outside of the tree is the terminal of the shell that
 * the program was started from (--shell-job); at restore it is the one that
 * criu-lite is started from.  Or it is left out by --external, and given by
 * --inherit-fd.
 *
 * not kept  a status of packet mode that has not been read; input written to a
 *           slave that nobody has opened yet; the column of the cursor
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
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
#include "file/tty.h"

/* Ids of tty_info_entry; those of ptys are twice their number, and one more for a master. */
enum { ID_CONSOLE = 2004, ID_VT = 2008, ID_CTTY = 2012, ID_SERIAL = 2020, ID_EXTERNAL = 2026, ID_STEP = 1000 };

struct tty_state {
	struct tty *ttys;
	struct pty *ptys;
};

extern const struct file_kind tty_kind;

static struct tty *tty_by_id(const struct tty_state *s, uint32_t id)
{
	struct tty *t = s->ttys;

	while (t && t->info->id != id)
		t = t->next;
	return t;
}

static struct tty *tty_add(struct arena *a, struct tty_state *s, TtyInfoEntry *info)
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
	static const uint32_t first[] = { [TTY_TYPE__CONSOLE] = ID_CONSOLE, [TTY_TYPE__VT] = ID_VT,
					  [TTY_TYPE__CTTY] = ID_CTTY,	    [TTY_TYPE__SERIAL] = ID_SERIAL,
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

	if (is_slave_device(p->st.st_rdev) || (fstatfs(p->own, &fs) == 0 && fs.f_type == DEVPTS_SUPER_MAGIC))
		return p->st.st_dev;
	/* /dev/ptmx: the devpts beside it */
	if (stat(arena_printf(d->arena, "%.*s/pts", (int)(strrchr(p->link, '/') - p->link), p->link), &st) < 0)
		return 0;
	return st.st_dev;
}

/* ---- collect: what it is like ---- */

/* A master tells whose controlling terminal its slave is; it is not ours. */
static void ask_session(int master, TtyInfoEntry *info)
{
	pid_t sid = 0, pgrp = 0;

	if (ioctl(master, TIOCGSID, &sid) < 0 || ioctl(master, TIOCGPGRP, &pgrp) < 0)
		return;
	info->sid = (uint32_t)sid;
	info->pgrp = (uint32_t)pgrp;
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
		return ioctl(p->own, TIOCGDEV, &t->device) < 0 ? err_sys(err, "cannot ask for the device") : 0;

	info->pty = record_new(d, tty_pty_entry);
	info->pty->index = info->id / 2;
	t->instance = devpts_of(d, p);
	t->device = (uint32_t)gnu_dev_makedev(SLAVE_MAJOR, info->pty->index);
	if (tty_is_master(info)) {
		ask_session(p->own, info);
		info->has_slave_closed = info->slave_closed = is_slave_closed(p->own);
	}
	return 0;
}

static int check_known(struct dump *d, const struct fd_probe *p, const struct tty *t, struct err *err)
{
	const struct tty *other = other_end(kind_state(d->kinds, &tty_kind), t);
	bool hung_up;
	TtyInfoEntry scratch = *t->info;

	if (t->info->type != TTY_TYPE__PTY)
		return 0;
	if (t->instance != devpts_of(d, p) || (other && other->instance != t->instance)) {
		err_set(err, EOPNOTSUPP, "cannot dump %s: terminal %u is there twice, on two devpts", p->link,
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

static int find_or_add(struct dump *d, const struct fd_probe *p, TtyType type, struct tty **tty_ret, struct err *err)
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
static int collect_name(struct dump *d, const struct fd_probe *p, bool hung_up, TtyFileEntry *e, struct err *err)
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
			t->info->sid = (uint32_t)task->stat.sid;
			t->info->pgrp = task->stat.tty_pgid > 0 ? (uint32_t)task->stat.tty_pgid : 0;
			return;
		}
}

static int refuse_orphan(const struct tty *t, const char *why, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump terminal /dev/pts/%u", t->info->pty->index);
	err_why(err, "%s", why);
	return err_hint(err, "use --shell-job for the terminal a program was started from, at dump and restore");
}

static int check_orphans(struct dump *d, const struct tty_state *s, struct err *err)
{
	const struct tty *t, *first = NULL;

	for (t = s->ttys; t; t = t->next) {
		if (!tty_is_slave(t->info) || t->hung_up || other_end(s, t))
			continue;
		if (!d->opts->common.shell_job)
			return refuse_orphan(t, "its master is outside of the tree", err);
		if (first)
			return refuse_orphan(t, "only one terminal may be outside of the tree", err);
		first = t;
	}
	return 0;
}

/* A session leader in the tree has a controlling terminal; do we know it? */
static int check_controlling(struct dump *d, const struct tty_state *s, const struct task *task, struct err *err)
{
	const struct tty *t;

	if (!task->stat.tty_nr || task->stat.sid != task->host_pid || task->state == TASK_DEAD)
		return 0;
	for (t = s->ttys; t; t = t->next)
		if (t->info->sid == (uint32_t)task->stat.sid && t->info->type != TTY_TYPE__CTTY)
			return 0;
	err_set(err, EOPNOTSUPP, "cannot dump task %d: nobody in the tree has its controlling terminal open",
		task->host_pid);
	return err_hint(err, "dump the terminal emulator with it, or have the program open /dev/tty's real name");
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
		if (check_controlling(d, s, task, err) < 0)
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
	err_set(err, EOPNOTSUPP, "cannot dump terminal %u: it has unread bytes from outside of the tree",
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
		if (tty_is_master(t->info) && drain_pty(d, data, t, err) < 0)
			return -err->code;
		if (image_put(infos, &t->info->base, err) < 0)
			return -err->code;
	}
	if (image_close(take_ptr(data), err) < 0)
		return -err->code;
	return image_close(take_ptr(infos), err);
}

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
	p = arena_new(r->arena, struct pty);
	p->index = index;
	p->master_fd = p->slave_fd = -1;
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

static int read_begin_tty(struct restore *r, struct err *err)
{
	scoped_image *img = NULL;
	bool found;
	void *msg;
	int ret;

	if (read_infos(r, err) < 0 || image_open(r->store, IMAGE_TTY_DATA, 0, r->arena, &img, &found, err) < 0)
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

static int read_tty(struct restore *r, struct file *f, struct err *err)
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
		err_set(err, EINVAL, "cannot restore terminal %s: its master was outside of the tree", t->reg->name);
		return err_hint(err, "use --shell-job, from a terminal");
	}
	if (!isatty(OUTSIDE_FD)) {
		err_set(err, ENOTTY, "cannot restore terminal %s: standard input is none", t->reg->name);
		return err_hint(err, "run criu-lite restore from a terminal");
	}
	if (!leader)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot give a terminal to session %u: it belongs to the session of criu-lite",
		t->info->sid);
	return err_hint(err, "dump the terminal emulator as well, so that the terminal is made anew");
}

static int plan_external(struct restore *r, const struct tty *t, struct err *err)
{
	const char *key = external_tty_key(r->arena, t->info->rdev, t->info->dev);

	if (external_inherited(r, key) >= 0)
		return 0;
	err_set(err, ENOENT, "cannot restore terminal %s: it was left outside of the dump", key);
	return err_hint(err, "give a descriptor for it: --inherit-fd fd[N]:%s", key);
}

static int plan_tty(struct restore *r, struct file *f, struct err *err)
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

static int before_tty(struct restore *r, struct err *err)
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
		    t->info->type != TTY_TYPE__UNKNOWN && (t->pty || t->reg || t->info->type == TTY_TYPE__EXT_TTY))
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
			r, external_inherited(r, external_tty_key(r->arena, t->info->rdev, t->info->dev)), err);
	return path_ref_open(r, t->reg, O_RDWR | O_NONBLOCK, err);
}

static int fork_tty(struct restore *r, struct task *task, struct err *err)
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

	for_each_alive(t, r->tree)
		if (t->pgid == pgrp)
			return true;
	return false;
}

/* Groups exist by now.  One that has ended remains in the foreground only as a number, which nobody can give. */
static int born_tty(struct restore *r, struct task *task, struct err *err)
{
	const struct tty *t = task->pid == task->sid ? tty_of_session(r, task->sid) : NULL;
	pid_t pgrp = t ? (pid_t)t->info->pgrp : 0;
	scoped_fd fd = -1;

	if (!pgrp || !is_group(r, pgrp))
		return 0;
	fd = open_for_session(r, t, err);
	if (fd < 0)
		return fd;
	return ioctl(fd, TIOCSPGRP, &pgrp) < 0 ? err_sys(err, "cannot put group %d into the foreground", pgrp) : 0;
}

/* The terminal from outside is of our session already; who leads the foreground group takes it. */
static int open_outside(struct restore *r, struct task *task, struct err *err)
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

static int open_pty(struct restore *r, const struct tty_name *n, unsigned int flags, struct err *err)
{
	const struct pty *p = n->tty->pty;

	if (tty_is_master(n->tty->info))
		return restore_borrow_fd(r, p->master_fd, err);
	if (pty_is_outside(p))
		return open_again(r, OUTSIDE_FD, flags, err);
	return path_ref_open(r, n->reg, flags | O_NONBLOCK, err);
}

static int open_tty(struct restore *r, struct file *f, struct err *err)
{
	const struct tty_name *n = f->data;
	const TtyInfoEntry *info = n->tty->info;

	switch (info->type) {
	case TTY_TYPE__PTY:
		return open_pty(r, n, f->image->tty->flags, err);
	case TTY_TYPE__EXT_TTY:
		return open_for_session(r, n->tty, err);
	default:
		return path_ref_open(r, n->reg, f->image->tty->flags | O_NONBLOCK, err);
	}
}

/* Its settings are the program's, its size is its own. */
static int set_outside(const struct tty *t, struct err *err)
{
	sigset_t ttou, old;
	int ret;

	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, &old);
	ret = tty_set_state(OUTSIDE_FD, t->info, false, err);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return ret;
}

static int after_tty(struct restore *r, struct err *err)
{
	struct tty_state *s = kind_state(r->kinds, &tty_kind);
	struct pty *p;

	for (p = s->ptys; p; p = p->next) {
		if (pty_is_outside(p) && set_outside(p->slave, err) < 0)
			return -err->code;
		if (pty_finish(p, err) < 0)
			return -err->code;
	}
	return 0;
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
	.fork = fork_tty,
	.born = born_tty,
	.open = open_outside,
};
