/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * notify - tells whoever started us: --pidfile, --status-fd
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "notify.h"

int notify_pidfile(const char *path, pid_t pid, struct err *err)
{
	char text[16];
	int ret;

	scoped_fd fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_sys(err, "cannot make pidfile %s", path);
		if (errno == EEXIST)
			err_hint(err, "remove it, or give another --pidfile");
		return err_hint(err, "give a --pidfile in a directory that exists; without a "
				     "leading slash it is in the work directory");
	}

	snprintf(text, sizeof(text), "%d", pid);
	ret = io_write(fd, text, strlen(text));
	return ret < 0 ? err_set(err, -ret, "cannot write pidfile %s", path) : 0;
}

int notify_ready(int fd, struct err *err)
{
	int ret = io_write(fd, "", 1);

	close(fd);
	return ret < 0 ? err_set(err, -ret, "cannot write to --status-fd %d", fd) : 0;
}
