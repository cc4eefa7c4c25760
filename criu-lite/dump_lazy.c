/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dump (lazy) - memory that is sent when the restored tree needs it
 */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/page_link.h"
#include "core/pagemap.h"
#include "core/script.h"
#include "core/task.h"
#include "dump_lazy.h"
#include "notify.h"
#include "page_serve.h"

/* The piece of @pid's memory that has @addr, or NULL. */
static const struct task_memory *memory_at(const struct dump *d, uint64_t pid, uint64_t addr,
					   const struct task **task_ret)
{
	const struct task *t = pid <= INT32_MAX ? task_by_pid(d->tree, (pid_t)pid) : NULL;
	size_t low = 0, high = t ? t->left.n : 0;

	*task_ret = t;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct task_memory *m = &t->left.items[mid];

		if (addr >= m->end)
			low = mid + 1;
		else if (addr < m->start)
			high = mid;
		else
			return m;
	}
	return NULL;
}

static int find(void *self, uint64_t pid, uint64_t addr, uint64_t max, uint64_t *n_ret,
		struct err *err)
{
	const struct task *t;
	const struct task_memory *m = memory_at(self, pid, addr, &t);
	uint64_t n = m ? (m->end - addr) / PAGE_BYTES : 0;

	if (n && max) {
		*n_ret = n < max ? n : max;
		return 0;
	}
	err_set(err, ENOENT, "cannot find the page at %" PRIx64 " of task %" PRIu64, addr, pid);
	err_why(err, "no such page was left here");
	return err_hint(err, "are the images there those of this dump?");
}

static int read_memory(void *self, uint64_t pid, uint64_t addr, void *buf, size_t len,
		       struct err *err)
{
	const struct task *t;
	int ret;

	memory_at(self, pid, addr, &t);
	ret = io_pread(t->victim->mem, buf, len, (off_t)addr);
	return ret < 0 ? err_set(err, -ret, "cannot read the memory of task %d", t->host_pid) : 0;
}

static int announce(const struct common_opts *o, int images, struct err *err)
{
	if (script_run(o, "status-ready", images, 0, err) < 0)
		return -err->code;
	return o->status_fd >= 0 ? notify_ready(o->status_fd, err) : 0;
}

static int serve(struct dump *d, struct page_served *served, struct err *err)
{
	const struct page_source source = { .self = d, .find = find, .read = read_memory };
	const struct common_opts *o = &d->opts->common;
	scoped_page_link *l = NULL;
	scoped_fd sock = -1;
	unsigned int port = 0;

	if (o->remote.socket < 0 && (sock = page_link_listen(&o->remote, &port, err)) < 0)
		return -err->code;
	log_info("The memory of the tree waits at port %u", port);
	if (announce(o, store_dirfd(d->store), err) < 0 ||
	    page_link_accept(d->arena, &o->remote, take_fd(&sock), &l, err) < 0 ||
	    page_serve(d->arena, l, &source, served, err) < 0)
		return -err->code;
	page_link_close(take_ptr(l), true);
	return 0;
}

int dump_lazy_serve(struct dump *d, struct err *err)
{
	struct page_served served = { 0 };

	if (serve(d, &served, err) == 0)
		return 0;
	if (!served.asked)
		return err_hint(err, "the tree still runs; dump it again");
	d->stays_stopped = true;
	err->hint[0] = '\0';
	return err_hint(err,
			"it may run at the other side already, so it stays stopped here: send "
			"SIGKILL to all its %u processes, or SIGCONT if it does not run there",
			d->tree->nr_alive);
}
