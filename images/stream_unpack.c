/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stream_unpack - a stream in, files out
 *
 * Threads read a piece each, one after the other; what costs time, verifying
 * and unpacking, they do beside each other.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "images/stream_frame.h"

enum { THREADS_MAX = 16 };

struct unpacked {
	const char *name;
	int fd;
};

struct unpacker {
	int in, dir;
	pthread_mutex_t lock;
	struct arena arena;
	vec(struct unpacked) files; /* by number */
	vec(int) forgotten;
	uint64_t seq, place; /* frames, bytes read */
	bool ended;
	struct err err; /* the first */
};

static int is_damaged(const struct unpacker *u, uint64_t place, const char *what, struct err *err)
{
	err_set(err, EBADMSG, "cannot read the stream of images: at byte %llu %s",
		(unsigned long long)place, what);
	return err_hint(err, "it is not as it was written; take another copy of it");
}

/* -ENODATA: it ends here, with no byte more. */
static int read_all(struct unpacker *u, void *buf, size_t len, struct err *err)
{
	int ret = io_read(u->in, buf, len);

	if (ret == -ENODATA) {
		err_set(err, EBADMSG, "cannot read the stream of images: its end is missing");
		return err_hint(err, "what wrote it has failed, or not all of it was copied");
	}
	if (ret < 0)
		return err_set(err, -ret, "cannot read the stream of images");
	u->place += len;
	return 0;
}

/* ---- one after the other ---- */

/* Somebody may still be writing to them. */
static void forget_files(struct unpacker *u)
{
	struct unpacked *f;

	vec_for_each(f, &u->files) {
		unlinkat(u->dir, f->name, 0);
		*vec_add(&u->arena, &u->forgotten) = f->fd;
	}
	u->files.n = 0;
	u->seq = 0;
}

/* A dump that had to begin anew says the whole again. */
static int read_frame(struct unpacker *u, struct frame *f, struct err *err)
{
	int ret;

	while ((ret = read_all(u, f, STREAM_MAGIC_SIZE, err)) == 0 &&
	       memcmp(f, STREAM_MAGIC, STREAM_MAGIC_SIZE) == 0)
		forget_files(u);
	if (ret < 0)
		return ret;
	return read_all(u, (char *)f + STREAM_MAGIC_SIZE, sizeof(*f) - STREAM_MAGIC_SIZE, err);
}

static bool is_possible(const struct unpacker *u, const struct frame *f)
{
	if (f->raw > FRAME_BYTES || f->stored > frame_stored_max() || f->zero)
		return false;
	switch (f->type) {
	case FRAME_FILE:
		return f->file == u->files.n && f->stored == f->raw && f->raw <= STREAM_NAME_MAX;
	case FRAME_DATA:
		return f->file < u->files.n && f->offset <= INT64_MAX - FRAME_BYTES;
	case FRAME_END:
		return f->file == u->files.n && !f->stored;
	default:
		return false;
	}
}

static int begin_file(struct unpacker *u, const char *payload, const struct frame *f,
		      struct err *err)
{
	char *name = arena_dup(&u->arena, payload, f->raw + 1);
	int fd;

	name[f->raw] = '\0';
	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return is_damaged(u, u->place, "a file has no possible name", err);
	fd = openat(u->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, "cannot unpack %s", name);
	*vec_add(&u->arena, &u->files) = (struct unpacked){ name, fd };
	return 0;
}

/* ---- beside each other ---- */

struct piece {
	struct frame f;
	uint64_t seq, place;
	struct unpacked to;
	char *payload, *raw;
	struct frame_coder *coder;
};

static int verify(const struct unpacker *u, const struct piece *p, struct err *err)
{
	char what[STREAM_NAME_MAX + 64];

	if (frame_sum(&p->f, p->seq, p->payload) == p->f.sum)
		return 0;
	snprintf(what, sizeof(what), "%s%s has another checksum", p->to.name ? "a piece of " : "it",
		 p->to.name ? p->to.name : "");
	return is_damaged(u, p->place, what, err);
}

static int unpack(const struct unpacker *u, const struct piece *p, struct err *err)
{
	const void *raw;
	int ret;

	if (verify(u, p, err) < 0)
		return -err->code;
	raw = frame_unpack(p->coder, &p->f, p->payload, p->raw);
	if (!raw)
		return is_damaged(u, p->place, "a piece cannot be unpacked", err);
	ret = io_pwrite(p->to.fd, raw, p->f.raw, (off_t)p->f.offset);
	return ret < 0 ? err_set(err, -ret, "cannot unpack %s", p->to.name) : 0;
}

