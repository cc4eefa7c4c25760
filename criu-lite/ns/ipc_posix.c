/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipc_posix - POSIX message queues of an ipc namespace, and what waits in them
 *
 * collect   a mount of their file system shows them all.  Messages can only be
 *           received: so they are, and sent again at once, in the order in which
 *           they came, which is the order they had.  The tree is stopped, and
 *           whoever kills us does not stop that
 * make      before tasks open them by their names (core/path_queue.c)
 *
 * not kept  times; a queue that has lost its name is refused by core/path_queue.c,
 *           as is one with somebody who wants to be told of a message (mq_notify)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/ns.h"
#include "core/steady.h"
#include "ns/ipc.h"

typedef vec(IpcPosixQueue *) posix_queues;

/* ---- dump ---- */

struct taking {
	struct dump *d;
	mqd_t queue;
	IpcPosixQueue *e;
	size_t waiting;
};

static int take_message(const struct taking *t, char *text, IpcPosixMessage **ret, struct err *err)
{
	IpcPosixMessage *m = record_new(t->d, ipc_posix_message);
	ssize_t n = mq_receive(t->queue, text, t->e->msgsize, &m->priority);

	if (n < 0)
		return err_sys(err, "cannot read a message of the POSIX queue /%s", t->e->name);
	m->text.len = (size_t)n;
	m->text.data = arena_dup(t->d->arena, text, (size_t)n);
	*ret = m;
	return 0;
}

static int send_all(mqd_t queue, const IpcPosixQueue *e, struct err *err)
{
	for (size_t i = 0; i < e->n_message; i++) {
		const IpcPosixMessage *m = e->message[i];

		if (mq_send(queue, (const char *)m->text.data, m->text.len, m->priority) < 0)
			return err_sys(err, "cannot put a message into the POSIX queue /%s",
				       e->name);
	}
	return 0;
}

static int take_messages(void *arg, struct err *err)
{
	struct taking *t = arg;
	char *text = arena_alloc(t->d->arena, t->e->msgsize);
	struct err first = { 0 };

	t->e->message = arena_array(t->d->arena, IpcPosixMessage *, t->waiting);
	while (t->e->n_message < t->waiting &&
	       take_message(t, text, &t->e->message[t->e->n_message], &first) == 0)
		t->e->n_message++;
	if (send_all(t->queue, t->e, err) < 0)
		return -err->code;
	*err = first;
	return -err->code;
}

static int describe(struct dump *d, mqd_t queue, const char *name, struct taking *t,
		    struct err *err)
{
	IpcPosixQueue *e = record_new(d, ipc_posix_queue);
	struct mq_attr a;
	struct stat st;

	if (fstat(queue, &st) < 0 || mq_getattr(queue, &a) < 0)
		return err_sys(err, "cannot look at the POSIX queue /%s", name);
	e->name = arena_strdup(d->arena, name);
	e->mode = st.st_mode & 07777;
	e->uid = ns_uid_inside(d->ns, st.st_uid);
	e->gid = ns_gid_inside(d->ns, st.st_gid);
	e->maxmsg = (uint64_t)a.mq_maxmsg;
	e->msgsize = (uint64_t)a.mq_msgsize;
	*t = (struct taking){ d, queue, e, (size_t)a.mq_curmsgs };
	return 0;
}

static int collect_queue(struct dump *d, const char *name, IpcPosixQueue **ret, struct err *err)
{
	scoped_fd queue =
		mq_open(arena_printf(d->arena, "/%s", name), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct taking t;

	if (queue < 0)
		return err_sys(err, "cannot open the POSIX queue /%s", name);
	if (describe(d, queue, name, &t, err) < 0)
		return -err->code;
	*ret = t.e;
	return t.waiting && !d->dry ? steady_run(take_messages, &t, err) : 0;
}

/* Their file system shows those of the namespace of who mounts it; -1 with errno. */
static int open_queues(void)
{
	scoped_fd fs = fsopen("mqueue", FSOPEN_CLOEXEC);
	scoped_fd root = -1;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	root = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return root < 0 ? -1 : openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool is_name(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static int collect_all(struct dump *d, DIR *dir, posix_queues *all, struct err *err)
{
	const struct dirent *e;

	while ((e = readdir(dir)))
		if (is_name(e) && collect_queue(d, e->d_name, vec_add(d->arena, all), err) < 0)
			return -err->code;
	return 0;
}

int ipc_posix_collect(struct dump *d, struct ipc_ns *n, struct err *err)
{
	posix_queues all = { 0 };
	int fd = open_queues();
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && errno == ENODEV) /* this kernel has none */
		return 0;
	if (!dir)
		return err_sys(err, "cannot look for POSIX message queues");
	collect_all(d, dir, &all, err);
	closedir(dir);
	n->vars->posix_queue = all.items;
	n->vars->n_posix_queue = all.n;
	return -err->code;
}

/* ---- restore ---- */

static int make_queue(struct restore *r, const IpcPosixQueue *e, struct err *err)
{
	const char *name = arena_printf(r->arena, "/%s", e->name);
	struct mq_attr a = { .mq_maxmsg = (long)e->maxmsg, .mq_msgsize = (long)e->msgsize };
	scoped_fd queue = -1;

	if (ipc_allow(r, "fs/mqueue/msg_max", e->maxmsg, err) < 0 ||
	    ipc_allow(r, "fs/mqueue/msgsize_max", e->msgsize, err) < 0)
		return -err->code;
	queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, 0600, &a);
	if (queue < 0) {
		err_sys(err, "cannot make the POSIX queue %s", name);
		return err->code == EMFILE ? err_hint(err, "raise the limit: ulimit -q")
					   : -err->code;
	}
	if (send_all(queue, e, err) < 0)
		return -err->code;
	if (fchown(queue, e->uid, e->gid) < 0 || fchmod(queue, e->mode) < 0)
		return err_sys(err, "cannot set owner and mode of the POSIX queue %s", name);
	return 0;
}

int ipc_posix_make(struct restore *r, const struct ipc_ns *n, struct err *err)
{
	for (size_t i = 0; i < n->vars->n_posix_queue; i++)
		if (make_queue(r, n->vars->posix_queue[i], err) < 0)
			return -err->code;
	return 0;
}
