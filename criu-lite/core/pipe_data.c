/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pipe_data - what is inside a pipe or a fifo
 *
 * A copy is made by tee(2), which leaves everything where it is, and then taken
 * apart buffer by buffer: reading a buffer tells whether it is a packet.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/kind.h"
#include "core/pipe_data.h"

enum {
	TWO_BUFFERS = 2 * 4096,
	MOST_BYTES = 1 << 28, /* far above what any pipe can have */
};

int pipe_inside(int fd, struct err *err)
{
	int n;

	if (ioctl(fd, FIONREAD, &n) < 0)
		return err_sys(err, "cannot ask how much is in a pipe");
	return n;
}

int pipe_set_size(int fd, uint32_t size, struct err *err)
{
	if (fcntl(fd, F_SETPIPE_SZ, size) >= 0)
		return 0;
	err_sys(err, "cannot make a pipe of %u bytes", size);
	return err_hint(err, "raise the sysctl fs.pipe-max-size");
}

int pipe_new(int size, int *read_end_ret, int *write_end_ret, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, "cannot create a pipe");

	scoped_fd out = ends[0];
	scoped_fd in = ends[1];

	if (size && pipe_set_size(in, (uint32_t)size, err) < 0)
		return -err->code;
	*read_end_ret = take_fd(&out);
	*write_end_ret = take_fd(&in);
	return 0;
}

/* ---- dump ---- */

/* The content of a pipe, while it is taken apart. */
struct parting {
	struct arena *arena;
	int content; /* our copy */
	int in, out; /* ends of a pipe of two buffers */
	char *buf;   /* room for one byte more than there is */
	size_t len;
	size_t stream; /* bytes since the last packet */
	vec(uint32_t) packets;
};

/*
 * Exactly one buffer of the content fits behind a byte of ours.  Then that byte
 * is taken out, another is put behind, and we read as much as both are: a packet
 * ends where it ends, a stream goes on into our byte.
 */
static int part_buffer(struct parting *t)
{
	char byte = 0;
	ssize_t n, got;

	if (write(t->in, &byte, 1) != 1)
		return -errno;
	n = splice(t->content, NULL, t->in, NULL, INT_MAX, SPLICE_F_NONBLOCK);
	if (n < 0 || read(t->out, &byte, 1) != 1 || write(t->in, &byte, 1) != 1)
		return -errno;
	got = read(t->out, t->buf + t->len, (size_t)n + 1);
	if (got < n)
		return -EIO;

	t->len += (size_t)n;
	if (got > n) {
		t->stream += (size_t)n;
		return 0;
	}
	*vec_add(t->arena, &t->packets) = (uint32_t)t->stream;
	*vec_add(t->arena, &t->packets) = (uint32_t)n;
	t->stream = 0;
	return read(t->out, &byte, 1) == 1 ? 0 : -EIO;
}

static int part_content(struct arena *a, int content, char *buf, PipeDataEntry *e, struct err *err)
{
	scoped_fd out = -1;
	scoped_fd in = -1;
	struct parting t = { .arena = a, .content = content, .buf = buf };
	int ret;

	if (pipe_new(TWO_BUFFERS, &out, &in, err) < 0)
		return -err->code;
	t.in = in;
	t.out = out;
	while (t.len < e->bytes) {
		ret = part_buffer(&t);
		if (ret < 0)
			return err_set(err, -ret, "cannot take the content of a pipe apart");
	}
	e->packets = t.packets.items;
	e->n_packets = t.packets.n;
	return 0;
}

/* Fills @e and returns the bytes, for free(). */
static int copy_content(struct dump *d, int fd, PipeDataEntry *e, char **buf_ret, struct err *err)
{
	int inside = pipe_inside(fd, err), copied;
	scoped_ptr char *buf = NULL;
	scoped_fd out = -1;
	scoped_fd in = -1;

	if (inside <= 0)
		return inside;
	if (pipe_new((int)e->size, &out, &in, err) < 0)
		return -err->code;
	if (tee(fd, in, INT_MAX, SPLICE_F_NONBLOCK) < 0) {
		err_sys(err, "cannot copy what is inside");
		return err_hint(err, "pipes for notifications of the kernel are not supported");
	}
	copied = pipe_inside(out, err);
	if (copied < 0)
		return copied;
	if (copied < inside)
		return err_set(err, EIO, "cannot copy all that is inside");

	e->bytes = (uint32_t)copied;
	buf = malloc((size_t)copied + 1);
	if (!buf)
		return err_sys(err, "cannot copy what is inside");
	if (part_content(d->arena, out, buf, e, err) < 0)
		return -err->code;
	*buf_ret = take_ptr(buf);
	return 0;
}

