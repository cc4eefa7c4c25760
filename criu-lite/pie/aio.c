/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * aio - a ring of asynchronous I/O from what the image has of it
 *
 * The kernel keeps for itself where the next event goes, so a new ring is turned
 * to the old place by requests that end at once: first to where the program
 * reads next, which then counts as read, and then over the events it has not
 * read yet. They are overwritten by the true ones.
 */
#include <asm/unistd.h>
#include <linux/aio_abi.h>

#include "pie/restorer.h"
#include "sys.h"

enum {
	EAGAIN_ = 11,
	EINVAL_ = 22,
	EBADMSG_ = 74,
	MREMAP_MAYMOVE_ = 1,
	MREMAP_FIXED_ = 2,
	AT_ONCE = 32,
};

struct ring {
	uint32_t id, nr, head, tail, magic, compat, incompat, header_length;
};

/*
 * A read of nothing from an eventfd fails, which is an end as good as any. The
 * kernel hands out places in batches for each CPU: when there are none left for
 * ours, those that hold what we made count as read.
 */
static void turn(struct restorer_args *args, struct ring *ring, long fd, uint64_t n)
{
	aio_context_t ctx = (uintptr_t)ring;
	struct iocb cb, *list[AT_ONCE];

	memset(&cb, 0, sizeof(cb));
	cb.aio_fildes = (uint32_t)fd;
	cb.aio_lio_opcode = IOCB_CMD_PREAD;
	for (int i = 0; i < AT_ONCE; i++)
		list[i] = &cb;
	while (n) {
		long done = sys3(__NR_io_submit, (long)ctx, (long)(n < AT_ONCE ? n : AT_ONCE),
				 (long)list);

		if (done == -EAGAIN_ && ring->head != ring->tail) {
			ring->head = ring->tail;
			continue;
		}
		n -= (uint64_t)restorer_check(args, done, RST_AIO, ctx);
	}
}

static void turn_ring(struct restorer_args *args, struct ring *to, const struct ring *from)
{
	uint64_t unread = ((uint64_t)from->tail + from->nr - from->head) % from->nr;
	long fd = restorer_check(args, sys2(__NR_eventfd2, 0, 0), RST_AIO, 0);

	turn(args, to, fd, from->head);
	to->head = from->head;
	turn(args, to, fd, unread);
	sys1(__NR_close, fd);
}

void restore_ring(struct restorer_args *args, const struct restorer_vma *v)
{
	struct ring *from = (struct ring *)v->start, *to;
	aio_context_t ctx = 0;

	restorer_check(args, sys2(__NR_io_setup, v->aio, (long)&ctx), RST_AIO, v->start);
	to = (struct ring *)ctx;
	if (to->nr != from->nr || sizeof(*to) + to->nr * sizeof(struct io_event) != v->len)
		restorer_fail(args, RST_AIO, -EINVAL_, v->start);
	if (from->head >= from->nr || from->tail >= from->nr)
		restorer_fail(args, RST_AIO, -EBADMSG_, v->start);
	turn_ring(args, to, from);

	from->id = to->id; /* the kernel finds it by that, too */
	memcpy(to, from, v->len);
	restorer_check(args,
		       sys5(__NR_mremap, (long)ctx, (long)v->len, (long)v->len,
			    MREMAP_MAYMOVE_ | MREMAP_FIXED_, (long)v->start),
		       RST_AIO, v->start);
}
