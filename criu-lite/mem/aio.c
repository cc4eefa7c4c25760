/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * aio - rings of asynchronous I/O (io_setup)
 *
 * A ring is a mapping of a file of the kernel's, and its address is the name of
 * the context.
 *
 * settle    what the task has asked for goes on without it and ends in its ring;
 *           that is waited for, until no ring has changed for a while
 * collect   vma.c notes the area as private memory with a mark, as CRIU has it
 * drain     the area is saved whole (pages.c), with events that nobody has fetched
 * map       memory is filled as any other; pie/aio.c makes a new ring of it
 *
 * not kept  a request that takes longer than that while: one that polls
 *           (IOCB_CMD_POLL). Nobody can see it
 * refused   rings that are mapped in part, or by a child of their owner
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "mem/mem.h"

enum {
	QUIET_MS = 10,
	MOST_MS = 10000,
	EVENT_BYTES = 32,
	RING_MAGIC = 0xa10a10a1 - (1ll << 32), /* as an int */
};

/* Ahead of the events; from here on the kernel trusts only what it has itself. */
struct aio_ring {
	uint32_t id, nr, head, tail, magic, compat, incompat, header_length;
};

struct ring_seen {
	uint64_t at;
	uint32_t tail;
};
typedef vec(struct ring_seen) rings_seen;

bool vma_is_ring(const char *name, bool deleted)
{
	return deleted && strncmp(name, "/[aio]", 6) == 0;
}

/* ---- settle ---- */

static bool anybody_has_rings(const struct dump *d)
{
	char text[32] = "";

	scoped_fd fd = openat(d->proc, "sys/fs/aio-nr", O_RDONLY | O_CLOEXEC);
	return fd < 0 || read(fd, text, sizeof(text) - 1) < 0 || strcmp(text, "0\n") != 0;
}

static int find_rings(struct dump *d, const struct task *t, rings_seen *ret, struct err *err)
{
	proc_vma_list list = { 0 };
	const struct proc_vma *v;

	if (proc_read_maps(d->proc, t->host_alive, d->arena, &list, err) < 0)
		return -err->code;
	vec_for_each(v, &list)
		if (vma_is_ring(v->name, v->deleted))
			vec_add(d->arena, ret)->at = v->start;
	return 0;
}

static bool has_moved(const struct task *t, rings_seen *rings)
{
	struct ring_seen *seen;
	struct aio_ring ring;
	bool moved = false;

	vec_for_each(seen, rings) {
		if (io_pread(t->victim->mem, &ring, sizeof(ring), (off_t)seen->at) < 0)
			continue;
		moved = moved || ring.tail != seen->tail;
		seen->tail = ring.tail;
	}
	return moved;
}

int aio_settle(struct dump *d, struct task *t, struct err *err)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	rings_seen rings = { 0 };
	int quiet = 0, waited;

	if (t->state == TASK_DEAD || !anybody_has_rings(d))
		return 0;
	if (find_rings(d, t, &rings, err) < 0)
		return -err->code;
	for (waited = 0; rings.n && quiet < QUIET_MS && waited < MOST_MS; waited++) {
		quiet = has_moved(t, &rings) ? 0 : quiet + 1;
		nanosleep(&ms, NULL);
	}
	if (waited < MOST_MS)
		return 0;
	err_set(err, EBUSY, "cannot dump task %d: its asynchronous I/O does not come to an end",
		t->host_pid);
	return err_hint(err, "try again when it has less to do");
}

/* ---- drain ---- */

static int refuse(const struct task *t, const VmaEntry *e, const char *why, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump the AIO ring at %" PRIx64 " of task %d", e->start,
		t->host_pid);
	err_why(err, "%s", why);
	return err_hint(err, "unmap it in the program before the dump");
}

/* Only whose ring it is can ask for no events at all. */
static int check_owner(const struct task *t, const VmaEntry *e, struct err *err)
{
	const unsigned long args[6] = { e->start };
	long ret;

	if (compel_syscall(t->victim, t->threads[0].victim, SYS_io_getevents, args, &ret, err) < 0)
		return -err->code;
	return ret < 0 ? refuse(t, e, "it is that of its parent", err) : 0;
}

/* The smallest number that io_setup() makes a ring of that many bytes of. */
static uint32_t requests_of(uint64_t len)
{
	uint64_t pages = len / PAGE_BYTES, events = PAGE_BYTES / EVENT_BYTES;

	return pages > 1 ? (uint32_t)((pages - 1) * events / 2 - 1) : 1;
}

static int note_ring(struct dump *d, const struct task *t, const VmaEntry *e, struct err *err)
{
	uint64_t len = e->end - e->start;
	MmEntry *mm = t->mm;
	AioRingEntry *aio = record_new(d, aio_ring_entry);
	struct aio_ring ring;

	if (io_pread(t->victim->mem, &ring, sizeof(ring), (off_t)e->start) < 0)
		return refuse(t, e, "it cannot be read", err);
	if (e->pgoff || ring.magic != (uint32_t)RING_MAGIC ||
	    ring.nr != (len - sizeof(ring)) / EVENT_BYTES || ring.head >= ring.nr ||
	    ring.tail >= ring.nr)
		return refuse(t, e, "it is not whole", err);
	if (check_owner(t, e, err) < 0)
		return -err->code;
	aio->id = e->start;
	aio->nr_req = requests_of(len);
	aio->ring_len = (uint32_t)len;
	mm->aios[mm->n_aios++] = aio;
	log_debug("AIO ring at %" PRIx64 ": %u events, from %u to %u", e->start, ring.nr, ring.head,
		  ring.tail);
	return 0;
}

int aio_drain(struct dump *d, struct task *t, struct err *err)
{
	MmEntry *mm = t->mm;
	size_t i, n = 0;

	for (i = 0; i < mm->n_vmas; i++)
		n += (mm->vmas[i]->status & VMA_AIORING) != 0;
	mm->aios = n ? arena_array(d->arena, AioRingEntry *, n) : NULL;
	for (i = 0; n && i < mm->n_vmas; i++)
		if (mm->vmas[i]->status & VMA_AIORING && note_ring(d, t, mm->vmas[i], err) < 0)
			return -err->code;
	return 0;
}

/* ---- restore ---- */

uint32_t aio_requests(const MmEntry *mm, const VmaEntry *e)
{
	size_t i;

	for (i = 0; e->status & VMA_AIORING && i < mm->n_aios; i++)
		if (mm->aios[i]->id == e->start && mm->aios[i]->ring_len == e->end - e->start)
			return mm->aios[i]->nr_req;
	return 0;
}

int aio_check(const struct task *t, struct err *err)
{
	const MmEntry *mm = t->mm;
	size_t i, n = 0;

	for (i = 0; i < mm->n_vmas; i++)
		n += aio_requests(mm, mm->vmas[i]) > 0;
	if (n == mm->n_aios)
		return 0;
	err_set(err, EBADMSG, "cannot restore the AIO rings of task %d: %zu of %zu are mapped",
		t->pid, n, mm->n_aios);
	return err_hint(err, "see whether mm-%d.img is damaged", t->pid);
}
