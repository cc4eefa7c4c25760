/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fifo - a pipe with a name
 *
 * collect   its name, flags and owner are a record of their own (regf_id), like
 *           that of a regular file; a deleted fifo is a ghost
 * drain     what is inside is copied (core/pipe_data.c), once per fifo.  If nobody
 *           in the tree reads it, it is opened once more for that, and only if
 *           there is something inside
 * open      opening one end waits for the other, so both are opened first
 *           (O_RDWR) and given up when the real one is there
 *
 * The other end may be outside of the tree: who holds it keeps it, as both meet
 * at the name.  Bytes that are still inside are then not put in twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/kind.h"
#include "core/path_ref.h"
#include "core/pipe_data.h"

struct fifo {
	struct fifo *next;
	uint32_t id; /* pipe_id */

	bool has_reader, has_writer; /* in the tree */

	/* dump */
	uint64_t dev, ino;
	bool drained;

	/* restore */
	struct pipe_data data; /* no entry: no reader was seen */
	struct file *first; /* the reader (if there is none, the writer) that puts the bytes in */
};

/* Restore: what struct file keeps for us. */
struct fifo_end {
	struct fifo *fifo;
	const RegFileEntry *reg; /* name and flags */
};

struct fifo_state {
	struct fifo *fifos;
	struct image *img;
};

extern const struct file_kind fifo_kind;

static bool can_read(unsigned int flags)
{
	return (flags & O_ACCMODE) != O_WRONLY;
}

