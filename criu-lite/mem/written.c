/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * written - which pages a task has written since the dump before
 *
 * A userfaultfd of the task's own, made inside of it and fetched from there,
 * protects its pages against writing in asynchronous mode: the kernel notes the
 * first write to a page and lets the task go on, and a scan tells (WP_ASYNC, Linux
 * 6.7). Nobody has to answer anything. From one run to the next a keeper holds the
 * descriptor; when it is closed, by whomever, all is as it was before.
 *
 * What is protected is noted in the page table, so what is mapped anew, moved
 * (mremap), dropped (madvise), executed or forked counts as written, and no note
 * of ours can be wrong about that.  What we note is since when: the run_id of the
 * dump that protected the pages; for any other parent all is saved.
 *
 * Areas that have come since then are not watched before the next dump, and not one
 * with those beside them: mremap() of both at once fails (EFAULT).
 *
 * not kept  private mappings of files are not watched: a page of theirs that was
 *           dropped would still look unwritten
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/inventory.h"
#include "core/keeper.h"
#include "core/task.h"
#include "mem/mem.h"

struct written {
	struct kept kept;
	bool restarted; /* since this run; what kept.run says is over */
	bool spoilt;	/* and not all was saved */
};

/* newer than the headers of Debian 12 */
enum { FEATURE_WP_ASYNC = 1 << 15 };

/* ---- who remembers ---- */

/* A pid and this make a task unique.  A leader that has exited was born all the same. */
static uint64_t birth_of(const struct dump *d, const struct task *t)
{
	struct proc_stat leader;
	struct err ignored;

	if (!t->leader_exited ||
	    proc_read_stat(d->proc, t->host_pid, t->host_pid, &leader, &ignored) < 0)
		return t->stat.start_time;
	return leader.start_time;
}

static struct written *written_new(struct dump *d, const struct task *t)
{
	struct written *w = arena_new(d->arena, struct written);

	w->kept = (struct kept){ .pid = t->host_pid, .start = birth_of(d, t), .uffd = -1 };
	w->kept.pidfd = (int)syscall(SYS_pidfd_open, t->host_pid, 0);
	return w;
}

/* The task may have executed another program: what it wrote was written elsewhere. */
static bool is_for_living_memory(int uffd)
{
	/* nothing is mapped that low */
	struct uffdio_writeprotect nothing = { .range = { PAGE_BYTES, PAGE_BYTES } };

	return ioctl(uffd, UFFDIO_WRITEPROTECT, &nothing) == 0 || errno != ESRCH;
}

void written_take(struct dump *d, struct task *t)
{
	struct written *w;

	if (t->state == TASK_DEAD)
		return;
	w = written_new(d, t);
	if (w->kept.pidfd >= 0 && keeper_take(&w->kept) && is_for_living_memory(w->kept.uffd))
		t->written = w;
	else
		kept_close(&w->kept);
}

static int make_inside(const struct dump *d, struct task *t, struct err *err)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURE_WP_ASYNC };
	struct parasite_uffd p = { 0 };

	if (compel_send_fd(t->victim, d->proc, &p.fd, err) < 0 ||
	    task_call(t, PARASITE_UFFD, &p, sizeof(p), err) < 0)
		return -err->code;
	scoped_fd fd = (int)syscall(SYS_pidfd_getfd, t->pidfd, p.fd, 0);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0)
		return err_sys(err, "cannot have a userfaultfd of task %d", t->host_pid);
	return take_fd(&fd);
}

int written_begin(struct dump *d, struct task *t, struct err *err)
{
	struct written *w;

	if (t->written)
		return 0;
	w = written_new(d, t);
	w->kept.uffd = make_inside(d, t, err);
	if (w->kept.uffd < 0 || w->kept.pidfd < 0) {
		kept_close(&w->kept);
		return err->code ? -err->code : err_sys(err, "cannot open a pidfd");
	}
	t->written = w;
	return 0;
}

/* ---- what is watched ---- */

bool written_can_be(const VmaEntry *e)
{
	return e->status & VMA_ANON_PRIVATE && !(e->flags & MAP_HUGETLB);
}

bool written_can_be_at(const struct proc_vma *v)
{
	static const char *const names[] = { "", "[heap]", "[stack]" };
	size_t i;

	if (v->ino || v->prot[3] != 'p')
		return false;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(v->name, names[i]) == 0)
			return true;
	return strncmp(v->name, "[anon:", 6) == 0;
}

uint64_t written_last(const proc_vma_list *vmas)
{
	const struct proc_vma *v;
	uint64_t end = 0;

	vec_for_each(v, vmas)
		if (written_can_be_at(v))
			end = v->end;
	return end;
}

