/* SPDX-License-Identifier: GPL-2.0-only */
/* packets in a pipe end where they ended, also between bytes that are none */
#include <sys/ioctl.h>

#include "victim.h"

enum { STREAM = 4090 }; /* so much that a packet does not fit into the same page */

static int packets[2], mixed[2], last[2];

static bool put(int fd, const char *s, int flags)
{
	return fcntl(fd, F_SETFL, flags) == 0 && write(fd, s, strlen(s)) == (ssize_t)strlen(s);
}

static bool got(int fd, size_t size, const char *want)
{
	char buf[64] = { 0 };

	return expect(read(fd, buf, size) == (ssize_t)strlen(want)) &&
	       expect(strcmp(buf, want) == 0);
}

static bool make_mixed(void)
{
	char stream[STREAM] = { 0 };

	return expect(pipe(mixed) == 0) && expect(put(mixed[1], "first", O_DIRECT)) &&
	       expect(put(mixed[1], "", 0)) && expect(write(mixed[1], stream, STREAM) == STREAM) &&
	       expect(put(mixed[1], "packet too long", O_DIRECT)) &&
	       expect(put(mixed[1], "p", O_DIRECT)) && expect(put(mixed[1], "behind", 0));
}

static bool make(void)
{
	return expect(pipe2(packets, O_DIRECT) == 0) && expect(write(packets[1], "one", 3) == 3) &&
	       expect(write(packets[1], "2", 1) == 1) &&
	       expect(write(packets[1], "three", 5) == 5) && make_mixed() &&
	       expect(pipe(last) == 0) && expect(put(last[1], "end", O_DIRECT)) &&
	       expect(fcntl(last[1], F_SETFL, 0) == 0);
}

static bool same_packets(void)
{
	int n;

	return expect(fcntl(packets[1], F_GETFL) & O_DIRECT) &&
	       expect(ioctl(packets[0], FIONREAD, &n) == 0) && expect(n == 9) &&
	       got(packets[0], 60, "one") && got(packets[0], 60, "2") &&
	       got(packets[0], 2, "th") && /* the rest of a packet is lost */
	       expect(write(packets[1], "four", 4) == 4) &&
	       expect(write(packets[1], "5", 1) == 1) && got(packets[0], 60, "four") &&
	       got(packets[0], 60, "5");
}

static bool same_mixed(void)
{
	char buf[2 * STREAM];

	return expect(!(fcntl(mixed[1], F_GETFL) & O_DIRECT)) && got(mixed[0], 60, "first") &&
	       expect(read(mixed[0], buf, sizeof(buf)) == STREAM + 15) && got(mixed[0], 60, "p") &&
	       expect(write(mixed[1], "!", 1) == 1) && got(mixed[0], 60, "behind!");
}

static bool same(void)
{
	return same_packets() && same_mixed() && expect(write(last[1], "more", 4) == 4) &&
	       got(last[0], 60, "end") && got(last[0], 60, "more");
}

VICTIM(make, same)
