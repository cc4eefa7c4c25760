/* SPDX-License-Identifier: GPL-2.0-only */
/* connections that nobody has accepted yet, beside some that were, and the backlog */
#include <sys/socket.h>
#include <sys/un.h>

#include "victim.h"

static int listener, clients[5], server;

static socklen_t address(struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX, .sun_path = "sock" };
	return sizeof(*a);
}

static int client(int flags)
{
	struct sockaddr_un a;
	socklen_t len = address(&a);
	int fd = socket(AF_UNIX, SOCK_STREAM | flags, 0);

	if (connect(fd, (struct sockaddr *)&a, len) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool make(void)
{
	struct sockaddr_un a;
	socklen_t len = address(&a);

	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(listener, (struct sockaddr *)&a, len) < 0 || listen(listener, 3) < 0)
		return false;
	clients[0] = client(0);
	server = accept(listener, NULL, NULL);
	for (int i = 1; i < 5; i++) {
		clients[i] = client(0);
		if (clients[i] < 0)
			return false;
	}
	/* four wait, one more than was asked for: there is no room */
	return server >= 0 && client(SOCK_NONBLOCK) < 0 && errno == EAGAIN &&
	       shutdown(clients[2], SHUT_WR) == 0;
}

static bool same(void)
{
	bool ends[2] = { false, false };
	char buf[10];

	if (!expect(client(SOCK_NONBLOCK) < 0) || !expect(errno == EAGAIN))
		return false;
	if (!expect(write(clients[0], "a", 1) == 1) || !expect(read(server, buf, 9) == 1))
		return false;
	for (int i = 1; i < 5; i++)
		if (i != 2 && !expect(write(clients[i], "hello", 5) == 5))
			return false;
	for (int i = 1; i < 5; i++) {
		int fd = accept(listener, NULL, NULL);
		ssize_t n = fd < 0 ? -1 : read(fd, buf, 9);

		if (!expect(n == 5 || n == 0) || (n == 0 && !expect(!ends[0])))
			return false;
		ends[0] |= n == 0;
	}
	return expect(ends[0]) && expect(accept(listener, NULL, NULL) < 0) &&
	       expect(errno == EAGAIN);
}

VICTIM(make, same)
