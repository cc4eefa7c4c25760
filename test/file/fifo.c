/* SPDX-License-Identifier: GPL-2.0-only */
/* fifos: both ends, one end, with data, deleted, with a writer that went or never came */
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "victim.h"

static int reader, writer, both, lonely_writer, left_reader, new_reader, gone_reader, gone_writer,
	far_writer;
static pid_t child;

static bool make_fifo(const char *name, int *rd, int *wr)
{
	return expect(mkfifo(name, 0600) == 0) &&
	       expect((*rd = open(name, O_RDONLY | O_NONBLOCK)) >= 0) &&
	       expect((*wr = open(name, O_WRONLY)) >= 0);
}

/* Has the other end of "far", without which ours would fail. */
static bool make_child(void)
{
	int rd;

	if (!make_fifo("far", &rd, &far_writer))
		return false;
	child = fork();
	if (child == 0) {
		close(far_writer);
		for (;;)
			pause();
	}
	return expect(child > 0) && expect(close(rd) == 0) &&
	       expect(write(far_writer, "away", 4) == 4);
}

static bool make(void)
{
	int wr, rd;

	return make_child() && make_fifo("pair", &reader, &writer) &&
	       expect(write(writer, "inside", 6) == 6) &&
	       expect(fcntl(reader, F_SETPIPE_SZ, 3 * 4096) >= 0) &&
	       expect(mkfifo("both", 0600) == 0) && expect((both = open("both", O_RDWR)) >= 0) &&
	       expect(write(both, "b", 1) == 1) && make_fifo("lonely", &rd, &lonely_writer) &&
	       expect(write(lonely_writer, "w", 1) == 1) && expect(close(rd) == 0) &&
	       make_fifo("left", &left_reader, &wr) && expect(write(wr, "legacy", 6) == 6) &&
	       expect(close(wr) == 0) && expect(mkfifo("new", 0600) == 0) &&
	       expect((new_reader = open("new", O_RDONLY | O_NONBLOCK)) >= 0) &&
	       make_fifo("gone", &gone_reader, &gone_writer) &&
	       expect(write(gone_writer, "ghost", 5) == 5) && expect(unlink("gone") == 0);
}

static bool holds(int fd, const char *want)
{
	char buf[32] = "";

	return expect(read(fd, buf, sizeof(buf) - 1) == (ssize_t)strlen(want)) &&
	       expect(strcmp(buf, want) == 0);
}

static int events(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static bool same(void)
{
	int rd;

	signal(SIGPIPE, SIG_IGN);
	return expect(fcntl(reader, F_GETPIPE_SZ) == 4 * 4096) &&
	       expect(fcntl(reader, F_GETFL) & O_NONBLOCK) &&
	       expect(!(fcntl(writer, F_GETFL) & O_NONBLOCK)) && holds(reader, "inside") &&
	       expect(events(reader) == 0) && expect(write(writer, "more", 4) == 4) &&
	       holds(reader, "more") && holds(both, "b") &&
	       expect(events(left_reader) == (POLLIN | POLLHUP)) && holds(left_reader, "legacy") &&
	       holds(left_reader, "") && expect(events(new_reader) == 0) &&
	       expect(write(lonely_writer, "x", 1) == -1 && errno == EPIPE) &&
	       expect((rd = open("lonely", O_RDONLY | O_NONBLOCK)) >= 0) && holds(rd, "w") &&
	       holds(gone_reader, "ghost") && expect(write(gone_writer, "boo", 3) == 3) &&
	       holds(gone_reader, "boo") && expect(access("gone", F_OK) < 0) &&
	       expect(write(far_writer, "!", 1) == 1) &&
	       expect((rd = open("far", O_RDONLY | O_NONBLOCK)) >= 0) && holds(rd, "away!");
}

VICTIM(make, same)