static bool can_write(unsigned int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

/* ---- dump ---- */

static bool match_fifo(const struct fd_probe *p)
{
	return S_ISFIFO(p->st.st_mode) && p->link[0] == '/' && !(p->flags & O_PATH);
}

static struct fifo *find_fifo(const struct fifo_state *s, uint32_t id)
{
	struct fifo *f = s->fifos;

	while (f && f->id != id)
		f = f->next;
	return f;
}

static struct fifo *add_fifo(struct arena *a, struct fifo_state *s, uint32_t id)
{
	struct fifo *f = arena_new(a, struct fifo);

	f->id = id;
	f->next = s->fifos;
	s->fifos = f;
	return f;
}

/* Inode numbers are unique on one file system only; any other number does as well. */
static struct fifo *fifo_of_inode(struct dump *d, const struct stat *st)
{
	struct fifo_state *s = kind_state(d->kinds, &fifo_kind);
	uint32_t id = (uint32_t)st->st_ino;
	struct fifo *f;

	for (f = s->fifos; f; f = f->next)
		if (f->dev == st->st_dev && f->ino == st->st_ino)
			return f;
	while (find_fifo(s, id))
		id++;
	f = add_fifo(d->arena, s, id);
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	return f;
}

static int collect_name(struct dump *d, const struct fd_probe *p, FifoEntry *e, RegFileEntry *reg,
			struct err *err)
{
	FileEntry *fe = record_new(d, file_entry);

	fe->type = FD_TYPES__REG;
	fe->reg = reg;
	reg->flags = p->flags;
	if (path_ref_collect(d, p, reg, err) < 0 || file_fown(d, p, &reg->fown, err) < 0)
		return -err->code;
	e->has_regf_id = true;
	e->regf_id = file_add_record(d, fe);
	return 0;
}

static int collect_fifo(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	struct fifo *f = fifo_of_inode(d, &p->st);

	fe->fifo = record_new(d, fifo_entry);
	fe->fifo->pipe_id = f->id;
	if (can_write(p->flags))
		f->has_writer = true;
	if (can_read(p->flags))
		f->has_reader = true;
	return collect_name(d, p, fe->fifo, record_new(d, reg_file_entry), err);
}

static int write_content(struct dump *d, struct fifo *f, int own, struct err *err)
{
	struct fifo_state *s = kind_state(d->kinds, &fifo_kind);

	f->drained = true;
	return pipe_data_write(d, IMAGE_FIFO_DATA, &s->img, f->id, own, err);
}

/* Nobody in the tree reads it: look inside through a descriptor of ours. */
static int drain_unread(struct dump *d, struct fifo *f, int own, struct err *err)
{
	char path[32];

	snprintf(path, sizeof(path), "self/fd/%d", own);

	scoped_fd both = openat(d->proc, path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (both < 0)
		return err_sys(err, "cannot open a fifo for reading");
	return write_content(d, f, both, err);
}

/* A reader sees a hangup if there was a writer once. */
static void look_for_hangup(FifoEntry *e, int own)
{
	struct pollfd p = { .fd = own, .events = 0 };

	e->has_no_writer_yet = e->no_writer_yet = poll(&p, 1, 0) == 0;
}

static int drain_fifo(struct dump *d, struct file *file, struct err *err)
{
	struct fifo *f = find_fifo(kind_state(d->kinds, &fifo_kind), file->image->fifo->pipe_id);
	scoped_fd own = file_get(d, file, err);
	int inside, flags;

	if (own < 0)
		return own;
	flags = fcntl(own, F_GETFL);
	if (flags < 0 || ioctl(own, FIONREAD, &inside) < 0)
		return err_sys(err, "cannot ask how much is in a fifo");
	if (can_read((unsigned int)flags) && !f->has_writer)
		look_for_hangup(file->image->fifo, own);
	if (f->drained)
		return 0;
	if (can_read((unsigned int)flags))
		return write_content(d, f, own, err);
	return inside && !f->has_reader ? drain_unread(d, f, own, err) : 0;
}

static int drain_end_fifo(struct dump *d, struct err *err)
{
	struct fifo_state *s = kind_state(d->kinds, &fifo_kind);

	return s->img ? image_close(take_ptr(s->img), err) : 0;
}

/* ---- restore: read and plan ---- */

static struct fifo *fifo_of_id(struct restore *r, uint32_t id)
{
	struct fifo_state *s = kind_state(r->kinds, &fifo_kind);
	struct fifo *f = find_fifo(s, id);

	return f ? f : add_fifo(r->arena, s, id);
}

static int damaged(struct err *err, const char *what)
{
	err_set(err, EBADMSG, "cannot restore a fifo: %s", what);
	return err_hint(err, "the checkpoint is damaged or was not finished; take it again");
}

static int read_begin_fifo(struct restore *r, struct err *err)
{
	pipe_data_list all = { 0 };
	const struct pipe_data *data;

	if (pipe_data_read(r, IMAGE_FIFO_DATA, &all, err) < 0)
		return -err->code;
	vec_for_each(data, &all)
		fifo_of_id(r, data->entry->pipe_id)->data = *data;
	return 0;
}

static int read_fifo(struct restore *r, struct file *file, struct err *err)
{
	const FifoEntry *e = file->image->fifo;
	struct fifo *f = fifo_of_id(r, e->pipe_id);
	struct file *name = e->has_regf_id ? file_by_id(r, e->regf_id) : NULL;
	struct fifo_end *end = arena_new(r->arena, struct fifo_end);

	if (!name || !name->image->reg)
		return damaged(err, "it has no name");
	end->fifo = f;
	end->reg = name->image->reg;
	file->data = end;
	file->status = name->image;
	if (can_write(end->reg->flags))
		f->has_writer = true;
	if (!f->first || (can_read(end->reg->flags) && !f->has_reader))
		f->first = file;
	if (can_read(end->reg->flags))
		f->has_reader = true;
	return 0;
}

static int plan_fifo(struct restore *r, struct file *file, struct err *err)
{
	const struct fifo_end *end = file->data;

	return path_ref_plan(r, end->reg, err);
}

/* ---- restore: open ---- */

/* @fd is open for both.  Bytes that are there already are ours: somebody outside kept the fifo alive. */
static int put_content(const struct fifo *f, int fd, struct err *err)
{
	const PipeDataEntry *e = f->data.entry;
	int inside;

	if (!e)
		return 0;
	if (e->has_size && fcntl(fd, F_GETPIPE_SZ) != (int)e->size &&
	    pipe_set_size(fd, e->size, err) < 0)
		return -err->code;
	inside = pipe_inside(fd, err);
	if (inside < 0)
		return inside;
	return inside ? 0 : pipe_data_put(&f->data, fd, err);
}

static int open_fifo(struct restore *r, struct file *file, struct err *err)
{
	const struct fifo_end *end = file->data;
	const FifoEntry *e = file->image->fifo;
	const struct fifo *f = end->fifo;
	scoped_fd both = -1;
	scoped_fd fd = -1;

	if (path_ref_is_substituted(r, end->reg))
		return path_ref_open(r, end->reg, end->reg->flags, err);
	if (f->has_writer || !(e->has_no_writer_yet && e->no_writer_yet)) {
		both = path_ref_open(r, end->reg, O_RDWR | O_NONBLOCK, err);
		if (both < 0)
			return both;
	}
	fd = path_ref_open(r, end->reg, (end->reg->flags & ~(uint32_t)O_DIRECT) | O_NONBLOCK, err);
	if (fd < 0)
		return fd;
	if (file == f->first && both >= 0 && put_content(f, both, err) < 0)
		return err_in(err, "%s", end->reg->name);
	return take_fd(&fd);
}

const struct file_kind fifo_kind = {
	.name = "fifo",
	.type = FD_TYPES__FIFO,
	.match = match_fifo,
	.state_size = sizeof(struct fifo_state),
	.collect = collect_fifo,
	.drain = drain_fifo,
	.drain_end = drain_end_fifo,
	.read_begin = read_begin_fifo,
	.read = read_fifo,
	.plan = plan_fifo,
	.open = open_fifo,
};
