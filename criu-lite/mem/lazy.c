/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lazy - memory that comes when it is needed (post-copy)
 *
 * dump      pages that may come later are told from others (PAGES_LAZY); with
 *           --lazy-pages only these flags are written, and the pages are sent when
 *           they are asked for (dump_lazy.c)
 * read      they are left out of what is filled
 * map       the task makes a userfaultfd, which is closed with all else of ours
 * after     we register its areas, and hand the descriptor to the lazy-pages daemon
 *           (lazy_pages.c), who fills them from then on
 *
 * not kept  that tasks share such pages since a fork: each gets its own
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/lazy_socket.h"
#include "core/privileged.h"
#include "mem/mem.h"

/* linux/userfaultfd.h, newer than the headers of Debian 12 */
#define USERFAULTFD_NEW _IO(0xAA, 0x00)

struct lazy {
	int daemon;
	int device; /* /dev/userfaultfd, for tasks that may not make one by the call; -1: not there */
	int32_t *fds; /* shared: the number of each in its task, by task->index */
};

bool lazy_can_be(const VmaEntry *e)
{
	return e->status & VMA_ANON_PRIVATE &&
	       !(e->status & (VMA_VDSO | VMA_VVAR | VMA_VSYSCALL | VMA_AIORING | VMA_GUARD)) &&
	       e->flags & MAP_PRIVATE && !(e->flags & (MAP_LOCKED | MAP_HUGETLB)) &&
	       /* a child finds it empty, and would be given what we had */
	       !(e->has_madv && e->madv & 1ull << MADV_WIPEONFORK);
}

/* ---- the daemon ---- */

static int connect_daemon(struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = LAZY_SOCKET };
	scoped_fd sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sock >= 0 && connect(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return take_fd(&sock);
	err_sys(err, "cannot connect to " LAZY_SOCKET);
	return err_hint(err, "start criu-lite lazy-pages first, with the same -W, or -D");
}

int lazy_read_begin(struct restore *r, struct err *err)
{
	struct mem_state *s = kind_state(r->kinds, &mm_kind);
	struct lazy *l;

	if (!r->opts->common.lazy_pages || r->opts->dry_run)
		return 0;
	if (!kernel_has(r->kernel, KERNEL_UFFD_NONCOOP)) {
		err_set(err, EOPNOTSUPP, "cannot restore with --lazy-pages");
		err_why(err, "this kernel does not tell what becomes of lazy memory");
		return err_hint(err,
				"leave out --lazy-pages; see criu-lite check --feature lazy_pages");
	}
	s->lazy = l = arena_new(r->arena, struct lazy);
	l->daemon = connect_daemon(err);
	if (l->daemon < 0)
		return -err->code;
	l->device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	l->fds = restore_shared_array(r, int32_t, r->tree->nr_tasks);
	return 0;
}

static struct lazy *lazy_of(struct restore *r)
{
	struct mem_state *s = kind_state(r->kinds, &mm_kind);

	return s->lazy;
}

/* ---- which pages ---- */

/* What of @run may come later goes to m->lazy, the rest to @now. */
static int split_run(struct restore *r, const struct task *t, struct mem_task *m,
		     const struct pagemap_run *run, size_t *vma, pagemap_runs *now, struct err *err)
{
	const MmEntry *mm = t->mm;
	uint64_t at = run->addr, end = run->addr + run->len;

	while (at < end) {
		const VmaEntry *e;
		uint64_t stop;

		while (mm->vmas[*vma]->end <= at || !(mm->vmas[*vma]->status & VMA_REGULAR))
			(*vma)++;
		e = mm->vmas[*vma];
		stop = end < e->end ? end : e->end;
		if (run->flags & PAGES_LAZY && lazy_can_be(e)) {
			*vec_add(r->arena, &m->lazy) = (struct vma_range){ at, stop };
		} else if (run->flags == PAGES_LAZY) {
			err_set(err, EBADMSG, "cannot restore the page at %" PRIx64, at);
			err_why(err, "it was left at the source, and cannot come later");
			return err_hint(err, "make the dump again");
		} else {
			struct pagemap_run *part = vec_add(r->arena, now);

			*part = *run;
			part->addr = at;
			part->len = stop - at;
			part->off += at - run->addr;
			part->from = run->from ? run->from + (at - run->addr) : 0;
		}
		at = stop;
	}
	return 0;
}

int lazy_read(struct restore *r, const struct task *t, struct mem_task *m, struct err *err)
{
	const struct pagemap_run *run;
	pagemap_runs now = { 0 };
	size_t vma = 0;

	if (!r->opts->common.lazy_pages)
		return 0;
	vec_for_each(run, &m->pages)
		if (split_run(r, t, m, run, &vma, &now, err) < 0)
			return -err->code;
	m->pages = now;
	return 0;
}

