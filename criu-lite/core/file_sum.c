/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * file sum - tells whether a file has other content than it had, CRC-32C
 *
 * Four tables, so that four bytes are taken at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/file_sum.h"

enum { POLYNOMIAL = 0x82f63b78, PIECE = 256 * 1024, WAYS = 4 };

struct tables {
	uint32_t of[WAYS][256];
};

static void tables_init(struct tables *t)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? (uint32_t)POLYNOMIAL : 0);
		t->of[0][i] = crc;
	}
	for (int way = 1; way < WAYS; way++)
		for (int i = 0; i < 256; i++) {
			uint32_t before = t->of[way - 1][i];

			t->of[way][i] = before >> 8 ^ t->of[0][before & 0xff];
		}
}

static uint32_t sum_bytes(const struct tables *t, uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= WAYS; n -= WAYS, p += WAYS) {
		crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		       (uint32_t)p[3] << 24;
		crc = t->of[3][crc & 0xff] ^ t->of[2][crc >> 8 & 0xff] ^
		      t->of[1][crc >> 16 & 0xff] ^ t->of[0][crc >> 24];
	}
	while (n--)
		crc = crc >> 8 ^ t->of[0][(crc ^ *p++) & 0xff];
	return crc;
}

int file_sum(int fd, uint64_t len, uint32_t *sum_ret)
{
	scoped_ptr uint8_t *buf = malloc(PIECE);
	uint32_t crc = ~0u;
	struct tables t;
	uint64_t at = 0;

	if (!buf)
		return -ENOMEM;
	tables_init(&t);
	while (at < len) {
		size_t want = len - at < PIECE ? (size_t)(len - at) : PIECE;
		ssize_t n = pread(fd, buf, want, (off_t)at);

		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		crc = sum_bytes(&t, crc, buf, (size_t)n);
		at += (uint64_t)n;
	}
	*sum_ret = ~crc;
	return 0;
}
