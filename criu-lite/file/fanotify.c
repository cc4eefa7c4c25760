/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fanotify - marks on files, mounts and file systems
 *
 * collect   flags and marks are in fdinfo
 * drain     paths are found: of files by their handle (core/inode_path.c), of mounts
 *           and file systems by the list of mounts.  A file that has no name any
 *           more must be open in the tree
 * plan      everything marked must be there
 * open      created empty, without rights if its task has none: it tells no pids of
 *           others then
 * link      when all files are open, so that our opening is not seen
 *
 * not kept  events that nobody has read, as with inotify (a warning is in the log);
 *           permission that somebody waits for while the dumped program ends is
 *           granted by the kernel
 *
 * Who is asked for permission on a whole mount or file system is refused: nobody could
 * answer while it is stopped, and a restore opens files too (core/path_guard.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "base/vec.h"
#include "core/inode_path.h"
#include "core/kind.h"
#include "images/fsnotify.pb-c.h"

enum {
	USER_FLAGS = FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_FID | FAN_REPORT_DIR_FID |
		     FAN_REPORT_NAME | FAN_REPORT_TARGET_FID,
	MARK_FLAGS = FAN_MARK_IGNORED_SURV_MODIFY | FAN_MARK_EVICTABLE | FAN_MARK_IGNORE,
};

struct fanotify_state {
	struct mount_list mounts;
};

extern const struct file_kind fanotify_kind;

/* ---- collect ---- */

static bool parse_field(struct text *line, const char *key, uint32_t *ret)
{
	uint64_t n;

	text_skip_blanks(line);
	if (!text_lit(line, key) || !text_hex(line, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

static bool parse_masks(struct text *line, FanotifyMarkEntry *m)
{
	return parse_field(line, "mflags:", &m->mflags) && parse_field(line, "mask:", &m->mask) &&
	       parse_field(line, "ignored_mask:", &m->ignored_mask);
}

/* "ino:a8a03f sdev:fe00000 mflags:40 mask:20 ignored_mask:2 fhandle-bytes:8 ..." */
static bool parse_inode_mark(struct arena *a, struct text *line, FanotifyMarkEntry *m)
{
	FanotifyInodeMarkEntry *ie = record_of(a, &fanotify_inode_mark_entry__descriptor);

	m->type = MARK_TYPE__INODE;
	m->ie = ie;
	ie->f_handle = inode_handle_new(a);
	if (!text_lit(line, "ino:") || !text_hex(line, &ie->i_ino) ||
	    !parse_field(line, "sdev:", &m->s_dev) || !parse_masks(line, m))
		return false;
	text_skip_blanks(line);
	return line->p == line->end || inode_handle_parse(line, ie->f_handle);
}

/* "mnt_id:1b mflags:0 mask:8 ignored_mask:0" or, of a file system, "sdev:fe00000 mflags:..." */
static bool parse_mount_mark(struct arena *a, struct text *line, FanotifyMarkEntry *m)
{
	m->type = MARK_TYPE__MOUNT;
	m->me = record_of(a, &fanotify_mount_mark_entry__descriptor);
	if (parse_field(line, "sdev:", &m->s_dev))
		m->has_file_system = m->file_system = true;
	else if (!parse_field(line, "mnt_id:", &m->me->mnt_id))
		return false;
	return parse_masks(line, m);
}

static bool parse_mark(struct arena *a, struct text line, FanotifyMarkEntry *m)
{
	struct text t = line;

	return parse_inode_mark(a, &t, m) || (m->ie = NULL, parse_mount_mark(a, &line, m));
}

static int collect_mark(struct dump *d, const struct fd_probe *p, struct text line,
			FanotifyMarkEntry *m, struct err *err)
{
	if (!parse_mark(d->arena, line, m) || (m->mflags & ~(uint32_t)MARK_FLAGS)) {
		err_set(err, EOPNOTSUPP, "cannot dump fanotify %d: its mark \"%.*s\" is unknown",
			p->fd, (int)(line.end - line.p), line.p);
		return err_hint(err, "have the program remove that mark before the dump");
	}
	return 0;
}

static int collect_marks(struct dump *d, const struct fd_probe *p, FanotifyFileEntry *e,
			 struct err *err)
{
	struct text rest = text_of(p->fdinfo, strlen(p->fdinfo)), line;
	vec(FanotifyMarkEntry *) marks = { 0 };
	bool has_flags = false;

	while (text_line(&rest, &line)) {
		FanotifyMarkEntry *m;

		if (!text_lit(&line, "fanotify "))
			continue;
		if (!has_flags) {
			if (!parse_field(&line, "flags:", &e->faflags) ||
			    !parse_field(&line, "event-flags:", &e->evflags))
				break;
			has_flags = true;
			continue;
		}
		m = record_new(d, fanotify_mark_entry);
		if (collect_mark(d, p, line, m, err) < 0)
			return -err->code;
		*vec_add(d->arena, &marks) = m;
	}
	e->mark = marks.items;
	e->n_mark = marks.n;
	return has_flags ? 0 : err_set(err, EPROTO, "cannot read the flags of fanotify %d", p->fd);
}

/*
 * Whether a group shows whose events they are was decided by the rights of who
 * made it, and fdinfo does not tell.  If all of it could have been made without
 * rights, and its task has none, then so it was.
 */
static bool is_unprivileged(const struct task *t, const FanotifyFileEntry *e)
{
	size_t i;

	if (!(e->faflags & (FAN_REPORT_FID | FAN_REPORT_DIR_FID)) ||
	    (e->faflags & ~(uint32_t)USER_FLAGS) ||
	    (t->threads[0].status.cap_eff & (uint64_t)1 << CAP_SYS_ADMIN))
		return false;
	for (i = 0; i < e->n_mark; i++)
		if (e->mark[i]->me)
			return false;
	return true;
}

static int collect_fanotify(struct dump *d, const struct fd_probe *p, FileEntry *fe,
			    struct err *err)
{
	FanotifyFileEntry *e = record_new(d, fanotify_file_entry);
	int queued;

	if (collect_marks(d, p, e, err) < 0)
		return -err->code;
	if (ioctl(p->own, FIONREAD, &queued) < 0)
		return err_sys(err, "cannot ask fanotify %d for unread events", p->fd);
	if (queued)
		log_warn("fanotify %d of task %d: %d bytes of unread events are not kept", p->fd,
			 p->task->host_pid, queued);
	e->has_unprivileged = e->unprivileged = is_unprivileged(p->task, e);
	e->flags = p->flags;
	fe->ffy = e;
	return 0;
}

/* ---- drain ---- */

static struct inode_path inode_of(const FanotifyMarkEntry *m)
{
	return (struct inode_path){ .dev = m->s_dev,
				    .ino = m->ie->i_ino,
				    .handle = m->ie->f_handle };
}

static int drain_inode(struct dump *d, struct mount_list *mounts, FanotifyMarkEntry *m,
		       struct err *err)
{
	struct inode_path inode = inode_of(m);
	const struct file *open;

	if (inode_path_find(d, mounts, &inode, &open, err) < 0)
		return -err->code;
	m->has_file_id = open != NULL;
	m->file_id = open ? open->id : 0;
	return 0;
}

static int drain_mount(struct dump *d, struct mount_list *mounts, FanotifyMarkEntry *m,
		       struct err *err)
{
	const char *path;
	int ret;

	ret = m->file_system ? mount_path_by_dev(d, mounts, m->s_dev, &path, err)
			     : mount_path_by_id(d, mounts, m->me->mnt_id, &path, err);
	if (ret < 0)
		return ret;
	m->me->path = (char *)path;
	if (path)
		return 0;
	if (m->file_system)
		err_set(err, EOPNOTSUPP,
			"cannot dump a mark on the file system %u:%u: it is not mounted where we can see it",
			m->s_dev >> 20, m->s_dev & 0xfffff);
	else
		err_set(err, EOPNOTSUPP,
			"cannot dump a mark on mount %u: it is gone, hidden, or in another namespace",
			m->me->mnt_id);
	return err_hint(err, "have the program remove that mark before the dump");
}

static int drain_fanotify(struct dump *d, struct file *f, struct err *err)
{
	struct fanotify_state *s = kind_state(d->kinds, &fanotify_kind);
	const FanotifyFileEntry *e = f->image->ffy;
	size_t i;

	for (i = 0; i < e->n_mark; i++)
		if ((e->mark[i]->me ? drain_mount : drain_inode)(d, &s->mounts, e->mark[i], err) <
		    0)
			return -err->code;
	return 0;
}

/* ---- restore ---- */

static bool is_sound(struct restore *r, const FanotifyMarkEntry *m)
{
	if (m->has_file_id && !file_by_id(r, m->file_id))
		return false;
	if (m->type == MARK_TYPE__INODE)
		return m->ie && inode_handle_is_sound(m->ie->f_handle);
	return m->type == MARK_TYPE__MOUNT && m->me && m->me->path && m->me->path[0] == '/';
}

static int read_fanotify(struct restore *r, struct file *f, struct err *err)
{
	const FanotifyFileEntry *e = f->image->ffy;
	size_t i;

	for (i = 0; i < e->n_mark; i++) {
		if (is_sound(r, e->mark[i]))
			continue;
		err_set(err, EBADMSG, "cannot restore mark %zu of a fanotify: it is damaged", i);
		return err_hint(err, "take the checkpoint again");
	}
	return 0;
}

static int open_marked(struct restore *r, const FanotifyMarkEntry *m, struct err *err)
{
	struct fanotify_state *s = kind_state(r->kinds, &fanotify_kind);
	struct inode_path inode;
	int fd;

	if (m->type == MARK_TYPE__INODE) {
		inode = inode_of(m);
		return inode_path_open(r, &s->mounts, &inode, err);
	}
	fd = open(m->me->path, O_PATH | O_CLOEXEC);
	if (fd < 0) {
		err_sys(err, "cannot find %s, which is marked", m->me->path);
		return err_hint(err, "mount it as it was at the dump");
	}
	return fd;
}

static int plan_fanotify(struct restore *r, struct file *f, struct err *err)
{
	const FanotifyFileEntry *e = f->image->ffy;
	size_t i;

	/* mounts of the tree's own are not there yet */
	for (i = 0; i < e->n_mark && !r->mounts; i++) {
		scoped_fd fd = -1;

		if (e->mark[i]->has_file_id)
			continue;
		fd = open_marked(r, e->mark[i], err);
		if (fd < 0)
			return -err->code;
	}
	return 0;
}

static int open_fanotify(struct restore *r, struct file *f, struct err *err)
{
	const FanotifyFileEntry *e = f->image->ffy;
	bool drop = e->has_unprivileged && e->unprivileged;
	int fd, code;

	/* without its effective user id root has no effective capabilities either */
	if (drop && setresuid((uid_t)-1, 65534, (uid_t)-1) < 0)
		return err_sys(err, "cannot become nobody to create a fanotify");
	/* fdinfo shows even FAN_CLOEXEC for ever, so it is as it was */
	fd = fanotify_init(e->faflags, e->evflags);
	code = errno;
	if (drop && setresuid((uid_t)-1, 0, (uid_t)-1) < 0)
		return err_sys(err, "cannot become root again");
	if (fd >= 0)
		return fd;
	err_set(err, code, "cannot create a fanotify with flags %#x and %#x", e->faflags,
		e->evflags);
	return err_hint(err, "see the sysctl fs.fanotify.max_user_groups");
}

static int add_mark(int fan, int target, const FanotifyMarkEntry *m, struct err *err)
{
	unsigned int flags = FAN_MARK_ADD | (m->mflags & FAN_MARK_EVICTABLE), ignore;
	char path[64];

	if (m->type == MARK_TYPE__MOUNT)
		flags |= m->file_system ? FAN_MARK_FILESYSTEM : FAN_MARK_MOUNT;
	ignore = m->mflags & FAN_MARK_IGNORE ? FAN_MARK_IGNORE : FAN_MARK_IGNORED_MASK;
	ignore |= m->mflags & FAN_MARK_IGNORED_SURV_MODIFY;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
	if ((m->mask && fanotify_mark(fan, flags, m->mask, AT_FDCWD, path) < 0) ||
	    (m->ignored_mask &&
	     fanotify_mark(fan, flags | ignore, m->ignored_mask, AT_FDCWD, path) < 0)) {
		err_sys(err, "cannot mark %s with %#x, ignoring %#x",
			m->me			? m->me->path
			: m->ie->f_handle->path ? m->ie->f_handle->path
						: "a deleted file",
			m->mask, m->ignored_mask);
		return err_hint(err, "see the sysctl fs.fanotify.max_user_marks");
	}
	return 0;
}

static int link_fanotify(struct restore *r, struct file *f, int fd, struct err *err)
{
	const FanotifyFileEntry *e = f->image->ffy;
	size_t i;

	/* fdinfo shows the newest first */
	for (i = e->n_mark; i-- > 0;) {
		const FanotifyMarkEntry *m = e->mark[i];
		bool lent = false;
		int target, ret;

		target = m->has_file_id ? file_borrow(r, file_by_id(r, m->file_id), &lent, err)
					: open_marked(r, m, err);
		if (target < 0)
			return target;
		ret = add_mark(fd, target, m, err);
		if (!lent)
			close(target);
		if (ret < 0)
			return ret;
	}
	return 0;
}

const struct file_kind fanotify_kind = {
	.name = "fanotify",
	.type = FD_TYPES__FANOTIFY,
	.anon = "[fanotify]",
	.state_size = sizeof(struct fanotify_state),
	.collect = collect_fanotify,
	.drain = drain_fanotify,
	.read = read_fanotify,
	.plan = plan_fanotify,
	.open = open_fanotify,
	.link = link_fanotify,
};
