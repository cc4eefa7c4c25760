/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pipe - bytes on their way, and any number of descriptors at either end
 *
 * collect   a descriptor is an end of the pipe that its inode number names
 * drain     what is inside is copied (core/pipe_data.c), once per pipe that
 *           somebody in the tree can read
 * plan      all descriptors of a pipe are opened by one task
 * open      pipe2() gives the first two; the others are opened through /proc.
 *           An end that nobody has is closed: end of file, or EPIPE, as it was
 *
 * A pipe may lead out of the tree.  Such an end comes back closed, as if who had
 * it were gone, unless restore is given a substitute (--inherit-fd).
 *
 * not kept  inode number; times of the inode; who paid for the buffers
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/vec.h"
#include "core/kind.h"
#include "core/pipe_data.h"

enum {
	READ_END,
	WRITE_END,
	BUCKETS = 1024,
	DEFAULT_MODE = 0600,
};

struct pipe {
	struct pipe *next; /* in its bucket */
	uint32_t id;

	/* dump */
	bool has[2];	  /* ends in the tree */
	struct file *end; /* one of them */
	bool drained;

	/* restore */
	vec(struct file *) files;
	struct pipe_data data; /* no entry: nobody could read it */
	int substitute;	       /* number in the coordinator, -1 */
	bool shared;	       /* the substitute is no pipe: used as it is */
	bool old;	       /* the substitute is the old pipe, with all that is in it */
};

struct pipe_state {
	struct image *img;
	struct pipe *buckets[BUCKETS];
};

extern const struct file_kind pipe_kind;

/* The pipe with this inode number; made if it is not known yet. */
static struct pipe *pipe_of(struct arena *a, struct pipe_state *s, uint32_t id)
{
	struct pipe **at = &s->buckets[id % BUCKETS];

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	if (!*at) {
		*at = arena_new(a, struct pipe);
		(*at)->id = id;
		(*at)->substitute = -1;
	}
	return *at;
}

static bool has_end(unsigned int flags, int end)
{
	unsigned int mode = flags & O_ACCMODE;

	if (flags & O_PATH)
		return false;
	return mode == O_RDWR || mode == (end == READ_END ? O_RDONLY : O_WRONLY);
}

/* ---- dump ---- */

static bool match_pipe(const struct fd_probe *p)
{
	return S_ISFIFO(p->st.st_mode) && strncmp(p->link, "pipe:[", 6) == 0;
}

/* Who opens it through /proc needs permission: /dev/stderr of a daemon that is not root any more. */
static void keep_inode(PipeEntry *e, const struct stat *st)
{
	uint32_t mode = st->st_mode & 07777;

	if (mode == DEFAULT_MODE && !st->st_uid && !st->st_gid)
		return;
	e->has_mode = e->has_uid = e->has_gid = true;
	e->mode = mode;
	e->uid = st->st_uid;
	e->gid = st->st_gid;
}

static int collect_pipe(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	PipeEntry *e = record_new(d, pipe_entry);

	e->pipe_id = (uint32_t)p->st.st_ino;
	e->flags = p->flags & ~(unsigned int)O_DIRECT;
	if ((p->flags & O_DIRECT) && !(p->flags & O_PATH))
		e->has_packet = e->packet = true;
	keep_inode(e, &p->st);
	fe->pipe = e;
	return 0;
}

static int drain_pipe(struct dump *d, struct file *f, struct err *err)
{
	struct pipe_state *s = kind_state(d->kinds, &pipe_kind);
	const PipeEntry *e = f->image->pipe;
	struct pipe *p = pipe_of(d->arena, s, e->pipe_id);
	scoped_fd own = -1;
	int end;

	for (end = READ_END; end <= WRITE_END; end++)
		if (has_end(e->flags, end)) {
			p->has[end] = true;
			p->end = f;
		}
	if (p->drained || !has_end(e->flags, READ_END))
		return 0;

	p->drained = true;
	own = file_get(d, f, err);
	if (own < 0)
		return own;
	if (pipe_data_write(d, IMAGE_PIPES_DATA, &s->img, p->id, own, err) < 0)
		return err_in(err, "pipe:[%u]", p->id);
	return 0;
}

