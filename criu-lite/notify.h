/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <sys/types.h>

#include "base/err.h"

/*
 * --pidfile: @pid in decimal without newline, in a new file of mode 0600.
 * -EEXIST if there is one: it may belong to something that still runs.
 */
int notify_pidfile(const char *path, pid_t pid, struct err *err);

/* --status-fd: one zero byte says that we are ready; then @fd is closed. */
int notify_ready(int fd, struct err *err);

#endif
