/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * path_queue - POSIX message queues: files whose names no mount need lead to
 *
 * dump      the queue stays in the ipc namespace, which the tree has in common with
 *           us, with all that is inside; or ns/ipc_posix.c carries it along
 * restore   opened by its name (mq_open)
 *
 * not done  a queue whose name was removed goes with the last who has it open; who
 *           is to be told of a message (mq_notify) is not fully known: both refused
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/ns.h"
#include "core/path_ref.h"
#include "core/path_remap.h"
#include "core/task.h"

enum { MQUEUE_MAGIC = 0x19800202 };

bool path_is_queue(const struct fd_probe *p)
{
	struct statfs fs;

	return S_ISREG(p->st.st_mode) && major(p->st.st_dev) == 0 && fstatfs(p->own, &fs) == 0 &&
	       fs.f_type == MQUEUE_MAGIC;
}

/* Its name, whatever leads to its file system. */
static const char *queue_name(const char *link)
{
	const char *slash = strrchr(link, '/');

	return slash ? slash : link;
}

/* In the ipc namespace of the tree. */
static int open_there(struct dump *d, const char *name)
{
	struct ns_visit visit;
	struct err ignored = { 0 };
	int fd;

	if (ns_enter_dump(d, d->ns->root[NS_IPC], &visit, &ignored) < 0)
		return -1;
	fd = (int)mq_open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ns_leave(&visit, &ignored);
	return fd;
}

static bool is_queue(struct dump *d, const char *name, const struct stat *st)
{
	scoped_fd fd = open_there(d, name);
	struct stat there;

	return fd >= 0 && fstat(fd, &there) == 0 && there.st_dev == st->st_dev &&
	       there.st_ino == st->st_ino;
}

/* "QSIZE:7          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     " */
static pid_t who_is_told(struct dump *d, const struct fd_probe *p)
{
	char path[32], text[128] = "";
	const char *at;
	int pid = 0;

	snprintf(path, sizeof(path), "self/fd/%d", p->own);

	scoped_fd fd = path_open_quietly(d->proc, path);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 0;
	at = strstr(text, "NOTIFY_PID:");
	return at && sscanf(at, "NOTIFY_PID:%d", &pid) == 1 ? pid : 0;
}

int path_queue_collect(struct dump *d, const struct fd_probe *p, RegFileEntry *reg, struct err *err)
{
	const char *name = queue_name(p->link);
	pid_t told;

	if (p->deleted || !is_queue(d, name, &p->st)) {
		err_set(err, EOPNOTSUPP,
			"cannot dump the message queue %s: it has no name any more, or is of another ipc namespace",
			name);
		return err_hint(err, "have the program close it before the dump");
	}
	told = who_is_told(d, p);
	if (told && task_by_host_pid(d->tree, told)) {
		err_set(err, EOPNOTSUPP,
			"cannot dump the message queue %s: task %d wants to be told of a message (mq_notify)",
			name, told);
		return err_hint(err, "have the program take that back before the dump");
	}
	reg->name = arena_strdup(d->arena, name);
	reg->has_message_queue = reg->message_queue = true;
	return 0;
}

int path_queue_plan(const struct restore *r, const RegFileEntry *reg, struct err *err)
{
	/* it is made with its namespace */
	if (r->ns->root[NS_IPC] && !r->ns->root[NS_IPC]->external)
		return 0;

	scoped_fd fd = (int)mq_open(reg->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		return 0;
	err_sys(err, "cannot find the message queue %s", reg->name);
	return err_hint(err, "it must be there as it was at the dump, see mq_overview(7)");
}

int path_queue_open(const RegFileEntry *reg, unsigned int flags, struct err *err)
{
	int fd = (int)mq_open(reg->name, (int)(flags & (O_ACCMODE | O_NONBLOCK)) | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "cannot open the message queue %s", reg->name) : fd;
}
