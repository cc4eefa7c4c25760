/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inotify - watches on files and directories
 *
 * collect   watches are in fdinfo, with inode number and file handle
 * drain     paths are found (core/inode_path.c).  What has no name any more must
 *           be open in the tree
 * plan      everything watched must be there: the path, or what the handle leads to
 * open      created empty
 * link      when all files are open, so that our opening is not seen; watches get
 *           their old numbers
 *
 * not kept  events that nobody has read: reading would take them from a program
 *           that goes on, and the kernel has no way to put them back (a warning is
 *           in the log).  The next number for a watch, if the last was removed
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "base/vec.h"
#include "core/inode_path.h"
#include "core/kind.h"
#include "images/fsnotify.pb-c.h"

static const unsigned long set_next_wd = _IOW('I', 0, int32_t);

struct inotify_state {
	struct mount_list mounts;
};

extern const struct file_kind inotify_kind;

/* ---- collect ---- */

static bool parse_hex_field(struct text *line, const char *key, uint32_t *ret)
{
	uint64_t n;

	text_skip_blanks(line);
	if (!text_lit(line, key) || !text_hex(line, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* "wd:1 ino:a7204b sdev:fe00000 mask:fff ignored_mask:0 fhandle-bytes:8 ..." */
static bool parse_watch(struct text line, InotifyWdEntry *w)
{
	if (!parse_hex_field(&line, "wd:", &w->wd))
		return false;
	text_skip_blanks(&line);
	if (!text_lit(&line, "ino:") || !text_hex(&line, &w->i_ino) ||
	    !parse_hex_field(&line, "sdev:", &w->s_dev) ||
	    !parse_hex_field(&line, "mask:", &w->mask) ||
	    !parse_hex_field(&line, "ignored_mask:", &w->ignored_mask))
		return false;
	text_skip_blanks(&line);
	return line.p == line.end || inode_handle_parse(&line, w->f_handle);
}

static InotifyWdEntry *watch_new(struct arena *a)
{
	InotifyWdEntry *w = record_of(a, &inotify_wd_entry__descriptor);

	w->f_handle = inode_handle_new(a);
	return w;
}

static bool parse_watches(struct arena *a, const char *fdinfo, InotifyFileEntry *e)
{
	struct text rest = text_of(fdinfo, strlen(fdinfo)), line;
	vec(InotifyWdEntry *) watches = { 0 };

	while (text_line(&rest, &line)) {
		InotifyWdEntry *w;

		if (!text_lit(&line, "inotify "))
			continue;
		w = watch_new(a);
		if (!parse_watch(line, w))
			return false;
		*vec_add(a, &watches) = w;
	}
	e->wd = watches.items;
	e->n_wd = watches.n;
	return true;
}

static int collect_inotify(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	InotifyFileEntry *e = record_new(d, inotify_file_entry);
	int queued;

	if (!parse_watches(d->arena, p->fdinfo, e))
		return err_set(err, EPROTO, "cannot read the watches of inotify %d", p->fd);
	if (ioctl(p->own, FIONREAD, &queued) < 0)
		return err_sys(err, "cannot ask inotify %d for unread events", p->fd);
	if (queued)
		log_warn("inotify %d of task %d: %d bytes of unread events are not kept", p->fd,
			 p->task->host_pid, queued);

	e->flags = p->flags;
	fe->ify = e;
	return 0;
}

static struct inode_path inode_of(const InotifyWdEntry *w)
{
	return (struct inode_path){ .dev = w->s_dev, .ino = w->i_ino, .handle = w->f_handle };
}

static int drain_inotify(struct dump *d, struct file *f, struct err *err)
{
	struct inotify_state *s = kind_state(d->kinds, &inotify_kind);
	const InotifyFileEntry *e = f->image->ify;
	const struct file *open;
	size_t i;

	for (i = 0; i < e->n_wd; i++) {
		struct inode_path inode = inode_of(e->wd[i]);

		if (inode_path_find(d, &s->mounts, &inode, &open, err) < 0)
			return -err->code;
		e->wd[i]->has_file_id = open != NULL;
		e->wd[i]->file_id = open ? open->id : 0;
	}
	return 0;
}

/* ---- restore ---- */

static bool is_sound(const InotifyWdEntry *w)
{
	return w->wd >= 1 && w->wd <= INT_MAX && inode_handle_is_sound(w->f_handle);
}

static int read_inotify(struct restore *r, struct file *f, struct err *err)
{
	const InotifyFileEntry *e = f->image->ify;
	size_t i;

	for (i = 0; i < e->n_wd; i++) {
		const InotifyWdEntry *w = e->wd[i];

		if (!is_sound(w) || (w->has_file_id && !file_by_id(r, w->file_id))) {
			err_set(err, EBADMSG, "cannot restore watch %u: it is damaged", w->wd);
			return err_hint(err, "take the checkpoint again");
		}
	}
	return 0;
}

static int find_watched(struct restore *r, const InotifyWdEntry *w, struct err *err)
{
	struct inotify_state *s = kind_state(r->kinds, &inotify_kind);
	struct inode_path inode = inode_of(w);

	return inode_path_open(r, &s->mounts, &inode, err);
}

static int plan_inotify(struct restore *r, struct file *f, struct err *err)
{
	const InotifyFileEntry *e = f->image->ify;
	size_t i;

	/* mounts of the tree's own are not there yet */
	for (i = 0; i < e->n_wd && !r->mounts; i++) {
		int fd = e->wd[i]->has_file_id ? -1 : find_watched(r, e->wd[i], err);

		if (fd >= 0)
			close(fd);
		else if (!e->wd[i]->has_file_id)
			return fd;
	}
	return 0;
}

static int open_inotify(struct restore *r, struct file *f, struct err *err)
{
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd < 0) {
		err_sys(err, "cannot create an inotify");
		return err_hint(err, "raise the sysctl fs.inotify.max_user_instances");
	}
	return fd;
}

static int add_watch(int in, int target, const InotifyWdEntry *w, struct err *err)
{
	char path[64];
	int wd;

	if (ioctl(in, set_next_wd, w->wd) < 0)
		return err_sys(err, "cannot choose the number %u for a watch", w->wd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
	wd = inotify_add_watch(in, path, w->mask);
	if (wd < 0) {
		err_sys(err, "cannot add watch %u", w->wd);
		return err_hint(err, "see the sysctl fs.inotify.max_user_watches");
	}
	if ((uint32_t)wd != w->wd)
		return err_set(err, EEXIST, "cannot add watch %u: watch %d is on the same file",
			       w->wd, wd);
	return 0;
}

static int link_watch(struct restore *r, int in, const InotifyWdEntry *w, struct err *err)
{
	bool lent = false;
	int target, ret;

	target = w->has_file_id ? file_borrow(r, file_by_id(r, w->file_id), &lent, err)
				: find_watched(r, w, err);
	if (target < 0)
		return target;
	ret = add_watch(in, target, w, err);
	if (!lent)
		close(target);
	return ret;
}

static int link_inotify(struct restore *r, struct file *f, int fd, struct err *err)
{
	const InotifyFileEntry *e = f->image->ify;
	uint32_t last = 0;
	size_t i;

	/* fdinfo shows the newest first */
	for (i = e->n_wd; i-- > 0;) {
		if (link_watch(r, fd, e->wd[i], err) < 0)
			return -err->code;
		last = e->wd[i]->wd > last ? e->wd[i]->wd : last;
	}
	if (last && last < INT_MAX && ioctl(fd, set_next_wd, last + 1) < 0)
		return err_sys(err, "cannot choose the number for the next watch");
	return 0;
}

const struct file_kind inotify_kind = {
	.name = "inotify",
	.type = FD_TYPES__INOTIFY,
	.anon = "inotify",
	.state_size = sizeof(struct inotify_state),
	.collect = collect_inotify,
	.drain = drain_inotify,
	.read = read_inotify,
	.plan = plan_inotify,
	.open = open_inotify,
	.link = link_inotify,
};
