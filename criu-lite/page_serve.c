/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * page_serve - lazy pages, for a lazy-pages daemon that asks for them
 */
#include <errno.h>
#include <inttypes.h>

#include "base/log.h"
#include "core/pagemap.h"
#include "page_serve.h"

enum { BUFFER_SIZE = 256 * 1024 };

static int answer_get(struct page_link *l, const struct page_source *s, const struct page_msg *m,
		      char *buffer, uint64_t *n_ret, struct err *err)
{
	uint64_t addr = m->addr, left, n;

	if (s->find(s->self, m->object, addr, m->nr_pages, &n, err) < 0 ||
	    page_link_send(l, PAGE_ADD_F, PAGES_PRESENT, n, addr, m->object, true, err) < 0)
		return -err->code;
	for (left = n * PAGE_BYTES; left;) {
		size_t len = left < BUFFER_SIZE ? left : BUFFER_SIZE;

		if (s->read(s->self, m->object, addr, buffer, len, err) < 0 ||
		    page_link_write(l, buffer, len, left > len, err) < 0)
			return -err->code;
		addr += len;
		left -= len;
	}
	*n_ret = n;
	return 0;
}

static int answer_close(struct page_link *l, struct err *err)
{
	const int32_t fine = 0;

	return page_link_write(l, &fine, sizeof(fine), false, err);
}

static int unknown(const struct page_link *l, const struct page_msg *m, struct err *err)
{
	err_set(err, EPROTO, "cannot understand %s: message %#x", page_link_peer(l), m->cmd);
	err_why(err, "a lazy-pages daemon asks for pages, and nothing else");
	return err_hint(err, "the other side must be criu-lite, or CRIU 4.2 or newer");
}

int page_serve(struct arena *a, struct page_link *l, const struct page_source *s,
	       struct page_served *served, struct err *err)
{
	char *buffer = arena_alloc(a, BUFFER_SIZE);
	struct page_msg m;
	uint64_t n = 0;
	bool found;

	for (;;) {
		if (page_link_recv(l, &m, &found, err) < 0)
			return -err->code;
		if (!found) {
			err_set(err, ENODATA, "cannot serve all pages to %s", page_link_peer(l));
			err_why(err, "it has ended before it had all");
			return err_hint(err, "see the log of the lazy-pages daemon");
		}
		switch (m.cmd & 0xffff) {
		case PAGE_GET:
			served->asked = true;
			if (answer_get(l, s, &m, buffer, &n, err) < 0)
				return -err->code;
			served->pages += n;
			break;
		case PAGE_CLOSE:
		case PAGE_FORCE_CLOSE:
			log_info("%" PRIu64 " pages sent to %s", served->pages, page_link_peer(l));
			return answer_close(l, err);
		default:
			return unknown(l, &m, err);
		}
	}
}
