/* SPDX-License-Identifier: GPL-2.0-only */
/* packets in a fifo end where they ended */
#include <sys/stat.h>

#include "victim.h"

static int reader, writer;

static bool make(void)
{
	return expect(mkfifo("fifo", 0600) == 0) &&
	       expect((reader = open("fifo", O_RDONLY | O_NONBLOCK)) >= 0) &&
	       expect((writer = open("fifo", O_WRONLY)) >= 0) &&
	       expect(fcntl(writer, F_SETFL, O_DIRECT) == 0) &&
	       expect(write(writer, "one", 3) == 3) && expect(write(writer, "three", 5) == 5);
}

static bool holds(const char *want)
{
	char buf[32] = "";

	return expect(read(reader, buf, sizeof(buf)) == (ssize_t)strlen(want)) &&
	       expect(strcmp(buf, want) == 0);
}

static bool same(void)
{
	return expect(fcntl(writer, F_GETFL) & O_DIRECT) && holds("one") &&
	       expect(write(writer, "4", 1) == 1) && holds("three") && holds("4");
}

VICTIM(make, same)
