/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * page_receive - the page server, while a dump sends
 *
 * What comes is not believed: objects, addresses and flags are checked, and an
 * image is complete only when the next one begins or all has been said.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/pagemap.h"
#include "images/types.h"
#include "page_receive.h"

/* Where numbers of pages-N.img begin, so that they are none of the dumping side. */
enum { FIRST_PAGES_ID = 0x10000, BUFFER_SIZE = 256 * 1024 };

struct receiver {
	struct page_link *link;
	struct dump d; /* only what images need */
	struct pagemap_out out;
	bool is_open;
	uint64_t object; /* of what is open */
	uint64_t last;	 /* end of its last piece */
	uint64_t pages;
	char *buffer;
};

static int nonsense(const struct receiver *rc, const struct page_msg *m, const char *why,
		    struct err *err)
{
	err_set(err, EPROTO,
		"cannot understand %s: message %#x (object %#" PRIx64 ", address %#" PRIx64
		", %" PRIu64 " pages)",
		page_link_peer(rc->link), m->cmd, m->object, m->addr, m->nr_pages);
	err_why(err, "%s", why);
	return err_hint(err, "the other side must be criu-lite, or CRIU 4.2 or newer");
}

/* ---- objects ---- */

/* Older CRIUs have the types of their images. */
static bool read_object(uint64_t object, enum image_type *type_ret, unsigned long *id_ret)
{
	*id_ret = (unsigned long)(object >> 8);
	switch (object & 0xff) {
	case PAGE_TASK:
	case 10:
	case 11:
	case 16:
	case 17:
		*type_ret = IMAGE_PAGEMAP;
		return true;
	case PAGE_SHMEM:
	case 27:
	case 28:
	case 29:
	case 32:
	case 33:
	case 34:
		*type_ret = IMAGE_SHMEM_PAGEMAP;
		return true;
	}
	return false;
}

static int find_parent(struct receiver *rc, const struct page_msg *m, bool *found_ret,
		       struct err *err)
{
	scoped_store *parent = NULL;
	char name[IMAGE_NAME_MAX];
	enum image_type type;
	unsigned long id;

	*found_ret = false;
	if (!read_object(m->object, &type, &id))
		return nonsense(rc, m, "there is no such sort of object", err);
	if (store_open_parent(rc->d.arena, rc->d.store, &parent, err) < 0)
		return -err->code;
	return parent ? store_has_file(parent, image_file_name(type, id, name), found_ret, err) : 0;
}

static int close_object(struct receiver *rc, struct err *err)
{
	if (!rc->is_open)
		return 0;
	rc->is_open = false;
	rc->pages += rc->out.nr_pages;
	return pagemap_out_close(&rc->out, err);
}

static int open_object(struct receiver *rc, const struct page_msg *m, struct err *err)
{
	enum image_type type;
	unsigned long id;

	if (close_object(rc, err) < 0)
		return -err->code;
	if (!read_object(m->object, &type, &id))
		return nonsense(rc, m, "there is no such sort of object", err);
	rc->out = (struct pagemap_out){ 0 };
	if (pagemap_out_open(&rc->d, type, id, &rc->out, err) < 0)
		return -err->code;
	rc->is_open = true;
	rc->object = m->object;
	rc->last = 0;
	return 0;
}

/* ---- messages ---- */

static int answer_open(struct receiver *rc, const struct page_msg *m, struct err *err)
{
	bool found;
	char answer;

	if (find_parent(rc, m, &found, err) < 0 || open_object(rc, m, err) < 0)
		return -err->code;
	answer = found;
	return page_link_write(rc->link, &answer, sizeof(answer), false, err);
}

static int answer_parent(struct receiver *rc, const struct page_msg *m, struct err *err)
{
	int32_t answer;
	bool found;

	if (find_parent(rc, m, &found, err) < 0)
		return -err->code;
	answer = found;
	return page_link_write(rc->link, &answer, sizeof(answer), false, err);
}