static bool watch(const struct written *w, uint64_t start, uint64_t end)
{
	struct uffdio_register r = {
		.range = { start, end - start },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	return ioctl(w->kept.uffd, UFFDIO_REGISTER, &r) == 0;
}

/* Areas that were not watched, and have pages. */
struct unwatched {
	struct dump *d;
	const proc_vma_list *vmas;
	size_t at; /* where the scan is among them */
	proc_vma_list found;
	scan_found *then;
	void *data;
};

static int found_unwatched(void *data, uint64_t start, uint64_t end, enum scan_what what,
			   struct err *err)
{
	struct unwatched *u = data;

	while (u->at < u->vmas->n && u->vmas->items[u->at].start < end) {
		const struct proc_vma *v = &u->vmas->items[u->at], *last;

		last = u->found.n ? &u->found.items[u->found.n - 1] : NULL;
		if (v->end > start && written_can_be_at(v) && (!last || last->start != v->start))
			*vec_add(u->d->arena, &u->found) = *v;
		if (v->end > end)
			break;
		u->at++;
	}
	return u->then ? u->then(u->data, start, end, what, err) : 0;
}

/*
 * Pages may have marks from before that mean nothing any more, see scan.c; with one of
 * these a page would be written without being noticed.
 */
static bool clear_marks(const struct written *w, const struct proc_vma *v)
{
	struct uffdio_writeprotect none = { .range = { v->start, v->end - v->start } };

	return ioctl(w->kept.uffd, UFFDIO_WRITEPROTECT, &none) == 0;
}

/* What somebody else's userfaultfd serves, and what may vanish, is not watched: it counts as written. */
static int watch_all(struct dump *d, const struct task *t, const proc_vma_list *vmas,
		     struct err *err)
{
	struct scan s = { .d = d, .t = t, .how = SCAN_AND_PROTECT };
	const struct proc_vma *v;

	vec_for_each(v, vmas) {
		s.start = v->start;
		s.end = v->end;
		if (!watch(t->written, v->start, v->end) || !clear_marks(t->written, v))
			log_debug("memory at %#llx is not watched: %s",
				  (unsigned long long)v->start, strerror(errno));
		else if (scan_pages(&s, err) < 0)
			return -err->code;
	}
	return 0;
}

int written_protect(struct dump *d, struct task *t, scan_found *found, void *data, struct err *err)
{
	proc_vma_list vmas = { 0 };
	struct unwatched u = { .d = d, .vmas = &vmas, .then = found, .data = data };
	struct scan s = { .d = d, .t = t, .how = SCAN_AND_PROTECT, .found = found, .data = data };

	if (proc_read_maps(d->proc, t->host_alive, d->arena, &vmas, err) < 0)
		return -err->code;
	t->written->restarted = true;
	s.end = written_last(&vmas);
	if (scan_pages(&s, err) < 0)
		return -err->code;
	s.how = SCAN_UNWATCHED;
	s.found = found_unwatched;
	s.data = &u;
	if (scan_pages(&s, err) < 0)
		return -err->code;
	return watch_all(d, t, &u.found, err);
}

/* The kernel has one userfaultfd for an area: for another one than ours this is an error. */
bool written_is_ours(const struct task *t, uint64_t start, uint64_t end)
{
	return t->written && watch(t->written, start, end);
}

bool written_is_since_parent(const struct dump *d, const struct task *t)
{
	if (!d->parent)
		return false;
	if (t->written && d->parent_run && strcmp(t->written->kept.run, d->parent_run) == 0)
		return true;
	log_info("All memory of task %d is saved: nobody knows what it has written since the "
		 "parent dump",
		 t->host_pid);
	return false;
}

void written_spoil(struct task *t)
{
	if (t->written)
		t->written->spoilt = true;
}

/* ---- the end ---- */

/* A dump that failed has changed nothing; one that was the last wants nothing any more. */
static bool goes_on(struct dump *d, struct written *w, bool ok)
{
	if (!w->restarted)
		return !ok;
	if (!ok || w->spoilt)
		return false;
	strncpy(w->kept.run, inventory_run_id(d), sizeof(w->kept.run) - 1);
	return true;
}

void written_end(struct dump *d, bool ok)
{
	vec(struct kept) left = { 0 };
	struct err err = { 0 };
	struct task *t;

	for_each_task(t, d->tree) {
		struct written *w = t->written;

		if (!w)
			continue;
		if (goes_on(d, w, ok))
			*vec_add(d->arena, &left) = w->kept;
		else
			kept_close(&w->kept);
		t->written = NULL;
	}
	if (left.n && keeper_leave(left.items, left.n, &err) < 0)
		log_warn("%s: %s", err.what, err.why);
}
