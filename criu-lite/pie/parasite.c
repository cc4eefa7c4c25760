/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parasite - answers the requests of drain from inside a victim
 *
 * One function per command; compel's entry.c calls pie_command() for each.
 */
#include <asm/unistd.h>

#include "pie/abi.h"
#include "sys.h"

long pie_command(uint32_t cmd, void *args);
long parasite_task(struct parasite_task *p);
long parasite_thread(struct parasite_thread *p);
long parasite_timers(struct parasite_timers *p);
long parasite_stop_seen(struct parasite_stop *p);
long parasite_look(struct parasite_look *l);

enum {
	EINTR_ = 4,
	EFAULT_ = 14,
	ENOSYS_ = 38,
	IOV_MAX_ = 1024,
	O_NONBLOCK_ = 04000,
	O_CLOEXEC_ = 02000000,
	UFFD_USER_MODE_ONLY_ = 1,
};

/*
 * Move @iov forward by @len bytes that are done; returns how many pieces are
 * done with.
 */
static uint32_t iov_advance(struct parasite_iov *iov, uint64_t len)
{
	uint32_t n = 0;

	while (len && len >= iov[n].len)
		len -= iov[n++].len;
	if (len) {
		iov[n].base += len;
		iov[n].len -= len;
	}
	return n;
}

static long write_some(const struct parasite_write *w, uint32_t i, uint32_t n, uint64_t done)
{
	if (w->offset == PARASITE_PIPE)
		return sys4(__NR_vmsplice, w->fd, (long)&w->iov[i], n, 0);
	return sys5(__NR_pwritev, w->fd, (long)&w->iov[i], n, (long)(w->offset + done), 0);
}

static long write_pages(struct parasite_write *w)
{
	uint32_t i = 0;
	uint64_t done = 0;

	while (i < w->n) {
		uint32_t n = w->n - i < IOV_MAX_ ? w->n - i : IOV_MAX_;
		long ret = write_some(w, i, n, done);

		if (ret == -EINTR_)
			continue;
		if (ret == -EFAULT_ || ret == 0)
			break;
		if (ret < 0)
			return ret;
		i += iov_advance(&w->iov[i], (uint64_t)ret);
		done += (uint64_t)ret;
	}
	return (long)done;
}

/*
 * It takes the place of a descriptor that is closed in any case when we leave,
 * so that whoever dies in the middle leaves nothing behind.
 */
static long make_uffd(const struct parasite_uffd *p)
{
	long ret, fd = sys1(__NR_userfaultfd, O_CLOEXEC_ | O_NONBLOCK_ | UFFD_USER_MODE_ONLY_);

	if (fd < 0)
		return fd;
	ret = sys3(__NR_dup3, fd, p->fd, O_CLOEXEC_);
	sys1(__NR_close, fd);
	return ret < 0 ? ret : 0;
}

long pie_command(uint32_t cmd, void *args)
{
	switch (cmd) {
	case PARASITE_TASK:
		return parasite_task(args);
	case PARASITE_THREAD:
		return parasite_thread(args);
	case PARASITE_TIMERS:
		return parasite_timers(args);
	case PARASITE_STOP_SEEN:
		return parasite_stop_seen(args);
	case PARASITE_POLICIES:
		return parasite_policies(args);
	case PARASITE_POLICY:
		return parasite_policy(args);
	case PARASITE_UFFD:
		return make_uffd(args);
	case PARASITE_LOOK:
		return parasite_look(args);
	case PARASITE_WRITE_PAGES:
		return write_pages(args);
	}
	return -ENOSYS_;
}