static int take_content(struct receiver *rc, uint64_t len, uint64_t off, struct err *err)
{
	while (len) {
		size_t n = len < BUFFER_SIZE ? len : BUFFER_SIZE;

		if (page_link_read(rc->link, rc->buffer, n, err) < 0 ||
		    pagemap_out_write(&rc->out, rc->buffer, n, off, err) < 0)
			return -err->code;
		off += n;
		len -= n;
	}
	return 0;
}

static int take_pages(struct receiver *rc, const struct page_msg *m, uint32_t flags,
		      struct err *err)
{
	uint64_t off = rc->out.nr_pages * PAGE_BYTES, len = m->nr_pages * PAGE_BYTES;

	if (!rc->is_open || m->object != rc->object)
		return nonsense(rc, m, "this object is not open", err);
	if (flags & ~(uint32_t)PAGES_FLAGS)
		return nonsense(rc, m, "its flags are not known", err);
	if (m->nr_pages == 0 || m->nr_pages > (UINT64_MAX - m->addr) / PAGE_BYTES ||
	    m->addr % PAGE_BYTES)
		return nonsense(rc, m, "its address or length is impossible", err);
	if (m->addr < rc->last)
		return nonsense(rc, m, "it overlaps or precedes what came before", err);
	rc->last = m->addr + len;
	if (pagemap_out_add(&rc->out, m->addr, len, flags, 0, err) < 0)
		return -err->code;
	return flags & PAGES_PRESENT ? take_content(rc, len, off, err) : 0;
}

static int end(struct receiver *rc, bool is_ours, struct err *err)
{
	const int32_t fine = 0;
	struct err ignored = { 0 };
	bool found = false;
	struct page_msg m;

	if (close_object(rc, err) < 0 ||
	    page_link_write(rc->link, &fine, sizeof(fine), false, err) < 0)
		return -err->code;
	log_info("%" PRIu64 " pages received from %s", rc->pages, page_link_peer(rc->link));
	/* however it goes away now, all is here */
	if (!is_ours || page_link_recv(rc->link, &m, &found, &ignored) < 0)
		return 0;
	return found ? nonsense(rc, &m, "it had said that this was all", err) : 0;
}

static int take(struct receiver *rc, const struct page_msg *m, struct err *err)
{
	switch (m->cmd & 0xffff) {
	case PAGE_OPEN2:
		return answer_open(rc, m, err);
	case PAGE_OPEN:
		return open_object(rc, m, err);
	case PAGE_PARENT:
		return answer_parent(rc, m, err);
	case PAGE_ADD:
		return take_pages(rc, m, PAGES_PRESENT, err);
	case PAGE_HOLE:
		return take_pages(rc, m, PAGES_PARENT, err);
	case PAGE_ADD_F:
		return take_pages(rc, m, m->cmd >> 16, err);
	}
	return nonsense(rc, m, "there is no such message", err);
}

static bool is_end(const struct page_msg *m)
{
	return (m->cmd & 0xffff) == PAGE_CLOSE || (m->cmd & 0xffff) == PAGE_FORCE_CLOSE;
}

static int receive(struct receiver *rc, bool is_ours, struct err *err)
{
	struct page_msg m;
	bool found;

	for (;;) {
		if (page_link_recv(rc->link, &m, &found, err) < 0)
			return -err->code;
		if (!found) {
			err_set(err, ENODATA, "cannot complete the dump of %s",
				page_link_peer(rc->link));
			err_why(err, "it has ended before the end of the dump");
			return err_hint(err, "see why the dump failed, and make it again");
		}
		if (is_end(&m))
			return end(rc, is_ours, err);
		if (take(rc, &m, err) < 0)
			return -err->code;
	}
}

int page_receive(struct arena *a, struct page_link *l, bool is_ours, struct store *store,
		 struct err *err)
{
	struct receiver rc = {
		.link = l,
		.d = { .arena = a, .store = store, .last_pages_id = FIRST_PAGES_ID },
		.buffer = arena_alloc(a, BUFFER_SIZE),
	};
	int ret = receive(&rc, is_ours, err);

	pagemap_out_abandon(&rc.out);
	return ret;
}
