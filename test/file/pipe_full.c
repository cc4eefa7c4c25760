/* SPDX-License-Identifier: GPL-2.0-only */
/* full pipes are full, with every byte: the largest there is, and one of single bytes */
#include "victim.h"

enum { SIZE = 1 << 20, PAGE = 4096 };

static int large[2], bytes[2];

static uint32_t word(uint32_t i)
{
	return i * 2654435761u + 17;
}

static bool make(void)
{
	static uint32_t buf[PAGE / 4];
	uint32_t i, j;

	if (!expect(pipe2(large, O_NONBLOCK) == 0) ||
	    !expect(fcntl(large[1], F_SETPIPE_SZ, SIZE) == SIZE))
		return false;
	for (i = 0; i < SIZE / PAGE; i++) {
		for (j = 0; j < PAGE / 4; j++)
			buf[j] = word(i * PAGE / 4 + j);
		if (!expect(write(large[1], buf, PAGE) == PAGE))
			return false;
	}
	if (!expect(pipe2(bytes, O_DIRECT | O_NONBLOCK) == 0))
		return false;
	while (write(bytes[1], "b", 1) == 1)
		;
	return expect(errno == EAGAIN);
}

static bool same(void)
{
	static uint32_t buf[SIZE / 4 + 1];
	uint32_t i;
	char c[9];
	int n = 0;

	if (!expect(write(large[1], "x", 1) == -1) || !expect(errno == EAGAIN) ||
	    !expect(write(bytes[1], "x", 1) == -1) || !expect(errno == EAGAIN) ||
	    !expect(read(large[0], buf, sizeof(buf)) == SIZE))
		return false;
	for (i = 0; i < SIZE / 4; i++)
		if (!expect(buf[i] == word(i)))
			return false;
	while (read(bytes[0], c, sizeof(c)) == 1)
		n++;
	return expect(n == 16) && expect(fcntl(large[0], F_GETPIPE_SZ) == SIZE);
}

VICTIM(make, same)
