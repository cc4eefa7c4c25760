/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * asynchronous requests on a TCP connection: one that nobody has fetched yet, and new ones
 *
 * dump: --tcp-established
 * restore: --tcp-established
 */
#include <linux/aio_abi.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "victim.h"

static aio_context_t ctx;
static int fds[2];
static char heard[20];

static bool connection(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (listen(listener, 3) < 0 || getsockname(listener, (struct sockaddr *)&a, &len) < 0)
		return false;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fds[0], (struct sockaddr *)&a, len) < 0)
		return false;
	fds[1] = accept(listener, NULL, NULL);
	return fds[1] >= 0 && close(listener) == 0;
}

static bool submit(int op, int fd, const void *buf, size_t len, uint64_t data)
{
	struct iocb cb = {
		.aio_data = data,
		.aio_lio_opcode = (uint16_t)op,
		.aio_fildes = (uint32_t)fd,
		.aio_buf = (uintptr_t)buf,
		.aio_nbytes = len,
	};
	struct iocb *list[1] = { &cb };

	return expect(syscall(SYS_io_submit, ctx, 1L, list) == 1);
}

static bool fetch(uint64_t data, int64_t result)
{
	struct io_event e;

	return expect(syscall(SYS_io_getevents, ctx, 1L, 1L, &e, NULL) == 1) &&
	       expect(e.data == data) && expect(e.res == result);
}

static bool make(void)
{
	return expect(connection()) && expect(syscall(SYS_io_setup, 5L, &ctx) == 0) &&
	       submit(IOCB_CMD_PWRITE, fds[0], "asynchronous", 12, 41);
}

static bool same(void)
{
	return fetch(41, 12) && submit(IOCB_CMD_PREAD, fds[1], heard, sizeof(heard), 42) &&
	       fetch(42, 12) && expect(memcmp(heard, "asynchronous", 12) == 0) &&
	       submit(IOCB_CMD_PWRITE, fds[1], "and back", 8, 43) && fetch(43, 8) &&
	       submit(IOCB_CMD_PREAD, fds[0], heard, 3, 44) && fetch(44, 3) &&
	       expect(memcmp(heard, "and", 3) == 0);
}

VICTIM(make, same)
