/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * early_pty - terminals that a mount needs
 *
 * A terminal has a file as long as somebody has its master, and its number is
 * the lowest one that is free.  What is in between is made, and goes again.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "core/early_pty.h"

struct early_pty {
	struct early_pty *next;
	dev_t dev;
	uint32_t index;
	int master;
};

typedef vec(int) fd_list;

static int make_until(struct restore *r, int dir, uint32_t index, fd_list *spare, struct err *err)
{
	for (;;) {
		scoped_fd fd = openat(dir, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		uint32_t got;

		if (fd < 0 || ioctl(fd, TIOCGPTN, &got) < 0)
			return err_sys(err, "cannot make terminal %u", index);
		if (got == index)
			return take_fd(&fd);
		if (got > index) {
			err_set(err, EEXIST, "cannot make terminal %u", index);
			return err_hint(err, "close the terminal that has this number");
		}
		*vec_add(r->arena, spare) = take_fd(&fd);
	}
}

int early_pty_make(struct restore *r, int dir, uint32_t index, struct err *err)
{
	struct early_pty *p = arena_new(r->arena, struct early_pty);
	fd_list spare = { 0 };
	struct stat st;
	int *fd;

	if (fstat(dir, &st) < 0)
		return err_sys(err, "cannot look at a devpts");
	p->dev = st.st_dev;
	p->index = index;
	p->master = make_until(r, dir, index, &spare, err);
	vec_for_each(fd, &spare)
		close(*fd);
	if (p->master < 0)
		return p->master;
	p->next = r->early_ptys;
	r->early_ptys = p;
	return 0;
}

int early_pty_take(struct restore *r, const char *ptmx, uint32_t index)
{
	struct early_pty *p;
	struct stat st;

	if (!r->early_ptys || stat(ptmx, &st) < 0)
		return -1;
	for (p = r->early_ptys; p; p = p->next)
		if (p->dev == st.st_dev && p->index == index)
			return take_fd(&p->master);
	return -1;
}