/* ---- descriptors ---- */

/* The device does what the call does, also for those who are not root of the machine. */
static int make_uffd(struct restore *r, const struct lazy *l, struct err *err)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	scoped_fd device = -1;

	if (fd >= 0 || errno != EPERM || l->device < 0)
		return fd < 0 ? err_sys(err, "cannot make a userfaultfd") : fd;
	device = restore_borrow_fd(r, l->device, err);
	if (device < 0)
		return device;
	fd = ioctl(device, USERFAULTFD_NEW, O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? err_sys(err, "cannot make a userfaultfd") : fd;
}

int lazy_map(struct restore *r, const struct task *t, struct err *err)
{
	struct lazy *l = lazy_of(r);

	if (!l)
		return 0;
	/* left open: the restorer closes it */
	l->fds[t->index] = make_uffd(r, l, err);
	return l->fds[t->index] < 0 ? -err->code : 0;
}

static int register_areas(const struct task *t, const struct mem_task *m, int uffd, struct err *err)
{
	const struct vma_range *x = m->lazy.items, *end = x + m->lazy.n;
	size_t i;

	for (i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *e = t->mm->vmas[i];
		struct uffdio_register reg = { .range = { e->start, e->end - e->start },
					       .mode = UFFDIO_REGISTER_MODE_MISSING };

		while (x < end && x->end <= e->start)
			x++;
		if (x == end || x->start >= e->end || !(e->status & VMA_REGULAR))
			continue;
		if (ioctl(uffd, UFFDIO_REGISTER, &reg) < 0)
			return err_sys(err, "cannot make the area at %" PRIx64 " lazy", e->start);
	}
	return 0;
}

static int send_task(int sock, int pid, int uffd, int pidfd, struct err *err)
{
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (char[1]){ 0 }, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), (int[]){ uffd, pidfd }, 2 * sizeof(int));
	if (io_write(sock, &pid, sizeof(pid)) < 0 || sendmsg(sock, &msg, MSG_NOSIGNAL) != 1)
		return err_sys(err, "cannot hand memory over to the lazy-pages daemon");
	return 0;
}

static int hand_over(struct restore *r, const struct lazy *l, const struct task *t, struct err *err)
{
	/* without all of them nobody knows what is still missing */
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
					      UFFD_FEATURE_EVENT_REMOVE |
					      UFFD_FEATURE_EVENT_UNMAP };
	scoped_fd pidfd = (int)syscall(SYS_pidfd_open, t->host_pid, 0);
	scoped_fd uffd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, l->fds[t->index], 0);

	if (uffd < 0)
		return err_sys(err, "cannot take the userfaultfd of the task");
	if (privileged_ioctl(r, uffd, UFFDIO_API, &api, sizeof(api)) < 0)
		return err_sys(err, "cannot use a userfaultfd");
	if (register_areas(t, mem_of(r, t), uffd, err) < 0)
		return -err->code;
	return send_task(l->daemon, t->pid, uffd, pidfd, err);
}

int lazy_after(struct restore *r, struct err *err)
{
	struct lazy *l = lazy_of(r);
	struct task *t;
	int dead, ret;

	if (!l)
		return 0;
	for_each_task(t, r->tree) {
		if (t->state != TASK_DEAD && hand_over(r, l, t, err) < 0)
			return err_in(err, "task %d", t->pid);
		dead = -t->pid;
		ret = t->state == TASK_DEAD ? io_write(l->daemon, &dead, sizeof(dead)) : 0;
		if (ret < 0)
			return err_set(err, -ret,
				       "cannot hand memory over to the lazy-pages daemon");
	}
	return 0;
}

/* Nobody but the daemon says anything, and only by going away. */
int lazy_resume(struct restore *r, struct task *t, struct err *err)
{
	const struct lazy *l = lazy_of(r);
	struct pollfd p = { .fd = l ? l->daemon : -1, .events = POLLIN };

	if (t != r->tree->root || poll(&p, 1, 0) <= 0)
		return 0;
	err_set(err, EPIPE, "cannot go on without the lazy-pages daemon");
	err_why(err, "it has ended");
	return err_hint(err, "see its log");
}

void lazy_end(struct restore *r, bool ok)
{
	struct lazy *l = lazy_of(r);

	if (!l)
		return;
	if (ok && io_write(l->daemon, &LAZY_FINISHED, sizeof(LAZY_FINISHED)) < 0)
		log_warn("the lazy-pages daemon has ended");
	close(l->daemon);
	if (l->device >= 0)
		close(l->device);
}
