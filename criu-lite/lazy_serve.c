/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lazy serve - what restored tasks need first, and then the rest
 *
 * A fault is answered with a few pages from there on. When nobody waits, the rest
 * is fetched in growing pieces, from where the last fault was.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/lazy_socket.h"
#include "core/page_link.h"
#include "lazy_serve.h"

enum {
	FAULT_BYTES = 64 * 1024,
	CHUNK_FIRST = 64 * 1024,
	CHUNK_STEP = 64 * 1024,
	CHUNK_MOST = 4 << 20,
};

struct fault {
	struct lazy_memory *memory;
	uint64_t addr;
};

/* Pages that were asked for at the page server, which answers in this order. */
struct request {
	struct lazy_memory *memory;
	uint64_t image, len;
	bool background;
};

struct work {
	struct lazy_serve *s;
	struct page_source source;
	struct lazy_events events;
	vec(struct fault) faults;
	vec(struct request) requests;
	struct lazy_memory *last; /* who had the last fault */
	uint64_t chunk;
	uint64_t filled, nr_faults, nr_children;
	char *buffer; /* CHUNK_MOST */
	struct pollfd *polled;
	size_t nr_memories;
};

/* ---- memories ---- */

static struct lazy_memory *memory_new(struct lazy_serve *s, pid_t pid, int uffd)
{
	struct lazy_memory *m = arena_new(s->arena, struct lazy_memory);

	m->pid = pid;
	m->uffd = uffd;
	list_add_tail(&s->memories, &m->link);
	return m;
}

/* No piece lies in two areas: the kernel fills only one at a time. */
static void add_pieces(struct lazy_serve *s, struct lazy_memory *m, const struct pagemap_run *run,
		       const page_borders *borders, size_t *at)
{
	uint64_t start = run->addr, end = run->addr + run->len;

	while (start < end) {
		uint64_t stop = end;

		while (*at < borders->n && borders->items[*at] <= start)
			(*at)++;
		if (*at < borders->n && borders->items[*at] < end)
			stop = borders->items[*at];
		*vec_add(s->arena, &m->missing) = (struct lazy_piece){ start, stop, start };
		start = stop;
	}
}

int lazy_serve_add(struct lazy_serve *s, pid_t pid, int uffd, struct err *err)
{
	struct lazy_memory *m = memory_new(s, pid, uffd);
	const page_tasks *tasks = page_images_tasks(s->images);
	const struct page_task *t;
	const struct pagemap_run *run;
	page_borders borders = { 0 };
	size_t at = 0;

	if (page_images_borders(s->images, pid, &borders, err) < 0)
		return -err->code;
	vec_for_each(t, tasks)
		if (t->pid == pid)
			vec_for_each(run, &t->runs)
				if (run->flags & PAGES_LAZY)
					add_pieces(s, m, run, &borders, &at);
	return 0;
}

/* ---- events ---- */

static int note_fault(void *self, struct lazy_memory *m, uint64_t addr, struct err *err)
{
	struct work *w = self;

	w->nr_faults++;
	*vec_add(w->s->arena, &w->faults) = (struct fault){ m, addr };
	return 0;
}

/* It lacks what its father lacks, whatever has been asked for already. */
static int note_child(void *self, struct lazy_memory *father, int uffd, struct err *err)
{
	struct work *w = self;
	struct lazy_memory *m = memory_new(w->s, father->pid, uffd);
	const struct lazy_piece *p;

	w->nr_children++;
	m->moved = father->moved;
	m->next = father->next;
	vec_for_each(p, &father->missing)
		*vec_add(w->s->arena, &m->missing) = *p;
	/* without guardian we go on all the same */
	io_send_fd(w->s->guardian, "", 1, uffd);
	return 0;
}

/* ---- pages ---- */

static bool is_requested(const struct work *w, const struct lazy_memory *m, uint64_t image)
{
	const struct request *q;

	vec_for_each(q, &w->requests)
		if (q->memory == m && image >= q->image && image - q->image < q->len)
			return true;
	return false;
}

static int fill_from_images(struct work *w, struct lazy_memory *m, uint64_t image, uint64_t len,
			    struct err *err)
{
	uint64_t n;