int pipe_data_write(struct dump *d, enum image_type type, struct image **img, uint32_t pipe_id,
		    int fd, struct err *err)
{
	PipeDataEntry e = PIPE_DATA_ENTRY__INIT;
	scoped_ptr char *buf = NULL;
	int size = fcntl(fd, F_GETPIPE_SZ);

	if (size < 0)
		return err_sys(err, "cannot ask for the size of a pipe");
	e.pipe_id = pipe_id;
	e.has_size = true;
	e.size = (uint32_t)size;
	if (copy_content(d, fd, &e, &buf, err) < 0)
		return -err->code;

	if (!*img && image_create(d->store, type, 0, img, err) < 0)
		return -err->code;
	if (image_put(*img, &e.base, err) < 0)
		return -err->code;
	return image_put_raw(*img, buf, e.bytes, err);
}

/* ---- restore ---- */

static bool packets_fit(const PipeDataEntry *e)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < e->n_packets; i++)
		sum += e->packets[i];
	return e->n_packets % 2 == 0 && sum <= e->bytes;
}

static int read_one(struct restore *r, struct image *img, struct pipe_data *p, struct err *err)
{
	const PipeDataEntry *e = p->entry;
	int64_t left = image_left(img);

	if (e->bytes > MOST_BYTES || (left >= 0 && e->bytes > left) || !packets_fit(e)) {
		err_set(err, EBADMSG, "cannot read what was in pipe %u: %s is damaged", e->pipe_id,
			image_name(img));
		return err_hint(err,
				"the checkpoint is damaged or was not finished; take it again");
	}
	p->bytes = arena_alloc(r->arena, e->bytes);
	return image_get_raw(img, p->bytes, e->bytes, err);
}

int pipe_data_read(struct restore *r, enum image_type type, pipe_data_list *ret, struct err *err)
{
	scoped_image *img = NULL;
	bool found;
	void *e;
	int more;

	if (image_open(r->store, type, 0, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	while ((more = image_get(img, &pipe_data_entry__descriptor, &e, err)) > 0) {
		struct pipe_data p = { .entry = e };

		if (read_one(r, img, &p, err) < 0)
			return -err->code;
		*vec_add(r->arena, ret) = p;
	}
	return more;
}

/* More than was said fits only where buffers of the old pipe were larger than a page. */
static bool make_room(int fd)
{
	int size = fcntl(fd, F_GETPIPE_SZ);

	return size > 0 && size < MOST_BYTES && fcntl(fd, F_SETPIPE_SZ, size * 2) >= 0;
}

static int put_bytes(int fd, const char *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, buf, len);
		if (n < 0 && errno == EAGAIN && make_room(fd))
			continue;
		if (n < 0)
			return -errno;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Packets come by way of @scratch: written behind a stream, the kernel would join them to it. */
static int put_packet(int fd, const int scratch[2], const char *buf, size_t len)
{
	ssize_t n = write(scratch[1], buf, len);

	if (n < 0 || (size_t)n < len)
		return n < 0 ? -errno : -ENOSPC;
	while (len) {
		n = splice(scratch[0], NULL, fd, NULL, len, SPLICE_F_NONBLOCK);
		if (n < 0 && errno == EAGAIN && make_room(fd))
			continue;
		if (n < 0)
			return -errno;
		len -= (size_t)n;
	}
	return 0;
}

static int put_packets(const struct pipe_data *p, int fd, size_t *at, struct err *err)
{
	const PipeDataEntry *e = p->entry;
	scoped_fd out = -1;
	scoped_fd in = -1;
	int ret = 0;
	size_t i;

	if (pipe_new(0, &out, &in, err) < 0)
		return -err->code;
	if (fcntl(in, F_SETFL, O_DIRECT | O_NONBLOCK) < 0)
		return err_sys(err, "cannot have packets in a pipe");
	for (i = 0; i < e->n_packets && !ret; *at += e->packets[i++])
		ret = i % 2 ? put_packet(fd, (int[]){ out, in }, p->bytes + *at, e->packets[i])
			    : put_bytes(fd, p->bytes + *at, e->packets[i]);
	return ret < 0 ? err_set(err, -ret, "cannot put packets into pipe %u", e->pipe_id) : 0;
}

int pipe_data_put(const struct pipe_data *p, int fd, struct err *err)
{
	const PipeDataEntry *e = p->entry;
	size_t at = 0;
	int ret;

	if (e->n_packets && put_packets(p, fd, &at, err) < 0)
		return -err->code;
	ret = put_bytes(fd, p->bytes + at, e->bytes - at);
	return ret < 0 ? err_set(err, -ret, "cannot put %u bytes into pipe %u", e->bytes,
				 e->pipe_id)
		       : 0;
}
