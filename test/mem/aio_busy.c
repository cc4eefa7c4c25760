/* SPDX-License-Identifier: GPL-2.0-only */
/* asynchronous reads and writes go on all the time, and each ends as it should */
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "victim.h"

enum { BLOCK = 4096, BLOCKS = 64, DEPTH = 8 };

static aio_context_t ctx;
static int fd;
static unsigned char *data[DEPTH];
static volatile bool enough;
static volatile long rounds, wrong;
static pthread_t thread;

static bool submit(int opcode, int slot, long block)
{
	struct iocb cb = {
		.aio_data = (uint64_t)slot,
		.aio_lio_opcode = (uint16_t)opcode,
		.aio_fildes = (uint32_t)fd,
		.aio_buf = (uintptr_t)data[slot],
		.aio_nbytes = BLOCK,
		.aio_offset = block * BLOCK,
	};
	struct iocb *list[1] = { &cb };

	return syscall(SYS_io_submit, ctx, 1L, list) == 1;
}

/* All slots at the same time; each is told once, with all of its bytes. */
static bool turn(int opcode, long first)
{
	struct io_event events[DEPTH];
	unsigned int told = 0;
	long i, n = 0;

	for (i = 0; i < DEPTH; i++)
		if (!submit(opcode, (int)i, (first + i) % BLOCKS))
			return false;
	while (n < DEPTH) {
		long got = syscall(SYS_io_getevents, ctx, 1L, (long)DEPTH, events, NULL);

		for (i = 0; i < got; i++)
			if (events[i].res == BLOCK)
				told |= 1u << events[i].data;
		if (got <= 0)
			return false;
		n += got;
	}
	return n == DEPTH && told == (1u << DEPTH) - 1;
}

static void fill(long round, bool zero)
{
	for (int i = 0; i < DEPTH; i++)
		memset(data[i], zero ? 0 : (int)(round + i) | 1, BLOCK);
}

static bool is_filled(long round)
{
	for (int i = 0; i < DEPTH; i++)
		for (int k = 0; k < BLOCK; k += 511)
			if (data[i][k] != (unsigned char)((round + i) | 1))
				return false;
	return true;
}

static void *work(void *arg)
{
	for (; !enough; rounds++) {
		fill(rounds, false);
		wrong += !turn(IOCB_CMD_PWRITE, rounds * 3);
		fill(rounds, true);
		wrong += !turn(IOCB_CMD_PREAD, rounds * 3);
		wrong += !is_filled(rounds);
	}
	return NULL;
}

static bool make(void)
{
	fd = open("file", O_RDWR | O_CREAT | O_EXCL | O_DIRECT, 0600);
	if (fd < 0)
		fd = open("file", O_RDWR | O_CREAT, 0600);
	for (int i = 0; i < DEPTH; i++)
		data[i] = aligned_alloc(BLOCK, BLOCK);
	if (!expect(fd >= 0) || !expect(syscall(SYS_io_setup, 128L, &ctx) == 0))
		return false;
	if (pthread_create(&thread, NULL, work, NULL))
		return false;
	while (rounds < 100)
		victim_sleep(1);
	return true;
}

static bool same(void)
{
	long before = rounds;

	for (int i = 0; i < 5000 && rounds < before + 100; i++)
		victim_sleep(1);
	enough = true;
	pthread_join(thread, NULL);
	return expect(rounds > before) && expect(wrong == 0);
}

VICTIM(make, same)
