/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lazy memory - what a process still lacks
 *
 * The kernel tells of a change before it goes on with it (fork, munmap, mremap,
 * madvise), and lets us put nothing there until we have heard: EAGAIN.
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/pagemap.h"
#include "lazy_memory.h"

/* ---- pieces ---- */

static size_t index_after(const struct lazy_memory *m, uint64_t addr)
{
	size_t low = 0, high = m->missing.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->missing.items[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct lazy_piece *lazy_piece_after(const struct lazy_memory *m, uint64_t addr)
{
	size_t i = index_after(m, addr);

	return i < m->missing.n ? &m->missing.items[i] : NULL;
}

struct lazy_piece *lazy_piece_at(const struct lazy_memory *m, uint64_t addr)
{
	struct lazy_piece *p = lazy_piece_after(m, addr);

	return p && p->start <= addr ? p : NULL;
}

static void insert(struct arena *a, struct lazy_memory *m, struct lazy_piece piece)
{
	size_t i = index_after(m, piece.start);

	(void)vec_add(a, &m->missing);
	memmove(&m->missing.items[i + 1], &m->missing.items[i],
		(m->missing.n - 1 - i) * sizeof(piece));
	m->missing.items[i] = piece;
}

/* What is left of @p when all before @addr is cut off. */
static struct lazy_piece behind(struct lazy_piece p, uint64_t addr)
{
	if (p.start < addr) {
		p.image += addr - p.start;
		p.start = addr;
	}
	return p;
}

void lazy_memory_forget(struct arena *a, struct lazy_memory *m, uint64_t start, uint64_t end)
{
	size_t i = index_after(m, start), n = i;

	if (i == m->missing.n || m->missing.items[i].start >= end)
		return;
	if (m->missing.items[i].start < start && m->missing.items[i].end > end) {
		struct lazy_piece rest = behind(m->missing.items[i], end);

		m->missing.items[i].end = start;
		insert(a, m, rest);
		return;
	}
	if (m->missing.items[i].start < start) {
		m->missing.items[i].end = start;
		n = ++i;
	}
	while (n < m->missing.n && m->missing.items[n].end <= end)
		n++;
	memmove(&m->missing.items[i], &m->missing.items[n],
		(m->missing.n - n) * sizeof(m->missing.items[0]));
	m->missing.n -= n - i;
	if (i < m->missing.n)
		m->missing.items[i] = behind(m->missing.items[i], end);
}

static void move(struct arena *a, struct lazy_memory *m, uint64_t from, uint64_t to, uint64_t len)
{
	vec(struct lazy_piece) moved = { 0 };
	const struct lazy_piece *p;

	for (p = lazy_piece_after(m, from); p && p < m->missing.items + m->missing.n; p++) {
		struct lazy_piece x = behind(*p, from);

		if (x.start >= from + len)
			break;
		if (x.end > from + len)
			x.end = from + len;
		x.start = x.start - from + to;
		x.end = x.end - from + to;
		*vec_add(a, &moved) = x;
	}
	lazy_memory_forget(a, m, from, from + len);
	/* what was there before has gone */
	lazy_memory_forget(a, m, to, to + len);
	vec_for_each(p, &moved)
		insert(a, m, *p);
	m->moved |= moved.n > 0;
}

/* ---- events ---- */

static int take_event(struct arena *a, struct lazy_memory *m, const struct uffd_msg *msg,
		      const struct lazy_events *to, struct err *err)
{
	switch (msg->event) {
	case UFFD_EVENT_PAGEFAULT:
		return to->fault(to->self, m,
				 msg->arg.pagefault.address & ~(uint64_t)(PAGE_BYTES - 1), err);
	case UFFD_EVENT_FORK:
		return to->child(to->self, m, (int)msg->arg.fork.ufd, err);
	case UFFD_EVENT_REMAP:
		move(a, m, msg->arg.remap.from, msg->arg.remap.to, msg->arg.remap.len);
		return 0;
	case UFFD_EVENT_REMOVE:
	case UFFD_EVENT_UNMAP:
		lazy_memory_forget(a, m, msg->arg.remove.start, msg->arg.remove.end);
		return 0;
	}
	return err_set(err, EPROTO, "cannot understand event %#x of a userfaultfd", msg->event);
}

int lazy_memory_events(struct arena *a, struct lazy_memory *m, const struct lazy_events *to,
		       struct err *err)
{
	struct uffd_msg msg;
	ssize_t n;

	while ((n = read(m->uffd, &msg, sizeof(msg))) == sizeof(msg))
		if (take_event(a, m, &msg, to, err) < 0)
			return -err->code;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return err_sys(err, "cannot read a userfaultfd");
	return 0;
}

/* ---- content ---- */

static void wake(const struct lazy_memory *m, uint64_t start, uint64_t len)
{
	struct uffdio_range range = { start, len };

	ioctl(m->uffd, UFFDIO_WAKE, &range);
}

/* What an ioctl said that has put @done bytes, or none, of @len at @start. */
static int judge(struct arena *a, struct lazy_memory *m, uint64_t start, uint64_t len, int64_t done,
		 const struct lazy_events *to, struct err *err)
{
	int code = errno;

	if (done > 0) {
		lazy_memory_forget(a, m, start, start + (uint64_t)done);
		return 0;
	}
	switch (code) {
	case EAGAIN:
		sched_yield();
		return lazy_memory_events(a, m, to, err);
	case EEXIST:
		lazy_memory_forget(a, m, start, start + PAGE_BYTES);
		wake(m, start, PAGE_BYTES);
		return 0;
	case ENOENT:
		/* of several pages, some may lie in another area by now: see fill_some() */
		if (len == PAGE_BYTES)
			lazy_memory_forget(a, m, start, start + PAGE_BYTES);
		return 0;
	case ESRCH:
		m->gone = true;
		m->missing.n = 0;
		return 0;
	}
	return err_set(err, code, "cannot put a page at %#llx of task %d",
		       (unsigned long long)start, m->pid);
}

/* Some of it; who calls looks again at what is missing then. */
static int fill_some(struct arena *a, struct lazy_memory *m, uint64_t start, uint64_t len,
		     const char *content, bool one, const struct lazy_events *to, struct err *err)
{
	struct uffdio_copy copy = { .dst = start,
				    .src = (uintptr_t)content,
				    .len = one ? PAGE_BYTES : len };

	if (ioctl(m->uffd, UFFDIO_COPY, &copy) == 0) {
		lazy_memory_forget(a, m, start, start + copy.len);
		return 0;
	}
	return judge(a, m, start, copy.len, copy.copy, to, err);
}

/* What of the image from @image to @end is missing somewhere; the first such place, or NULL. */
static const struct lazy_piece *wanted(const struct lazy_memory *m, uint64_t image, uint64_t end)
{
	const struct lazy_piece *p = lazy_piece_after(m, image);

	/* nearly everything is where it was */
	if (p && p->start == p->image && p->start < end)
		return p;
	if (!m->moved)
		return NULL;
	vec_for_each(p, &m->missing)
		if (p->image < end && p->image + (p->end - p->start) > image)
			return p;
	return NULL;
}

int lazy_memory_fill(struct arena *a, struct lazy_memory *m, uint64_t image, const char *content,
		     uint64_t len, const struct lazy_events *to, struct err *err)
{
	const struct lazy_piece *p;
	uint64_t tried = UINT64_MAX;

	while ((p = wanted(m, image, image + len)) != NULL) {
		struct lazy_piece x =
			behind(*p, p->image < image ? p->start + (image - p->image) : p->start);
		uint64_t n = x.end - x.start, rest = image + len - x.image;

		/* the same again: page by page */
		if (fill_some(a, m, x.start, n < rest ? n : rest, content + (x.image - image),
			      tried == x.start, to, err) < 0)
			return -err->code;
		tried = x.start;
	}
	return 0;
}

int lazy_memory_zero(struct arena *a, struct lazy_memory *m, uint64_t addr,
		     const struct lazy_events *to, struct err *err)
{
	struct uffdio_zeropage zero = { .range = { addr, PAGE_BYTES } };

	while (!m->gone && ioctl(m->uffd, UFFDIO_ZEROPAGE, &zero) < 0 && errno != EEXIST &&
	       errno != ENOENT) {
		if (judge(a, m, addr, PAGE_BYTES, 0, to, err) < 0)
			return -err->code;
		/* what was told meanwhile may have brought it back */
		if (lazy_piece_at(m, addr))
			return to->fault(to->self, m, addr, err);
	}
	wake(m, addr, PAGE_BYTES);
	return 0;
}
