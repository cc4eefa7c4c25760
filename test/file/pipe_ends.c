/* SPDX-License-Identifier: GPL-2.0-only */
/* a pipe whose other end is closed stays so: end of file behind the last bytes, or EPIPE */
#include <poll.h>

#include "victim.h"

static int reader, writer, empty;

static short events(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static bool make(void)
{
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	if (!expect(pipe(ends) == 0) || !expect(write(ends[1], "seventeen bytes!!", 17) == 17))
		return false;
	reader = ends[0];
	close(ends[1]);
	if (!expect(pipe(ends) == 0) || !expect(write(ends[1], "gone", 4) == 4))
		return false;
	writer = ends[1];
	close(ends[0]);
	if (!expect(pipe(ends) == 0))
		return false;
	empty = ends[0];
	close(ends[1]);
	return true;
}

static bool same(void)
{
	char buf[32];

	return expect(events(reader) == (POLLIN | POLLHUP)) &&
	       expect(read(reader, buf, sizeof(buf)) == 17) &&
	       expect(memcmp(buf, "seventeen bytes!!", 17) == 0) &&
	       expect(read(reader, buf, 1) == 0) && expect(events(writer) & POLLERR) &&
	       expect(write(writer, "x", 1) == -1) && expect(errno == EPIPE) &&
	       expect(events(empty) == POLLHUP) && expect(read(empty, buf, 1) == 0);
}

VICTIM(make, same)
