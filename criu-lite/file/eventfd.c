/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * eventfd - a counter behind a descriptor
 *
 * collect   count and mode are in fdinfo, so the task is not disturbed
 * open      created empty, then the count is added; the core sets status flags
 * not kept  semaphore mode where the kernel does not show it (before 6.5)
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "core/kind.h"

static int collect_eventfd(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	EventfdFileEntry *e = record_new(d, eventfd_file_entry);
	struct text value;
	uint64_t semaphore;

	if (!text_find(p->fdinfo, "eventfd-count:", &value) || !text_hex(&value, &e->counter))
		return err_set(err, EPROTO, "cannot read the count of eventfd %d", p->fd);
	if (text_find(p->fdinfo, "eventfd-semaphore:", &value) && text_u64(&value, &semaphore) &&
	    semaphore)
		e->has_semaphore = e->semaphore = true;

	e->flags = p->flags;
	fe->efd = e;
	return 0;
}

static int open_eventfd(struct restore *r, struct file *f, struct err *err)
{
	const EventfdFileEntry *e = f->image->efd;
	scoped_fd fd = eventfd(0, EFD_CLOEXEC | (e->semaphore ? EFD_SEMAPHORE : 0));

	if (fd < 0)
		return err_sys(err, "cannot create an eventfd");
	if (e->counter > 0 && write(fd, &e->counter, sizeof(e->counter)) < 0)
		return err_sys(err, "cannot set an eventfd to %" PRIu64, e->counter);

	return take_fd(&fd);
}

const struct file_kind eventfd_kind = {
	.name = "eventfd",
	.type = FD_TYPES__EVENTFD,
	.anon = "[eventfd]",
	.collect = collect_eventfd,
	.open = open_eventfd,
};
