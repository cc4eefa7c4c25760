/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * epoll - a set of watched descriptors
 *
 * collect   what is watched is in fdinfo, each by the number it had when it was
 *           added
 * drain     when all files are known: which of them each number means.  The
 *           kernel keeps a watch as long as the file lives, whatever became of
 *           the number, so kcmp(2) is asked about each
 * open      created empty
 * link      files are at their numbers: watches are added again.  One whose
 *           number means another file now is added while its file is there for
 *           a moment, because later changes name it by that number
 *
 * A watch that EPOLLONESHOT has disabled can only become so by an event.  If its
 * file has one to give (can be written, for example), it is used for that;
 * otherwise the watch is armed for errors and hang-up, as adding always does.
 *
 * not kept  the list of what is ready: adding finds it out anew, so a watch with
 *           EPOLLET reports once more what is ready.  Who added a signalfd: it
 *           shows the signals of that task, after restore of the task that owns
 *           the epoll
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "base/vec.h"
#include "core/fdtable.h"
#include "core/kind.h"
#include "core/refuse.h"

/* Modes of a watch, not events. */
static const uint32_t mode_bits = (uint32_t)EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;

static const uint32_t any_event = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLRDNORM |
				  EPOLLWRNORM | EPOLLRDBAND | EPOLLWRBAND;

/* struct epoll_params and its ioctls, from Linux 6.9 on */
struct busy_poll {
	uint32_t usecs;
	uint16_t budget;
	uint8_t prefer, pad;
};

static const unsigned long set_busy_poll = _IOW(0x8a, 1, struct busy_poll);
static const unsigned long get_busy_poll = _IOR(0x8a, 2, struct busy_poll);

extern const struct file_kind epoll_kind;

/* ---- dump ---- */

static bool parse_field(struct text *line, const char *key)
{
	text_skip_blanks(line);
	return text_lit(line, key);
}

/* "tfd: 5 events: 19 data: 7ffe00000005  pos:0 ino:2a1 sdev:10" */
static bool parse_watch(struct text line, EventpollTfdEntry *w)
{
	uint64_t number, events, ino, dev;
	int64_t pos;

	if (!text_u64(&line, &number) || !parse_field(&line, "events:") ||
	    !text_hex(&line, &events) || !parse_field(&line, "data:") ||
	    !text_hex(&line, &w->data) || !parse_field(&line, "pos:") || !text_s64(&line, &pos) ||
	    !parse_field(&line, "ino:") || !text_hex(&line, &ino) || !parse_field(&line, "sdev:") ||
	    !text_hex(&line, &dev))
		return false;

	w->tfd = (uint32_t)number;
	w->events = (uint32_t)events;
	w->has_pos = w->has_inode = w->has_dev = true;
	w->pos = (uint64_t)pos;
	w->inode = ino;
	w->dev = (uint32_t)dev;
	return true;
}

static int collect_watches(struct dump *d, const struct fd_probe *p, EventpollFileEntry *e,
			   struct err *err)
{
	struct text rest = text_of(p->fdinfo, strlen(p->fdinfo)), line;
	vec(EventpollTfdEntry *) watches = { 0 };

	while (text_line(&rest, &line)) {
		EventpollTfdEntry *w;

		if (!text_lit(&line, "tfd:"))
			continue;
		w = record_new(d, eventpoll_tfd_entry);
		if (!parse_watch(line, w))
			return err_set(err, EPROTO, "cannot read what epoll %d watches", p->fd);
		*vec_add(d->arena, &watches) = w;
	}
	e->tfd = watches.items;
	e->n_tfd = watches.n;
	return 0;
}

static void collect_busy_poll(int own, EventpollFileEntry *e)
{
	struct busy_poll b = { 0 };

	if (ioctl(own, get_busy_poll, &b) < 0 || (!b.usecs && !b.budget && !b.prefer))
		return;
	e->has_busy_poll_usecs = e->has_busy_poll_budget = e->has_prefer_busy_poll = true;
	e->busy_poll_usecs = b.usecs;
	e->busy_poll_budget = b.budget;
	e->prefer_busy_poll = b.prefer;
}

