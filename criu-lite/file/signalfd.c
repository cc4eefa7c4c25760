/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * signalfd - a set of signals that can be read
 *
 * collect   the set is in fdinfo
 * open      created with that set; signals that wait in it are those pending
 *           for the task, so there is nothing else in a signalfd
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "core/kind.h"

static int collect_signalfd(struct dump *d, const struct fd_probe *p, FileEntry *fe,
			    struct err *err)
{
	SignalfdEntry *e = record_new(d, signalfd_entry);
	struct text value;

	if (!text_find(p->fdinfo, "sigmask:", &value) || !text_hex(&value, &e->sigmask))
		return err_set(err, EPROTO, "cannot read the signals of signalfd %d", p->fd);

	e->flags = p->flags;
	fe->sgfd = e;
	return 0;
}

static int open_signalfd(struct restore *r, struct file *f, struct err *err)
{
	const SignalfdEntry *e = f->image->sgfd;
	/* the kernel's set of 64, not libc's sigset_t */
	int fd = (int)syscall(SYS_signalfd4, -1, &e->sigmask, sizeof(e->sigmask), SFD_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "cannot create a signalfd");
	return fd;
}

const struct file_kind signalfd_kind = {
	.name = "signalfd",
	.type = FD_TYPES__SIGNALFD,
	.anon = "[signalfd]",
	.collect = collect_signalfd,
	.open = open_signalfd,
};
