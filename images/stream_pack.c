/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stream_pack - files in, a stream out
 *
 * One thread reads whatever file has something to say, in pieces; the others
 * pack pieces, each its own, and write them in the order in which they were read.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "images/stream_pack.h"

enum { THREADS_MAX = 16, PIECES_PER_THREAD = 2 };

struct piece {
	struct piece *next;
	uint64_t seq;
	struct frame f;
	char raw[FRAME_BYTES];
};

struct source {
	int fd;
	bool is_regular; /* read from its begin, wherever others have its offset */
	uint32_t file;
	uint64_t offset; /* of the piece */
	struct piece *piece;
};

struct packer {
	int sock, out;
	struct stream_codec codec;
	struct arena arena;
	vec(struct source) sources; /* open ones */
	uint32_t nr_files;
	bool is_complete; /* no more files come */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct piece *first, **last; /* nobody's yet */
	unsigned int in_work, nr_threads;
	uint64_t next, turn; /* who is put next, who writes next */
	bool ends;
	struct err err; /* the first; nothing is written after it */
};

static void fail(struct packer *p, const struct err *err)
{
	pthread_mutex_lock(&p->lock);
	if (!p->err.code)
		p->err = *err;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

/* ---- the threads that pack ---- */

static int write_frame(struct packer *p, const struct frame *f, const void *payload)
{
	int ret = io_write(p->out, f, sizeof(*f));

	return ret < 0 ? ret : io_write(p->out, payload, f->stored);
}

/* In its turn. */
static void write_piece(struct packer *p, struct piece *piece, const void *payload)
{
	struct err err = { 0 };
	bool has_failed;
	int ret;

	pthread_mutex_lock(&p->lock);
	while (p->turn != piece->seq)
		pthread_cond_wait(&p->changed, &p->lock);
	has_failed = p->err.code != 0;
	pthread_mutex_unlock(&p->lock);

	ret = has_failed ? 0 : write_frame(p, &piece->f, payload);
	if (ret < 0) {
		err_set(&err, -ret, "cannot write the stream of images");
		fail(p, &err);
	}
	pthread_mutex_lock(&p->lock);
	p->turn++;
	p->in_work--;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static struct piece *next_piece(struct packer *p)
{
	struct piece *piece;

	pthread_mutex_lock(&p->lock);
	while (!p->first && !p->ends)
		pthread_cond_wait(&p->changed, &p->lock);
	piece = p->first;
	if (piece)
		p->first = piece->next;
	if (!p->first)
		p->last = &p->first;
	pthread_mutex_unlock(&p->lock);
	return piece;
}

static void *pack_pieces(void *arg)
{
	struct packer *p = arg;
	struct frame_coder *coder = frame_coder_new();
	scoped_ptr char *packed = malloc(frame_stored_max());
	struct err err = { 0 };
	struct piece *piece;

	if (!coder || !packed) {
		err_set(&err, ENOMEM, "cannot pack images");
		fail(p, &err);
	}
	while ((piece = next_piece(p)) != NULL) {
		const void *payload = piece->raw;

		if (coder && packed && piece->f.type == FRAME_DATA)
			payload = frame_pack(coder, &p->codec, &piece->f, piece->raw, packed);
		else
			piece->f.stored = piece->f.raw;
		piece->f.sum = frame_sum(&piece->f, piece->seq, payload);
		write_piece(p, piece, payload);
		free(piece);
	}
	frame_coder_free(coder);
	return NULL;
}

/* ---- the thread that reads ---- */

static struct piece *new_piece(struct packer *p)
{
	struct piece *piece = malloc(sizeof(*piece));
	struct err err = { 0 };

	if (piece) {
		piece->next = NULL;
		memset(&piece->f, 0, sizeof(piece->f));
	} else {
		err_set(&err, ENOMEM, "cannot pack images");
		fail(p, &err);
	}
	return piece;
}

/* Takes @piece. */
static void put(struct packer *p, struct piece *piece)
{
	pthread_mutex_lock(&p->lock);
	while (p->in_work >= p->nr_threads * PIECES_PER_THREAD)
		pthread_cond_wait(&p->changed, &p->lock);
	piece->seq = p->next++;
	p->in_work++;
	*p->last = piece;
	p->last = &piece->next;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static bool has_failed(struct packer *p)
{
	bool ret;

	pthread_mutex_lock(&p->lock);
	ret = p->err.code != 0;
	pthread_mutex_unlock(&p->lock);
	return ret;
}

static void put_word(struct packer *p, enum frame_type type, uint32_t file, const char *word)
{
	struct piece *piece = new_piece(p);

	if (!piece)
		return;
	piece->f.type = type;
	piece->f.file = file;
	piece->f.raw = (uint32_t)strlen(word);
	memcpy(piece->raw, word, piece->f.raw);
	put(p, piece);
}

static void put_data(struct packer *p, struct source *s)
{
	struct piece *piece = take_ptr(s->piece);

	piece->f.type = FRAME_DATA;
	piece->f.file = s->file;
	piece->f.offset = s->offset;
	s->offset += piece->f.raw;
	put(p, piece);
}

static void begin_file(struct packer *p, const char *name, int fd)
{
	struct source *s = vec_add(&p->arena, &p->sources);
	struct stat st;

	s->fd = fd;
	s->is_regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	s->file = p->nr_files++;
	put_word(p, FRAME_FILE, s->file, name);
}

/* A message from who dumps. */
static void hear(struct packer *p)
{
	struct pack_request req;
	struct err err = { 0 };
	int fd, ret = io_recv_fd(p->sock, &req, sizeof(req), &fd);

	if (ret < 0) {
		err_set(&err, ECANCELED, "cannot end the stream of images: the dump was given up");
		fail(p, &err);
	} else if (fd >= 0) {
		req.name[STREAM_NAME_MAX] = '\0';
		begin_file(p, req.name, fd);
	} else {
		p->is_complete = true;
	}
}

/* False: that was its end. */
static bool read_some(struct packer *p, struct source *s)
{
	struct err err = { 0 };
	size_t room, n;
	ssize_t ret;

	if (!s->piece && !(s->piece = new_piece(p)))
		return false;
	n = s->piece->f.raw;
	room = FRAME_BYTES - n;
	do
		ret = s->is_regular ? pread(s->fd, s->piece->raw + n, room, (off_t)(s->offset + n))
				    : read(s->fd, s->piece->raw + n, room);
	while (ret < 0 && errno == EINTR);
	if (ret < 0) {
		err_sys(&err, "cannot read an image for the stream");
		fail(p, &err);
	}
	if (ret > 0)
		s->piece->f.raw += (uint32_t)ret;
	if (s->piece->f.raw == FRAME_BYTES || (ret == 0 && s->piece->f.raw))
		put_data(p, s);
	return ret > 0;
}

static void end_source(struct packer *p, size_t i)
{
	struct source *s = &p->sources.items[i];

	free(s->piece);
	close(s->fd);
	*s = p->sources.items[--p->sources.n];
}

/* Backwards: those that end are replaced by later ones. */
static void read_all_ready(struct packer *p, const struct pollfd *ready)
{
	size_t i;

	for (i = p->sources.n; i-- > 0;)
		if (ready[i].revents && !read_some(p, &p->sources.items[i]))
			end_source(p, i);
}

static void wait_and_read(struct packer *p)
{
	size_t i, n = p->sources.n;
	scoped_ptr struct pollfd *fds = calloc(n + 1, sizeof(*fds));
	struct err err = { 0 };

	if (!fds) {
		err_set(&err, ENOMEM, "cannot pack images");
		return fail(p, &err);
	}
	for (i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = p->sources.items[i].fd, .events = POLLIN };
	fds[n] = (struct pollfd){ .fd = p->is_complete ? -1 : p->sock, .events = POLLIN };
	if (poll(fds, n + 1, -1) < 0)
		return;
	read_all_ready(p, fds);
	if (fds[n].revents)
		hear(p);
}

static unsigned int start_threads(struct packer *p, pthread_t *threads)
{
	cpu_set_t cpus;
	unsigned int n = 1, i;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		n = (unsigned int)CPU_COUNT(&cpus);
	p->nr_threads = n = n < THREADS_MAX ? n : THREADS_MAX;
	for (i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, pack_pieces, p) != 0)
			break;
	return i;
}

static void pack_all(struct packer *p)
{
	struct err err = { 0 };
	int ret = io_write(p->out, STREAM_MAGIC, STREAM_MAGIC_SIZE);

	if (ret < 0) {
		err_set(&err, -ret, "cannot write the stream of images");
		fail(p, &err);
	}
	while (!has_failed(p) && (p->sources.n || !p->is_complete))
		wait_and_read(p);
	/* who still writes to us shall hear of it */
	while (p->sources.n)
		end_source(p, p->sources.n - 1);
	if (!has_failed(p))
		put_word(p, FRAME_END, p->nr_files, "");
}

void stream_packer(int sock, int out, const struct stream_codec *codec)
{
	struct packer p = { .sock = sock, .out = out, .codec = *codec };
	pthread_t threads[THREADS_MAX];
	unsigned int n;

	arena_init(&p.arena);
	pthread_mutex_init(&p.lock, NULL);
	pthread_cond_init(&p.changed, NULL);
	p.last = &p.first;
	n = start_threads(&p, threads);
	if (n)
		pack_all(&p);
	else
		err_set(&p.err, EAGAIN, "cannot start a thread that packs images");

	pthread_mutex_lock(&p.lock);
	p.ends = true;
	pthread_cond_broadcast(&p.changed);
	pthread_mutex_unlock(&p.lock);
	while (n)
		pthread_join(threads[--n], NULL);
	if (!p.err.code && close(p.out) < 0)
		err_sys(&p.err, "cannot write the stream of images");
	io_send_fd(sock, &p.err, sizeof(p.err), -1);
	_exit(0);
}