static int collect_epoll(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	EventpollFileEntry *e = record_new(d, eventpoll_file_entry);

	if (collect_watches(d, p, e, err) < 0)
		return -err->code;
	collect_busy_poll(p->own, e);
	e->flags = p->flags;
	fe->epfd = e;
	return 0;
}

/* Is descriptor @fd of @t what @f watches as @slot? */
static bool is_target(const struct file *f, struct kcmp_epoll_slot *slot, const struct task *t,
		      int fd)
{
	slot->efd = (uint32_t)f->fd;
	return syscall(SYS_kcmp, t->host_alive, f->task->host_alive, KCMP_EPOLL_TFD, fd, slot) == 0;
}

static struct file *find_target(struct dump *d, const struct file *f, struct kcmp_epoll_slot *slot)
{
	const struct fdtable *table = f->task->fdtable;
	const struct fdtable_entry *e = table ? fdtable_find(table, (int)slot->tfd) : NULL;
	struct file *other;

	if (e && is_target(f, slot, f->task, e->fd))
		return e->file;
	for_each_file(other, d->files)
		if (other->fd >= 0 && is_target(f, slot, other->task, other->fd))
			return other;
	return NULL;
}

/*
 * Say which file it is, and where the table has it under another number, put
 * that into the field that others know.
 */
static void name_target(const struct file *f, EventpollTfdEntry *w, const struct file *target)
{
	const struct fdtable *table = f->task->fdtable;
	const struct fdtable_entry *e = table ? fdtable_find(table, (int)w->tfd) : NULL;

	w->has_file_id = true;
	w->file_id = target->id;
	if (!table || (e && e->file == target))
		return;
	vec_for_each(e, &table->entries)
		if (e->file == target) {
			w->has_number = true;
			w->number = w->tfd;
			w->tfd = (uint32_t)e->fd;
			return;
		}
}

static int resolve_watches(struct dump *d, struct file *f, struct err *err)
{
	EventpollFileEntry *e = f->image->epfd;
	scoped_ptr uint32_t *seen = NULL;
	uint32_t last = 0;
	size_t i;

	for (i = 0; i < e->n_tfd; i++)
		last = e->tfd[i]->tfd > last ? e->tfd[i]->tfd : last;
	seen = calloc((size_t)last + 1, sizeof(*seen));
	if (!seen)
		return err_sys(err, "cannot look at what an epoll watches");

	for (i = 0; i < e->n_tfd; i++) {
		EventpollTfdEntry *w = e->tfd[i];
		struct kcmp_epoll_slot slot = { .tfd = w->tfd, .toff = seen[w->tfd]++ };
		const struct file *target = find_target(d, f, &slot);

		if (!target) {
			err_set(err, EOPNOTSUPP,
				"cannot dump epoll %d of task %d: nobody in the tree has the file open that was "
				"descriptor %u when it was added (inode %lu)",
				f->fd, f->task->host_pid, w->tfd, (unsigned long)w->inode);
			err_why(err, "a watch cannot be made without that file");
			return err_hint(err,
					"remove descriptors from an epoll before closing them");
		}
		if (file_check_late(d, target, "watched by epoll", err) < 0)
			return -err->code;
		name_target(f, w, target);
	}
	return 0;
}

/* At the very end, because files in flight are found late. */
static int drain_end_epoll(struct dump *d, struct err *err)
{
	struct file *f;

	for_each_file(f, d->files)
		if (f->kind == &epoll_kind && resolve_watches(d, f, err) < 0 &&
		    !refuse_note(d, f->task, f->fd, err))
			return -err->code;
	return 0;
}

/* ---- restore ---- */

static int read_epoll(struct restore *r, struct file *f, struct err *err)
{
	const EventpollFileEntry *e = f->image->epfd;
	size_t i;

	for (i = 0; i < e->n_tfd; i++) {
		if (e->tfd[i]->has_file_id && !file_by_id(r, e->tfd[i]->file_id)) {
			err_set(err, EBADMSG,
				"cannot restore an epoll: file %u, which it watches, is missing",
				e->tfd[i]->file_id);
			return err_hint(
				err,
				"the checkpoint is damaged or was not finished; take it again");
		}
	}
	return 0;
}

