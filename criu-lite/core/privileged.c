/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * privileged - what only the root of the whole machine may do
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/ns.h"
#include "core/outside.h"
#include "core/privileged.h"

struct request {
	int level, name;
	unsigned long request;
	size_t len;
	char path[64];
	_Alignas(16) char value[4096];
};

static int setsockopt_here(struct restore *r, void *args, int *fd, struct err *err)
{
	const struct request *q = args;

	if (setsockopt(*fd, q->level, q->name, q->value, (socklen_t)q->len) < 0)
		return err_sys(err, "cannot set a socket option");
	return 0;
}

static int ioctl_here(struct restore *r, void *args, int *fd, struct err *err)
{
	struct request *q = args;

	return ioctl(*fd, q->request, q->value) < 0 ? err_sys(err, "cannot control a file") : 0;
}

static int write_here(struct restore *r, void *args, int *none, struct err *err)
{
	const struct request *q = args;
	scoped_fd fd = openat(r->proc, q->path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, q->value, q->len) != (ssize_t)q->len)
		return err_sys(err, "cannot write /proc/%s", q->path);
	return 0;
}

/* EAGAIN: others than root are made to wait. */
static bool is_refused(const struct restore *r)
{
	return r->ns->root[NS_USER] && (errno == EPERM || errno == EACCES || errno == EAGAIN);
}

static int ask(struct restore *r, outside_fn *fn, struct request *q, const void *value, size_t len,
	       int fd)
{
	struct err err = { 0 };

	if (len > sizeof(q->value)) {
		errno = E2BIG;
		return -1;
	}
	q->len = len;
	memcpy(q->value, value, len);
	if (outside_run(r, fn, q, sizeof(*q), &fd, &err) == 0)
		return 0;
	errno = err.code;
	return -1;
}

int privileged_setsockopt(struct restore *r, int fd, int level, int name, const void *value,
			  socklen_t len)
{
	struct request q = { .level = level, .name = name };

	if (setsockopt(fd, level, name, value, len) == 0)
		return 0;
	return is_refused(r) ? ask(r, setsockopt_here, &q, value, len, fd) : -1;
}

int privileged_ioctl(struct restore *r, int fd, unsigned long request, const void *arg, size_t len)
{
	struct request q = { .request = request };

	/* the kernel may change it, even if it refuses */
	if (len <= sizeof(q.value))
		memcpy(q.value, arg, len);
	if (ioctl(fd, request, q.value) == 0)
		return 0;
	return is_refused(r) ? ask(r, ioctl_here, &q, arg, len, fd) : -1;
}

int privileged_write(struct restore *r, const char *path, const char *text)
{
	size_t len = strlen(text);
	struct request q = { 0 };

	{
		scoped_fd fd = openat(r->proc, path, O_WRONLY | O_CLOEXEC);

		if (fd >= 0 && write(fd, text, len) == (ssize_t)len)
			return 0;
	}
	snprintf(q.path, sizeof(q.path), "%s", path);
	return is_refused(r) ? ask(r, write_here, &q, text, len, -1) : -1;
}
