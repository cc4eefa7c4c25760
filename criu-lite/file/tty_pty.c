/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tty pty - pairs of terminals, made again with their old numbers
 *
 * Programs know their terminal as /dev/pts/N, so N must come true.  The kernel
 * gives the lowest number that is free; so masters are opened, all by the
 * coordinator before tasks exist, until those that are wanted have come, and
 * the others are closed again.  Tasks then borrow the masters and open the
 * slaves by their names.
 *
 * A slave whose master has gone gets one until all its descriptors are open.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/early_pty.h"
#include "core/mounts.h"
#include "core/ns.h"
#include "core/script.h"
#include "file/tty.h"

enum { MOST_PTYS = 1000 };

/* ---- names ---- */

static const char *dir_of(struct arena *a, const char *path)
{
	return arena_printf(a, "%.*s", (int)(strrchr(path, '/') - path), path);
}

/* The multiplexer: as the program opened it, or beside the slave. */
static const char *ptmx_of(struct restore *r, const struct pty *p)
{
	const char *path;

	if (p->master && p->master->reg)
		return p->master->reg->name;
	path = arena_printf(r->arena, "%s/ptmx", dir_of(r->arena, p->slave->reg->name));
	return access(path, F_OK) == 0 ? path : "/dev/ptmx";
}

/* /dev/ptmx makes /dev/pts/N, and /dev/pts/ptmx does, too. */
static const char *slave_path(struct restore *r, const struct pty *p)
{
	const char *ptmx = ptmx_of(r, p), *dir = dir_of(r->arena, ptmx);
	const char *below = arena_printf(r->arena, "%s/pts", dir);
	struct stat st;

	return arena_printf(r->arena, "%s/%u",
			    stat(below, &st) == 0 && S_ISDIR(st.st_mode) ? below : dir, p->index);
}

static int refuse_taken(struct restore *r, const struct pty *p, struct err *err)
{
	err_set(err, EEXIST, "cannot make terminal %s again", slave_path(r, p));
	err_why(err, "another one has that number");
	return err_hint(
		err,
		"close that terminal, or restore where /dev/pts is one of its own (mount -t devpts)");
}

int pty_plan(struct restore *r, const struct pty *p, struct err *err)
{
	if (p->index >= MOST_PTYS)
		return err_set(err, EBADMSG, "cannot make a terminal with number %u", p->index);
	if (!(p->master && p->master->reg) && !(p->slave && p->slave->reg))
		return err_set(err, EBADMSG, "cannot make terminal %u: it has no name", p->index);
	/* what is there now says nothing about the tree's own /dev/pts */
	if (r->ns->root[NS_MNT])
		return 0;
	return access(slave_path(r, p), F_OK) == 0 ? refuse_taken(r, p, err) : 0;
}

/* ---- masters ---- */

/* The mount on which its names are; -1: one of ours. */
static int mount_of(const struct pty *p)
{
	const RegFileEntry *reg = p->master && p->master->reg ? p->master->reg : p->slave->reg;

	return reg->has_mnt_id ? reg->mnt_id : -1;
}

static bool is_same_place(struct restore *r, const struct pty *a, const struct pty *b)
{
	const struct mount *m = mount_by_id(r->mounts, (uint32_t)mount_of(a)),
			   *n = mount_by_id(r->mounts, (uint32_t)mount_of(b));

	return (m ? m->ns : NULL) == (n ? n->ns : NULL);
}

static struct pty *find_wanted(struct restore *r, struct pty *ptys, const struct pty *beside,
			       const char *ptmx, uint32_t index)
{
	struct pty *p;

	for (p = ptys; p; p = p->next)
		if (p->index == index && p->master_fd < 0 && pty_is_ours(p) &&
		    is_same_place(r, p, beside) && strcmp(ptmx_of(r, p), ptmx) == 0)
			return p;
	return NULL;
}

/* Open masters until @want has come; others that are wanted may come on the way.  Spares go into @spare. */
static int open_masters(struct restore *r, struct pty *ptys, struct pty *want, number_list *spare,
			struct err *err)
{
	const char *ptmx = ptmx_of(r, want);

	want->master_fd = early_pty_take(r, ptmx, want->index);
	while (want->master_fd < 0) {
		scoped_fd fd = open(ptmx, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		struct pty *found;
		int index;

		if (fd < 0 || ioctl(fd, TIOCGPTN, &index) < 0)
			return err_sys(err, "cannot make a terminal by %s", ptmx);
		found = find_wanted(r, ptys, want, ptmx, (uint32_t)index);
		if (found)
			found->master_fd = take_fd(&fd);
		else if ((uint32_t)index > want->index)
			return refuse_taken(r, want, err);
		else
			*vec_add(r->arena, spare) = take_fd(&fd);
	}
	return 0;
}

/* In the mount namespace where its names are. */
static int open_there(struct restore *r, struct pty *ptys, struct pty *want, number_list *spare,
		      struct err *err)
{
	struct err back = { 0 };
	struct ns_visit visit;
	int ret;