static int open_epoll(struct restore *r, struct file *f, struct err *err)
{
	const EventpollFileEntry *e = f->image->epfd;
	struct busy_poll b = { e->busy_poll_usecs, (uint16_t)e->busy_poll_budget,
			       e->prefer_busy_poll, 0 };
	scoped_fd fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "cannot create an epoll");
	if (e->has_busy_poll_usecs && ioctl(fd, set_busy_poll, &b) < 0)
		return err_sys(err, "cannot make an epoll poll busily");
	return take_fd(&fd);
}

/* What is left when it has fired; fdinfo shows errors and hang-up for all others. */
static bool is_disabled(const EventpollTfdEntry *w)
{
	return (w->events & EPOLLONESHOT) && !(w->events & ~mode_bits);
}

static int add_watch(int ep, int number, const EventpollTfdEntry *w, struct err *err)
{
	struct epoll_event ev = { .events = w->events, .data.u64 = w->data }, got;

	if (is_disabled(w))
		ev.events |= any_event;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, number, &ev) < 0)
		return err_sys(err, "cannot add descriptor %d to an epoll", number);
	if (!is_disabled(w) || epoll_wait(ep, &got, 1, 0) == 1)
		return 0;

	ev.events = w->events;
	if (epoll_ctl(ep, EPOLL_CTL_MOD, number, &ev) < 0)
		return err_sys(err, "cannot change descriptor %d of an epoll", number);
	return 0;
}

static int put_back(int number, int saved, int fd_flags, struct err *err)
{
	if (saved < 0)
		return close(number) < 0 ? err_sys(err, "cannot close descriptor %d", number) : 0;
	if (dup3(saved, number, fd_flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		return err_sys(err, "cannot put descriptor %d back", number);
	return 0;
}

/* Add it with @target at @number for as long as that takes. */
static int add_as(int ep, int number, int target, const EventpollTfdEntry *w, struct err *err)
{
	int fd_flags = fcntl(number, F_GETFD);
	scoped_fd saved = fcntl(number, F_DUPFD_CLOEXEC, 0);
	int ret;

	if (dup3(target, number, O_CLOEXEC) < 0)
		return err_sys(err, "cannot use descriptor number %d", number);
	ret = add_watch(ep == number ? saved : ep, number, w, err);
	if (put_back(number, saved, fd_flags, err) < 0)
		return -err->code;
	return ret;
}

static int link_watch(struct restore *r, int ep, const EventpollTfdEntry *w, struct err *err)
{
	int number = (int)(w->has_number ? w->number : w->tfd), fd, ret;
	const struct fdtable_entry *e = fdtable_find(r->self->fdtable, number);
	struct file *target = w->has_file_id ? file_by_id(r, w->file_id) : e ? e->file : NULL;
	bool lent;

	if (!target) {
		err_set(err, EBADMSG,
			"cannot add descriptor %d to an epoll: task %d has no such descriptor",
			number, r->self->pid);
		return err_hint(
			err,
			"the checkpoint was written by a program that does not say which file it is");
	}
	if (e && e->file == target)
		return add_watch(ep, number, w, err);

	fd = file_borrow(r, target, &lent, err);
	if (fd < 0)
		return fd;
	ret = fd == number ? add_watch(ep, number, w, err) : add_as(ep, number, fd, w, err);
	if (!lent)
		close(fd);
	return ret;
}

/* Disabled ones first: what they report is taken, and must not be somebody else's. */
static int link_epoll(struct restore *r, struct file *f, int fd, struct err *err)
{
	const EventpollFileEntry *e = f->image->epfd;
	size_t i;

	for (i = 0; i < e->n_tfd; i++)
		if (is_disabled(e->tfd[i]) && link_watch(r, fd, e->tfd[i], err) < 0)
			return -err->code;
	for (i = 0; i < e->n_tfd; i++)
		if (!is_disabled(e->tfd[i]) && link_watch(r, fd, e->tfd[i], err) < 0)
			return -err->code;
	return 0;
}

const struct file_kind epoll_kind = {
	.name = "epoll",
	.type = FD_TYPES__EVENTPOLL,
	.anon = "[eventpoll]",
	.needs = (const enum kernel_feature[]){ KERNEL_KCMP, KERNEL_NONE },
	.collect = collect_epoll,
	.drain_end = drain_end_epoll,
	.read = read_epoll,
	.open = open_epoll,
	.link = link_epoll,
};