/* Is there somebody outside of the tree at the other end? */
static int look_outside(struct dump *d, const struct pipe *p, struct err *err)
{
	struct pollfd pfd = { 0 };
	scoped_fd own = -1;

	if (p->has[READ_END] == p->has[WRITE_END])
		return 0;
	own = file_get(d, p->end, err);
	if (own < 0)
		return own;
	pfd.fd = own;
	if (poll(&pfd, 1, 0) < 0)
		return err_sys(err, "cannot poll pipe:[%u]", p->id);
	if (!(pfd.revents & (POLLHUP | POLLERR)))
		log_warn("pipe:[%u] leads out of the tree: restore will close its other end, "
			 "unless --inherit-fd 'fd[N]:pipe:[%u]' is given",
			 p->id, p->id);
	return 0;
}

static int drain_end_pipe(struct dump *d, struct err *err)
{
	struct pipe_state *s = kind_state(d->kinds, &pipe_kind);
	const struct pipe *p;
	size_t i;

	for (i = 0; i < BUCKETS; i++)
		for (p = s->buckets[i]; p; p = p->next)
			if (look_outside(d, p, err) < 0)
				return -err->code;
	return s->img ? image_close(take_ptr(s->img), err) : 0;
}

/* ---- restore: read and plan ---- */

static int read_begin_pipe(struct restore *r, struct err *err)
{
	struct pipe_state *s = kind_state(r->kinds, &pipe_kind);
	pipe_data_list all = { 0 };
	const struct pipe_data *data;

	if (pipe_data_read(r, IMAGE_PIPES_DATA, &all, err) < 0)
		return -err->code;
	vec_for_each(data, &all)
		pipe_of(r->arena, s, data->entry->pipe_id)->data = *data;
	return 0;
}

static bool has_content(const struct pipe *p)
{
	return p->data.entry && p->data.entry->bytes;
}

static int read_pipe(struct restore *r, struct file *f, struct err *err)
{
	struct pipe_state *s = kind_state(r->kinds, &pipe_kind);
	PipeEntry *e = f->image->pipe;
	struct pipe *p = pipe_of(r->arena, s, e->pipe_id);

	if (e->packet)
		e->flags |= O_DIRECT; /* the core sets it with the other status flags */
	*vec_add(r->arena, &p->files) = f;
	f->data = p;
	return 0;
}

static int find_substitute(const struct restore_opts *opts, const struct pipe *p)
{
	const struct inherit_fd *i;
	char key[32];

	snprintf(key, sizeof(key), "pipe:[%u]", p->id);
	vec_for_each(i, &opts->inherit_fds)
		if (strcmp(i->key, key) == 0)
			return i->fd;
	return -1;
}

/*
 * What was in the pipe goes into its substitute, unless that is the old pipe,
 * where it still is.  It must be what is read first, and somebody must read it.
 */
static int check_substitute(struct pipe *p, struct err *err)
{
	struct stat st;
	int inside;

	if (fstat(p->substitute, &st) < 0)
		return err_sys(err, "cannot use descriptor %d for pipe:[%u]", p->substitute, p->id);
	p->shared = !S_ISFIFO(st.st_mode);
	if (!has_content(p))
		return 0;
	inside = p->shared ? 0 : pipe_inside(p->substitute, err);
	if (inside < 0)
		return inside;
	p->old = inside && st.st_ino == p->id;
	if (p->old || (!inside && !p->shared))
		return 0;

	err_set(err, EBUSY, "cannot put the %u bytes of pipe:[%u] into descriptor %d: %s",
		p->data.entry->bytes, p->id, p->substitute,
		inside ? "it is not empty" : "it is no pipe");
	return err_hint(err, "let --inherit-fd name an empty pipe");
}

static int plan_pipe(struct restore *r, struct file *f, struct err *err)
{
	struct pipe *p = f->data;

	if (f != p->files.items[0]) {
		file_join(p->files.items[0], f);
		return 0;
	}
	p->substitute = find_substitute(r->opts, p);
	return p->substitute < 0 ? 0 : check_substitute(p, err);
}

/* ---- restore: open ---- */