	if (mounts_enter_restore(r, mount_of(want), &visit, err) < 0)
		return -err->code;
	ret = open_masters(r, ptys, want, spare, err);
	if (ns_leave(&visit, &back) < 0) {
		*err = back;
		return -err->code;
	}
	return ret;
}

static int make_masters(struct restore *r, struct pty *ptys, struct err *err)
{
	number_list spare = { 0 };
	struct pty *p;
	int *fd, ret = 0;

	for (p = ptys; p && ret == 0; p = p->next)
		if (p->master_fd < 0 && pty_is_ours(p))
			ret = open_there(r, ptys, p, &spare, err);
	vec_for_each(fd, &spare)
		close(*fd);
	return ret;
}

/* ---- pairs ---- */

/* A master whose slave was never opened waits; once it has been, it sees hangups. */
static bool slave_was_open(const struct pty *p)
{
	return p->slave || p->data.slave || p->master->info->sid || p->master->info->slave_closed;
}

static int open_slave(struct pty *p, struct err *err)
{
	const TtyInfoEntry *info = p->slave ? p->slave->info : NULL;
	const RegFileEntry *reg = p->slave ? p->slave->reg : NULL;

	p->slave_fd = ioctl(p->master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (p->slave_fd < 0)
		return err_sys(err, "cannot open the slave of terminal %u", p->index);
	if (info && info->has_uid && info->has_gid && fchown(p->slave_fd, info->uid, info->gid) < 0)
		return err_sys(err, "cannot give terminal %u to user %u", p->index, info->uid);
	if (reg && reg->has_mode && fchmod(p->slave_fd, reg->mode & 07777) < 0)
		return err_sys(err, "cannot set the mode of terminal %u", p->index);
	return 0;
}

static int set_up(struct restore *r, struct pty *p, struct err *err)
{
	const TtyInfoEntry *info = p->slave && p->slave->info->termios ? p->slave->info
				   : p->master			       ? p->master->info
								       : p->slave->info;
	int packet = p->master && p->master->info->packet_mode;

	if (tty_set_state(r, p->master_fd, info, true, err) < 0)
		return -err->code;
	if (pty_put_data(r, p->master_fd, p->slave_fd, &p->data, err) < 0)
		return -err->code;
	if (ioctl(p->master_fd, TIOCPKT, &packet) < 0)
		return err_sys(err, "cannot set packet mode of terminal %u", p->index);
	return 0;
}

static int make_pair(struct restore *r, struct pty *p, struct err *err)
{
	int unlocked = 0;

	if (ioctl(p->master_fd, TIOCSPTLCK, &unlocked) < 0)
		return err_sys(err, "cannot unlock terminal %u", p->index);
	if (slave_was_open(p) && open_slave(p, err) < 0)
		return -err->code;
	return set_up(r, p, err);
}

int pty_make_all(struct restore *r, struct pty *ptys, struct err *err)
{
	struct pty *p;

	if (make_masters(r, ptys, err) < 0)
		return -err->code;
	for (p = ptys; p; p = p->next) {
		if (!pty_is_ours(p))
			continue;
		if (make_pair(r, p, err) < 0)
			return -err->code;
		log_debug("made terminal %u", p->index);
	}
	return 0;
}

/* ---- the end ---- */

static int make_exclusive(const struct tty *t, int fd, struct err *err)
{
	if (!t || !t->info->exclusive || fd < 0)
		return 0;
	return ioctl(fd, TIOCEXCL) < 0 ? err_sys(err, "cannot make a terminal exclusive") : 0;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* As a terminal emulator expects it: reading waits. */
static int give_master(struct restore *r, const struct pty *p, struct err *err)
{
	if (fcntl(p->master_fd, F_SETFL, O_RDWR) < 0)
		return err_sys(err, "cannot let readers of terminal %u wait", p->index);
	return script_tell(&r->opts->common, "orphan-pts-master", p->master_fd, err);
}

int pty_finish(struct restore *r, struct pty *p, struct err *err)
{
	int locked = 1;

	if (!pty_is_ours(p))
		return 0;
	if (make_exclusive(p->slave, p->slave_fd, err) < 0 ||
	    make_exclusive(p->master, p->master_fd, err) < 0)
		return -err->code;
	if (p->master && p->master->info->locked && ioctl(p->master_fd, TIOCSPTLCK, &locked) < 0)
		return err_sys(err, "cannot lock terminal %u", p->index);

	if (pty_is_orphan(p) && give_master(r, p, err) < 0)
		return -err->code;

	/* if nobody has the master, this is the hangup */
	close_end(&p->master_fd);
	close_end(&p->slave_fd);
	return 0;
}