	if (w->source.find(w->source.self, (uint64_t)m->pid, image, len / PAGE_BYTES, &n, err) <
		    0 ||
	    w->source.read(w->source.self, (uint64_t)m->pid, image, w->buffer, n * PAGE_BYTES,
			   err) < 0)
		return -err->code;
	w->filled += n;
	return lazy_memory_fill(w->s->arena, m, image, w->buffer, n * PAGE_BYTES, &w->events, err);
}

static int get_pages(struct work *w, struct lazy_memory *m, uint64_t image, uint64_t len,
		     bool background, struct err *err)
{
	if (!w->s->link)
		return fill_from_images(w, m, image, len, err);
	*vec_add(w->s->arena, &w->requests) = (struct request){ m, image, len, background };
	return page_link_send(w->s->link, PAGE_GET, 0, len / PAGE_BYTES, image, (uint64_t)m->pid,
			      false, err);
}

/* *@waits_ret: what is needed was asked for before. */
static int answer_fault(struct work *w, const struct fault *f, bool *waits_ret, struct err *err)
{
	struct lazy_memory *m = f->memory;
	const struct lazy_piece *p = lazy_piece_at(m, f->addr);
	uint64_t len, image;

	*waits_ret = false;
	if (!p)
		return lazy_memory_zero(w->s->arena, m, f->addr, &w->events, err);
	image = p->image + (f->addr - p->start);
	if (is_requested(w, m, image)) {
		*waits_ret = true;
		return 0;
	}
	len = p->end - f->addr < FAULT_BYTES ? p->end - f->addr : FAULT_BYTES;
	w->chunk = CHUNK_FIRST;
	w->last = m;
	m->next = f->addr + len;
	return get_pages(w, m, image, len, false, err);
}

/* Faults may come while others are answered. */
static int answer_faults(struct work *w, struct err *err)
{
	size_t i, kept = 0;
	bool waits;

	for (i = 0; i < w->faults.n; i++) {
		struct fault f = w->faults.items[i];

		if (answer_fault(w, &f, &waits, err) < 0)
			return -err->code;
		if (waits)
			w->faults.items[kept++] = f;
	}
	w->faults.n = kept;
	return 0;
}

static int nonsense(const struct work *w, const struct page_msg *m, struct err *err)
{
	err_set(err, EPROTO, "cannot understand the page server at %s", page_link_peer(w->s->link));
	err_why(err, "it sends message %#x for %" PRIx64, m->cmd, m->addr);
	return err_hint(err, "it must be criu-lite, or CRIU 4.2 or newer");
}

static int receive(struct work *w, struct err *err)
{
	struct page_link *l = w->s->link;
	struct page_msg m;
	struct request q;
	bool found;

	if (page_link_recv(l, &m, &found, err) < 0)
		return -err->code;
	if (!found) {
		err_set(err, ECONNRESET, "cannot get more pages from %s", page_link_peer(l));
		return err_why(err, "the page server has ended");
	}
	if (!w->requests.n)
		return nonsense(w, &m, err);
	q = w->requests.items[0];
	if (m.cmd != (PAGES_PRESENT << 16 | PAGE_ADD_F) || m.addr != q.image ||
	    m.object != (uint64_t)q.memory->pid || !m.nr_pages || m.nr_pages > q.len / PAGE_BYTES)
		return nonsense(w, &m, err);
	if (page_link_read(l, w->buffer, m.nr_pages * PAGE_BYTES, err) < 0)
		return -err->code;
	memmove(w->requests.items, w->requests.items + 1, --w->requests.n * sizeof(q));
	w->filled += m.nr_pages;
	return lazy_memory_fill(w->s->arena, q.memory, q.image, w->buffer, m.nr_pages * PAGE_BYTES,
				&w->events, err);
}

/* ---- the rest ---- */

static struct lazy_memory *who_lacks(const struct work *w)
{
	struct lazy_memory *m;

	if (w->last && w->last->missing.n)
		return w->last;
	list_for_each(m, &w->s->memories, link)
		if (m->missing.n)
			return m;
	return NULL;
}