/* Under the lock.  1: @p is a piece of a file, 0: that was the end, or a name. */
static int next_piece(struct unpacker *u, struct piece *p, struct err *err)
{
	p->place = u->place;
	p->to = (struct unpacked){ 0 };
	if (read_frame(u, &p->f, err) < 0)
		return -err->code;
	if (!is_possible(u, &p->f))
		return is_damaged(u, p->place, "something else begins than a piece", err);
	if (read_all(u, p->payload, p->f.stored, err) < 0)
		return -err->code;
	p->seq = u->seq++;
	if (p->f.type == FRAME_DATA) {
		p->to = u->files.items[p->f.file];
		return 1;
	}
	if (verify(u, p, err) < 0)
		return -err->code;
	u->ended = p->f.type == FRAME_END;
	return u->ended ? 0 : begin_file(u, p->payload, &p->f, err);
}

static void keep_first(struct unpacker *u, const struct err *err)
{
	if (!u->err.code)
		u->err = *err;
}

/* False: there are no more. */
static bool unpack_one(struct unpacker *u, struct piece *p)
{
	struct err err = { 0 };
	int ret = 0;
	bool more;

	pthread_mutex_lock(&u->lock);
	more = !u->ended && !u->err.code;
	if (more)
		ret = next_piece(u, p, &err);
	if (ret < 0)
		keep_first(u, &err);
	pthread_mutex_unlock(&u->lock);

	if (ret > 0 && unpack(u, p, &err) < 0) {
		pthread_mutex_lock(&u->lock);
		keep_first(u, &err);
		pthread_mutex_unlock(&u->lock);
	}
	return more;
}

static void *unpack_pieces(void *arg)
{
	struct piece p = { .coder = frame_coder_new() };
	struct unpacker *u = arg;
	scoped_ptr char *payload = malloc(frame_stored_max());
	scoped_ptr char *raw = malloc(FRAME_BYTES);
	struct err err = { 0 };

	p.payload = payload;
	p.raw = raw;
	if (!p.coder || !payload || !raw) {
		err_set(&err, ENOMEM, "cannot unpack images");
		pthread_mutex_lock(&u->lock);
		keep_first(u, &err);
		pthread_mutex_unlock(&u->lock);
	}
	while (unpack_one(u, &p))
		;
	frame_coder_free(p.coder);
	return NULL;
}

/* The caller's is one of the threads. */
static void unpack_by_all(struct unpacker *u)
{
	pthread_t threads[THREADS_MAX];
	unsigned int n = 0, all = 1;
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		all = (unsigned int)CPU_COUNT(&cpus);
	all = all < THREADS_MAX ? all : THREADS_MAX;
	while (n + 1 < all && pthread_create(&threads[n], NULL, unpack_pieces, u) == 0)
		n++;
	unpack_pieces(u);
	while (n)
		pthread_join(threads[--n], NULL);
}

int stream_unpack(int in, int dir, struct err *err)
{
	struct unpacker u = { .in = in, .dir = dir };
	char magic[STREAM_MAGIC_SIZE];
	struct unpacked *f;
	int *fd;

	if (read_all(&u, magic, sizeof(magic), err) < 0)
		return -err->code;
	if (memcmp(magic, STREAM_MAGIC, sizeof(magic)) != 0) {
		err_set(err, EBADMSG, "cannot read the stream of images: it does not begin as one");
		return err_hint(err, "give what \"dump -D -\" has written");
	}
	arena_init(&u.arena);
	pthread_mutex_init(&u.lock, NULL);
	unpack_by_all(&u);
	vec_for_each(f, &u.files)
		if (close(f->fd) < 0 && !u.err.code)
			err_sys(&u.err, "cannot unpack %s", f->name);
	vec_for_each(fd, &u.forgotten)
		close(*fd);
	if (u.err.code)
		*err = u.err;
	pthread_mutex_destroy(&u.lock);
	arena_fini(&u.arena);
	return -err->code;
}

int stream_memory_dir(struct err *err)
{
	scoped_fd fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int dir;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "size", "100%", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0700", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(err, "cannot make a directory in memory");
	dir = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return dir < 0 ? err_sys(err, "cannot make a directory in memory") : dir;
}
