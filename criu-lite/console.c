/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * console - the master of a restored terminal, for who waits at a socket
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "console.h"

/* The text is only a name for it. */
static int hand_over(void *self, const char *action, pid_t root_pid, int fd, struct err *err)
{
	static const char name[] = "/dev/ptmx";
	const struct console *c = self;
	int ret;

	if (strcmp(action, "orphan-pts-master") != 0)
		return 0;
	ret = io_send_fd(c->sock, name, sizeof(name) - 1, fd);
	if (ret == 0)
		return 0;
	err_set(err, -ret, "cannot hand over the master of the terminal");
	return err_hint(err, "see whether somebody listens at --console-socket");
}

int console_connect(struct console *c, const char *path, struct err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	scoped_fd sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(to.sun_path))
		return err_set(err, ENAMETOOLONG, "cannot use --console-socket %s", path);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof(to)) < 0) {
		err_sys(err, "cannot connect to --console-socket %s", path);
		return err_hint(err, "have somebody listen there for a terminal");
	}
	c->sock = take_fd(&sock);
	c->listener = (struct script_listener){ .self = c, .tell = hand_over };
	return 0;
}
