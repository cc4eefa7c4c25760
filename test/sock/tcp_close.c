/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * a listener, a connection, and one that is shut by both: what --tcp-close leaves of them
 *
 * dump: --tcp-close
 * restore: --tcp-close
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "victim.h"

enum { PORT = 21417 };

static int listener, live[2], half[2];

static bool connection(int fds[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(PORT),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fds[0], (struct sockaddr *)&a, sizeof(a)) < 0)
		return false;
	fds[1] = accept(listener, NULL, NULL);
	return fds[1] >= 0;
}

static bool make(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(PORT),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1;

	listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(listener, 3) == 0 &&
	       connection(live) && write(live[0], "lost", 4) == 4 && connection(half) &&
	       shutdown(half[0], SHUT_RDWR) == 0 && shutdown(half[1], SHUT_RDWR) == 0;
}

static bool is_closed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	return expect(poll(&p, 1, 0) == 1) && expect(p.revents & POLLHUP) &&
	       expect(recv(fd, &c, 1, MSG_DONTWAIT) <= 0) &&
	       expect(send(fd, "x", 1, MSG_NOSIGNAL) < 0) && expect(errno == EPIPE);
}

/* After it was dumped and left running, nothing has happened to it. */
static bool is_live(void)
{
	char buf[10];

	return recv(live[1], buf, 10, MSG_DONTWAIT) == 4 &&
	       send(live[1], "x", 1, MSG_NOSIGNAL) == 1;
}

static bool same(void)
{
	int fds[2];
	char c;

	if (!is_live() && (!is_closed(live[0]) || !is_closed(live[1])))
		return false;
	return is_closed(half[0]) && is_closed(half[1]) && expect(connection(fds)) &&
	       expect(write(fds[0], "new", 3) == 3) && expect(read(fds[1], &c, 1) == 1);
}

VICTIM(make, same)