static int reopen(struct restore *r, int fd, unsigned int flags, struct err *err)
{
	char path[32];
	int ret;

	/* without O_NONBLOCK a named pipe could wait for its other end here; the core sets what is right */
	flags &= O_ACCMODE | O_PATH;
	snprintf(path, sizeof(path), "self/fd/%d", fd);
	ret = openat(r->proc, path, (int)(flags | O_CLOEXEC | (flags & O_PATH ? 0 : O_NONBLOCK)));
	return ret < 0 ? err_sys(err, "cannot open a pipe once more") : ret;
}

/* What pipe2() makes differs from what is opened: O_LARGEFILE, as the kernel has it. */
static bool is_like(int fd, unsigned int flags)
{
	unsigned int status = O_NONBLOCK | O_APPEND | O_DIRECT | O_ASYNC | O_NOATIME;

	return (((unsigned int)fcntl(fd, F_GETFL) ^ flags) & ~status) == 0;
}

static int take_end(struct restore *r, const PipeEntry *e, int any, int ends[2], struct err *err)
{
	int end;

	for (end = READ_END; end <= WRITE_END; end++)
		if (ends[end] >= 0 && is_like(ends[end], e->flags))
			return take_fd(&ends[end]);
	return reopen(r, any, e->flags, err);
}

static int share_substitute(int any, struct err *err)
{
	int fd = fcntl(any, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? err_sys(err, "cannot copy a descriptor") : fd;
}

/* The first file of a pipe to be opened brings all others. */
static int give_ends(struct restore *r, struct file *f, int any, int ends[2], struct err *err)
{
	const struct pipe *p = f->data;
	struct file **other;
	int fd, ret = -1;

	vec_for_each(other, &p->files) {
		fd = p->shared ? share_substitute(any, err)
			       : take_end(r, (*other)->image->pipe, any, ends, err);
		if (fd < 0)
			return fd;
		if (*other == f)
			ret = fd;
		else
			file_give(r, *other, fd);
	}
	return ret;
}

static int set_inode(const PipeEntry *e, int fd, struct err *err)
{
	if (e->has_mode && fchmod(fd, e->mode) < 0)
		return err_sys(err, "cannot set the mode of a pipe to %o", e->mode);
	if (e->has_uid && e->has_gid && fchown(fd, e->uid, e->gid) < 0)
		return err_sys(err, "cannot give a pipe to user %u", e->uid);
	return 0;
}

static int open_new(struct restore *r, struct file *f, struct err *err)
{
	const struct pipe *p = f->data;
	scoped_fd in = -1;
	scoped_fd out = -1;
	int size = p->data.entry ? (int)p->data.entry->size : 0;
	int ends[2], fd;

	if (pipe_new(size, &out, &in, err) < 0 || set_inode(f->image->pipe, in, err) < 0 ||
	    (has_content(p) && pipe_data_put(&p->data, in, err) < 0))
		return -err->code;
	ends[READ_END] = out;
	ends[WRITE_END] = in;
	fd = give_ends(r, f, out, ends, err);
	out = ends[READ_END];
	in = ends[WRITE_END];
	return fd;
}

/* What is no pipe (a terminal, a log) is shared with who gave it. */
static int open_substitute(struct restore *r, struct file *f, struct err *err)
{
	const struct pipe *p = f->data;
	scoped_fd own = restore_borrow_fd(r, p->substitute, err);
	int ends[2] = { -1, -1 };
	scoped_fd in = -1;

	if (own < 0)
		return own;
	if (has_content(p) && !p->old) {
		in = reopen(r, own, O_WRONLY, err);
		if (in < 0 || pipe_data_put(&p->data, in, err) < 0)
			return -err->code;
	}
	return give_ends(r, f, own, ends, err);
}

static int open_pipe(struct restore *r, struct file *f, struct err *err)
{
	const struct pipe *p = f->data;

	return p->substitute < 0 ? open_new(r, f, err) : open_substitute(r, f, err);
}

const struct file_kind pipe_kind = {
	.name = "pipe",
	.type = FD_TYPES__PIPE,
	.match = match_pipe,
	.state_size = sizeof(struct pipe_state),
	.collect = collect_pipe,
	.drain = drain_pipe,
	.drain_end = drain_end_pipe,
	.read_begin = read_begin_pipe,
	.read = read_pipe,
	.plan = plan_pipe,
	.open = open_pipe,
};
