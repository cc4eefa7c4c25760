/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * what comes to a page server over its connection: behind the first byte, what a dump sends
 * (even), or what a lazy-pages daemon asks for (odd)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "core/pagemap.h"
#include "page_receive.h"
#include "page_serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ten pages, from the fifth on. */
static int find(void *self, uint64_t pid, uint64_t addr, uint64_t max, uint64_t *n_ret,
		struct err *err)
{
	if (addr % PAGE_BYTES || addr < 5 * PAGE_BYTES || addr >= 15 * PAGE_BYTES || !max)
		return err_set(err, ENOENT, "cannot find it");
	*n_ret = (15 * PAGE_BYTES - addr) / PAGE_BYTES;
	if (*n_ret > max)
		*n_ret = max;
	return 0;
}

static int read_pages(void *self, uint64_t pid, uint64_t addr, void *buf, size_t len,
		      struct err *err)
{
	if (addr < 5 * PAGE_BYTES || len > 15 * PAGE_BYTES - addr)
		abort();
	memset(buf, 5, len);
	return 0;
}

static int serve(struct arena *a, int sock, bool ask, struct err *err)
{
	const struct page_source source = { .find = find, .read = read_pages };
	const struct remote_opts o = { .socket = sock };
	struct page_served served = { 0 };
	scoped_page_link *l = NULL;

	if (page_link_accept(a, &o, -1, &l, err) < 0)
		return -err->code;
	return ask ? page_serve(a, l, &source, &served, err)
		   : page_receive(a, l, true, store_open_null(a), err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	struct arena a;
	int pair[2];
	int ret;

	/* more than a socket holds, in either direction, would have to be read meanwhile */
	if (size == 0 || size > 64 * 1024 || (data[0] % 2 && size > 1 + 2 * 32))
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    io_write(pair[0], data + 1, size - 1) < 0 || shutdown(pair[0], SHUT_WR) < 0)
		abort();
	arena_init(&a);
	ret = serve(&a, pair[1], data[0] % 2, &err);
	if ((ret < 0) != (err.code != 0))
		abort();
	arena_fini(&a);
	close(pair[0]);
	close(pair[1]);
	return 0;
}
