/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * refuse - what of a tree cannot be dumped
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/file.h"
#include "core/kind.h"
#include "core/refuse.h"
#include "core/task.h"

/* Like a plain file, so that it may be a directory, an executable, or mapped. */
static const struct file_kind refused_kind = { .name = "refused file", .type = FD_TYPES__REG };

bool is_refusal(const struct err *err)
{
	return (err->code == EOPNOTSUPP || err->code == EBUSY || err->code == EAGAIN) &&
	       err->hint[0];
}

bool refuse_note(struct dump *d, const struct task *t, int fd, struct err *err)
{
	struct refusal *r;

	if (!is_refusal(err))
		return false;
	log_info("refused: %s: %s", err->what, err->why);
	r = vec_add(d->refused->arena, &d->refused->list);
	r->err = *err;
	r->fd = fd;
	if (t && t != d->us) {
		r->pid = t->host_pid;
		snprintf(r->comm, sizeof(r->comm), "%s", t->stat.comm);
	}
	memset(err, 0, sizeof(*err));
	return true;
}

bool refuse_is_momentary(const struct refusals *refused)
{
	const struct refusal *r;

	vec_for_each(r, &refused->list)
		if (r->err.code != EAGAIN)
			return false;
	return refused->list.n > 0;
}

void refuse_forget(struct refusals *refused)
{
	refused->list.n = 0;
	refused->spoilt.n = 0;
}

int refuse_end(struct dump *d, int ret, bool go_on, struct err *err)
{
	if (ret < 0 && !refuse_note(d, NULL, -1, err))
		return ret;
	if (!d->refused->list.n || (ret == 0 && go_on))
		return 0;
	*err = d->refused->list.items[0].err;
	return -err->code;
}

void refuse_spoil(struct dump *d, const void *kind)
{
	if (!refuse_spoilt(d, kind))
		*vec_add(d->refused->arena, &d->refused->spoilt) = kind;
}

bool refuse_spoilt(const struct dump *d, const void *kind)
{
	const void **k;

	vec_for_each(k, &d->refused->spoilt)
		if (*k == kind)
			return true;
	return false;
}

struct file *refuse_file(struct dump *d, struct task *t, int fd)
{
	struct file *f = arena_new(d->arena, struct file);

	f->kind = &refused_kind;
	f->image = record_new(d, file_entry);
	f->task = t;
	f->fd = fd;
	return f;
}
