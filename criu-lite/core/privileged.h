/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_PRIVILEGED_H
#define CORE_PRIVILEGED_H

#include <stddef.h>
#include <sys/socket.h>

#include "core/context.h"

/*
 * Restore: what the kernel lets only the root of the whole machine do.  In a user
 * namespace, what we may not do is done by the one who is outside.  0, or -1
 * with errno.
 *
 * privileged_write: all of @text to the file @path below /proc, as it is outside.
 */
int privileged_setsockopt(struct restore *r, int fd, int level, int name, const void *value,
			  socklen_t len);
int privileged_ioctl(struct restore *r, int fd, unsigned long request, const void *arg, size_t len);
int privileged_write(struct restore *r, const char *path, const char *text);

#endif
