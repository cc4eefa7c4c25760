/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stream_store - images that are written go into a stream
 *
 * Most are small and written piece by piece, here and there: they are memory
 * until the end.  Pages are many: they go through a pipe to the packer, which
 * sends them on at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/list.h"
#include "base/vec.h"
#include "images/stream_pack.h"

#define INVENTORY "inventory.img"

enum { PIPE_SIZE = 1 << 20 };

struct kept {
	const char *name;
	int fd;
};

struct stream_store {
	struct store store;
	struct arena *arena;
	vec(struct kept) kept;
	int dir;  /* -1: none */
	int sock; /* to the packer */
	pid_t packer;
	bool heard; /* what it said at its end */
};

static struct stream_store *stream_of(struct store *s)
{
	return container_of(s, struct stream_store, store);
}

static int send_file(struct stream_store *s, const char *name, int fd, struct err *err)
{
	struct pack_request req = { 0 };
	int ret;

	snprintf(req.name, sizeof(req.name), "%s", name);
	ret = io_send_fd(s->sock, &req, sizeof(req), fd);
	return ret < 0 ? err_set(err, -ret, "cannot put %s into the stream", name) : 0;
}

static int create_pipe(struct stream_store *s, const char *name, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "cannot make a pipe for %s", name);
	scoped_fd from = ends[0], to = ends[1];
	fcntl(to, F_SETPIPE_SZ, PIPE_SIZE);
	return send_file(s, name, from, err) < 0 ? -err->code : take_fd(&to);
}

static int create_kept(struct stream_store *s, const char *name, struct err *err)
{
	scoped_fd fd = memfd_create(name, MFD_CLOEXEC);
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return err_sys(err, "cannot create %s in memory", name);
	*vec_add(s->arena, &s->kept) = (struct kept){ arena_strdup(s->arena, name), copy };
	return take_fd(&fd);
}

static int stream_create(struct store *store, const char *name, struct err *err)
{
	struct stream_store *s = stream_of(store);

	return strncmp(name, "pages-", 6) == 0 ? create_pipe(s, name, err)
					       : create_kept(s, name, err);
}

static struct kept *find(struct stream_store *s, const char *name)
{
	struct kept *k;

	vec_for_each(k, &s->kept)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

/* With a place of its own in the file. */
static int stream_open(struct store *store, const char *name, int *fd_ret, struct err *err)
{
	const struct kept *k = find(stream_of(store), name);
	char path[64];

	*fd_ret = -1;
	if (!k)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", k->fd);
	*fd_ret = open(path, O_RDONLY | O_CLOEXEC);
	return *fd_ret < 0 ? err_sys(err, "cannot open %s", name) : 0;
}

static int stream_exists(struct store *store, const char *name, bool *exists_ret, struct err *err)
{
	*exists_ret = find(stream_of(store), name) != NULL;
	return 0;
}

static int stream_remove(struct store *store, const char *name, struct err *err)
{
	struct stream_store *s = stream_of(store);
	struct kept *k = find(s, name);

	if (k) {
		close(k->fd);
		*k = s->kept.items[--s->kept.n];
	}
	if (s->dir >= 0 && unlinkat(s->dir, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, "cannot remove %s", name);
	return 0;
}

/* What the packer says at its end; asked once more, nothing. */
static int hear_end(struct stream_store *s, struct err *err)
{
	struct err its = { 0 };
	int ret = s->heard ? 0 : io_read(s->sock, &its, sizeof(its));

	s->heard = true;
	if (ret < 0)
		err_set(&its, EPIPE, "cannot write the stream of images: its packer is gone");
	if (its.code && its.code != ECANCELED)
		*err = its;
	return -its.code;
}

/* For those that look into the directory for it. */
static int write_inventory(struct stream_store *s, struct err *err)
{
	const struct kept *k = find(s, INVENTORY);
	struct stat st;

	if (s->dir < 0 || !k)
		return 0;
	scoped_fd fd = openat(s->dir, INVENTORY, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || fstat(k->fd, &st) < 0 || lseek(k->fd, 0, SEEK_SET) < 0 ||
	    io_copy(k->fd, fd, (uint64_t)st.st_size) < 0)
		return err_sys(err, "cannot write " INVENTORY);
	return 0;
}

static int send_all(struct stream_store *s, struct err *err)
{
	const struct pack_request last = { 0 };
	struct kept *k;
	int ret;

	vec_for_each(k, &s->kept)
		if (send_file(s, k->name, k->fd, err) < 0)
			return -err->code;
	ret = io_send_fd(s->sock, &last, sizeof(last), -1);
	return ret < 0 ? err_set(err, -ret, "cannot end the stream of images") : 0;
}

static int stream_finish(struct store *store, struct err *err)
{
	struct stream_store *s = stream_of(store);

	if (send_all(s, err) < 0 || hear_end(s, err) < 0)
		return -err->code;
	return write_inventory(s, err);
}

/* Of two errors that of the packer is the cause. */
static void stream_explain(struct store *store, struct err *err)
{
	struct stream_store *s = stream_of(store);

	shutdown(s->sock, SHUT_WR);
	hear_end(s, err);
}

static void stream_close(struct store *store)
{
	struct stream_store *s = stream_of(store);
	struct kept *k;

	vec_for_each(k, &s->kept)
		close(k->fd);
	close(s->sock);
	while (waitpid(s->packer, NULL, 0) < 0 && errno == EINTR)
		;
}

static const struct store_ops stream_ops = {
	.create = stream_create,
	.open = stream_open,
	.exists = stream_exists,
	.remove = stream_remove,
	.finish = stream_finish,
	.explain = stream_explain,
	.close = stream_close,
};

/* It dies with us. */
static int start_packer(struct stream_store *s, int out, const struct stream_codec *codec,
			struct err *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "cannot talk to the packer of images");
	scoped_fd ours = ends[0], its = ends[1];
	s->packer = fork();
	if (s->packer < 0)
		return err_sys(err, "cannot start the packer of images");
	if (s->packer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ours);
		signal(SIGPIPE, SIG_IGN);
		stream_packer(its, out, codec);
	}
	s->sock = take_fd(&ours);
	return 0;
}

int store_open_stream(struct arena *a, int out, int dir, const struct stream_codec *codec,
		      struct store **store_ret, struct err *err)
{
	struct stream_store *s = arena_new(a, struct stream_store);
	scoped_fd taken = out;

	s->store.ops = &stream_ops;
	s->store.label = "";
	s->store.version = 2;
	s->arena = a;
	s->dir = dir;
	*store_ret = &s->store;
	return start_packer(s, taken, codec, err);
}