static bool in_background(const struct work *w)
{
	const struct request *q;

	vec_for_each(q, &w->requests)
		if (q->background)
			return true;
	return false;
}

static int fetch_more(struct work *w, struct lazy_memory *m, struct err *err)
{
	const struct lazy_piece *p = lazy_piece_after(m, m->next);
	uint64_t start, len;

	if (!p)
		p = lazy_piece_after(m, 0);
	start = p->start > m->next || p->end <= m->next ? p->start : m->next;
	len = p->end - start < w->chunk ? p->end - start : w->chunk;
	if (w->chunk < CHUNK_MOST)
		w->chunk += CHUNK_STEP;
	m->next = start + len;
	return get_pages(w, m, p->image + (start - p->start), len, true, err);
}

/* ---- waiting ---- */

static int hear_restore(struct lazy_serve *s, struct err *err)
{
	uint32_t word = 0;
	int ret = io_read(s->restore, &word, sizeof(word));

	if (ret == 0 && word == LAZY_FINISHED) {
		log_info("The restore has finished");
		close(take_fd(&s->restore));
		return 0;
	}
	err_set(err, EPIPE, "cannot serve a restore that has failed");
	return err_hint(err, "see its log");
}

static size_t fill_poll(struct work *w)
{
	struct lazy_serve *s = w->s;
	struct lazy_memory *m;
	size_t n = 2;

	list_for_each(m, &s->memories, link)
		n++;
	if (n != w->nr_memories) {
		w->polled = arena_array(s->arena, struct pollfd, n);
		w->nr_memories = n;
	}
	w->polled[0] = (struct pollfd){ .fd = s->restore, .events = POLLIN };
	w->polled[1] =
		(struct pollfd){ .fd = s->link ? page_link_fd(s->link) : -1, .events = POLLIN };
	n = 2;
	list_for_each(m, &s->memories, link)
		w->polled[n++] = (struct pollfd){ .fd = m->gone ? -1 : m->uffd, .events = POLLIN };
	return n;
}

/* Hear what there is; @idle: wait for it. */
static int hear(struct work *w, bool idle, struct err *err)
{
	struct lazy_serve *s = w->s;
	size_t n = fill_poll(w), i = 2;
	bool pending = s->link && page_link_pending(s->link);
	struct lazy_memory *m;

	if (poll(w->polled, n, idle && !pending ? -1 : 0) < 0)
		return errno == EINTR ? 0 : err_sys(err, "cannot wait for faults");
	list_for_each(m, &s->memories, link)
		if (i < n && w->polled[i++].revents & POLLIN &&
		    lazy_memory_events(s->arena, m, &w->events, err) < 0)
			return -err->code;
	if (answer_faults(w, err) < 0)
		return -err->code;
	if (w->polled[0].revents && hear_restore(s, err) < 0)
		return -err->code;
	if ((w->polled[1].revents || pending) && receive(w, err) < 0)
		return -err->code;
	return answer_faults(w, err);
}

static int work(struct work *w, struct err *err)
{
	for (;;) {
		bool finished = w->s->restore < 0;
		struct lazy_memory *m = who_lacks(w);
		bool more = finished && m && !in_background(w);

		if (finished && !m && !w->requests.n)
			return 0;
		if (hear(w, !more, err) < 0)
			return -err->code;
		m = who_lacks(w);
		if (more && m && !w->faults.n && fetch_more(w, m, err) < 0)
			return -err->code;
	}
}

int lazy_serve(struct lazy_serve *s, struct err *err)
{
	struct work w = {
		.s = s,
		.source = page_images_source(s->images),
		.events = { .fault = note_fault, .child = note_child },
		.chunk = CHUNK_FIRST,
		.buffer = arena_alloc(s->arena, CHUNK_MOST),
	};

	w.events.self = &w;
	if (work(&w, err) < 0)
		return -err->code;
	log_info("%" PRIu64 " pages have come, %" PRIu64 " faults, %" PRIu64 " children", w.filled,
		 w.nr_faults, w.nr_children);
	return s->link ? page_link_finish(take_ptr(s->link), err) : 0;
}
