/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FILE_TTY_H
#define FILE_TTY_H

/*
 * What the parts of one kind share: tty.c (dump, and the tables), tty_restore.c,
 * tty_state.c (settings), tty_data.c (unread bytes) and tty_pty.c (making pairs).
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/vec.h"
#include "core/context.h"
#include "core/task.h"
#include "images/regfile.pb-c.h"
#include "images/tty.pb-c.h"

enum {
	VT_MAJOR = 4,  /* minors below 64: virtual terminals; above: serial lines */
	AUX_MAJOR = 5, /* 0: /dev/tty, 1: /dev/console, 2: /dev/ptmx, above: serial lines */
	SLAVE_MAJOR = 136,
	SLAVE_MAJOR_LAST = 143,
	FIRST_SERIAL = 64,
	MINOR_CTTY = 0,
	MINOR_CONSOLE = 1,
	MINOR_PTMX = 2,
};

static inline bool is_slave_device(dev_t rdev)
{
	return major(rdev) >= SLAVE_MAJOR && major(rdev) <= SLAVE_MAJOR_LAST;
}

/* A terminal: what one tty_info_entry describes.  A pty has one for each end that is open. */
struct tty {
	struct tty *next;
	TtyInfoEntry *info;
	struct file *file; /* somebody who has it, NULL: it is only somebody's other end */
	bool hung_up;	   /* its master has gone */

	struct pty *pty;	 /* restore, for either end of one */
	uint64_t instance;	 /* dump: which devpts a pty lives in */
	uint32_t device;	 /* dump: what it really is (TIOCGDEV), as in /proc/PID/stat */
	TtyDataEntry *data;	 /* what has not been read at this end */
	const RegFileEntry *reg; /* restore: the name of one who has it, NULL: none */
};

/* All terminals of the run, in the memory of the kind. */
struct tty_state {
	struct tty *ttys;
	struct pty *ptys; /* restore */
};

struct tty *tty_by_id(const struct tty_state *s, uint32_t id);
struct tty *tty_add(struct arena *a, struct tty_state *s, TtyInfoEntry *info);

static inline bool tty_is_master(const TtyInfoEntry *info)
{
	return info->type == TTY_TYPE__PTY && info->id % 2;
}

static inline bool tty_is_slave(const TtyInfoEntry *info)
{
	return info->type == TTY_TYPE__PTY && info->id % 2 == 0;
}

/* ---- tty_restore.c: what the tables need ---- */

int read_begin_tty(struct restore *r, struct err *err);
int read_tty(struct restore *r, struct file *f, struct err *err);
int plan_tty(struct restore *r, struct file *f, struct err *err);
int before_tty(struct restore *r, struct err *err);
int open_tty(struct restore *r, struct file *f, struct err *err);
int after_tty(struct restore *r, struct err *err);

int fork_tty_session(struct restore *r, struct task *t, struct err *err);
int born_tty_session(struct restore *r, struct task *t, struct err *err);
int open_tty_session(struct restore *r, struct task *t, struct err *err);

/* ---- tty_state.c ---- */

/*
 * Fill what @own tells of itself.  *@hung_up_ret: it is a slave whose master
 * has gone, and tells nothing any more.
 */
int tty_collect_state(struct dump *d, int own, TtyInfoEntry *info, bool *hung_up_ret,
		      struct err *err);

/* Termios (also what is locked) and, if @size, the window size. */
int tty_set_state(struct restore *r, int fd, const TtyInfoEntry *info, bool size, struct err *err);

/* Its image may come from anywhere. */
int tty_check_state(const TtyInfoEntry *info, struct err *err);

/* ---- tty_data.c ---- */

/* What nobody has read yet, NULL: nothing; and whether output of the slave is stopped. */
struct pty_data {
	TtyDataEntry *master, *slave;
	bool stopped;
};

/* Take all of it, and put it back at once.  Both descriptors must not wait (O_NONBLOCK, for the slave). */
int pty_copy_data(struct dump *d, int master, int slave, struct pty_data *data_ret,
		  struct err *err);

/* Put it into a new pair that is set up already; @slave -1: it has not been opened. */
int pty_put_data(struct restore *r, int master, int slave, const struct pty_data *data,
		 struct err *err);

/* ---- tty_pty.c ---- */

/* A pair to be made: either end may be missing among the files. */
struct pty {
	struct pty *next;
	uint32_t index;
	struct tty *master, *slave;
	struct pty_data data;
	bool may_be_given; /* a client takes the master, if nobody in the tree has it */
	int master_fd,
		slave_fd; /* in the coordinator, from stage fork to the end of open; else -1 */
};

/* A slave without a master, which had one outside of the tree; else its master had gone. */
static inline bool pty_is_orphan(const struct pty *p)
{
	return !p->master && p->slave && p->slave->info->termios;
}

/* It becomes the terminal that we are started from (--shell-job). */
static inline bool pty_is_outside(const struct pty *p)
{
	return pty_is_orphan(p) && !p->may_be_given;
}

/* Somebody has it, and it is not outside. */
static inline bool pty_is_ours(const struct pty *p)
{
	return (p->master || p->slave) && !pty_is_outside(p);
}

/* Plan: can a pair with this number be made? */
int pty_plan(struct restore *r, const struct pty *p, struct err *err);

/* In the coordinator: make all that are ours, with settings and data. */
int pty_make_all(struct restore *r, struct pty *ptys, struct err *err);

/* When tasks have opened theirs: locks, hangups, and our descriptors go; a client gets the master. */
int pty_finish(struct restore *r, struct pty *p, struct err *err);

#endif
