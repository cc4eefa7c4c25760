/* SPDX-License-Identifier: GPL-2.0-only */
/* AIO rings: where they are, how far they have come, what nobody has fetched yet */
#include <linux/aio_abi.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "victim.h"

struct ring {
	uint32_t id, nr, head, tail, magic, compat, incompat, header_length;
	struct io_event events[];
};

/* Fetched and unread before the dump; what two of them hold goes round the end. */
static const struct sort {
	long requests, fetched, unread;
} sorts[] = { { 5, 3, 2 }, { 130, 380, 11 }, { 17, 0, 0 }, { 1, 120, 30 } };

enum { NR = sizeof(sorts) / sizeof(sorts[0]), EACH = 7 };

static aio_context_t ctx[NR];
static struct ring before[NR];
static int fd;
static char text[EACH];

static bool submit(aio_context_t c, uint64_t data)
{
	struct iocb cb = {
		.aio_data = data,
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = (uint32_t)fd,
		.aio_buf = (uintptr_t)text,
		.aio_nbytes = data % EACH,
		.aio_offset = 3,
	};
	struct iocb *list[1] = { &cb };

	return syscall(SYS_io_submit, c, 1L, list) == 1;
}

static bool fetch(aio_context_t c, uint64_t data)
{
	struct io_event e;

	return expect(syscall(SYS_io_getevents, c, 1L, 1L, &e, NULL) == 1) &&
	       expect(e.data == data) && expect(e.res == (int64_t)(data % EACH));
}

static bool make_ring(int i)
{
	uint64_t n = 0;

	if (!expect(syscall(SYS_io_setup, sorts[i].requests, &ctx[i]) == 0))
		return false;
	for (; n < (uint64_t)sorts[i].fetched; n++)
		if (!submit(ctx[i], n) || !fetch(ctx[i], n))
			return false;
	for (; n < (uint64_t)(sorts[i].fetched + sorts[i].unread); n++)
		if (!submit(ctx[i], n))
			return false;
	before[i] = *(struct ring *)ctx[i];
	return true;
}

static bool make(void)
{
	fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0600);
	if (!expect(fd >= 0) || !expect(write(fd, "asynchronous", 12) == 12))
		return false;
	for (int i = 0; i < NR; i++)
		if (!make_ring(i))
			return false;
	return expect(before[1].tail == 8) && expect(before[3].head == 120);
}

static bool same_ring(int i)
{
	const struct ring *r = (struct ring *)ctx[i];
	uint64_t n = (uint64_t)sorts[i].fetched, end = n + (uint64_t)sorts[i].unread;

	if (!expect(r->head == before[i].head) || !expect(r->tail == before[i].tail) ||
	    !expect(r->nr == before[i].nr))
		return false;
	/* the next one takes the next slot */
	if (!expect(submit(ctx[i], end)) || !expect(r->tail == (before[i].tail + 1) % r->nr) ||
	    !expect(r->events[before[i].tail].data == end))
		return false;
	for (; n <= end; n++)
		if (!fetch(ctx[i], n))
			return false;
	return true;
}

/* Nearly all slots can be used (each CPU has some in reserve), and not more. */
static bool is_as_large(int i)
{
	const struct ring *r = (struct ring *)ctx[i];
	long n = 0;

	while (submit(ctx[i], (uint64_t)n))
		n++;
	return expect(n > (long)r->nr / 2) && expect(n < (long)r->nr) && expect(errno == EAGAIN);
}

static bool same(void)
{
	for (int i = 0; i < NR; i++)
		if (!same_ring(i) || !is_as_large(i) ||
		    !expect(syscall(SYS_io_destroy, ctx[i]) == 0))
			return false;
	return true;
}

VICTIM(make, same)
