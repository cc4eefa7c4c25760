/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel_memory - probes: memory
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/kernel_probes.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { PAGE = 4096 };

static void *map_page(void)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* ---- pagemap ---- */

/* struct pm_scan_arg, which headers of Debian 12 do not have */
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)

enum { SCAN_IS_WRITTEN = 1 << 1, SCAN_IS_PRESENT = 1 << 3, SCAN_IS_GUARD = 1 << 8 };

/* An unknown category is refused. */
static bool can_scan(uint64_t category)
{
	uint64_t region[3];
	struct scan_arg arg = { .size = sizeof(arg),
				.vec = (uintptr_t)region,
				.vec_len = 1,
				.category_mask = category,
				.return_mask = category };
	void *p = map_page();
	bool can;

	scoped_fd fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !p)
		return false;
	arg.start = (uintptr_t)p;
	arg.end = arg.start + PAGE;
	can = ioctl(fd, SCAN_IOCTL, &arg) >= 0;
	munmap(p, PAGE);
	return can;
}

bool probe_pagemap_scan(void)
{
	return can_scan(SCAN_IS_PRESENT);
}

bool probe_pagemap_scan_guard(void)
{
	return can_scan(SCAN_IS_GUARD);
}

/* ---- userfaultfd ---- */

/* With USER_MODE_ONLY it is for anybody to have. */
enum { USER_MODE_ONLY = 1, WP_ASYNC = 1 << 15 };

static bool has_uffd(int flags, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API };
	scoped_fd fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | flags);

	return fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 && (api.features & features) == features;
}

bool probe_uffd(void)
{
	return has_uffd(0, 0);
}

bool probe_uffd_noncoop(void)
{
	return has_uffd(0, UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
				   UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP);
}

bool probe_written(void)
{
	return can_scan(SCAN_IS_WRITTEN) && has_uffd(USER_MODE_ONLY, WP_ASYNC);
}

/* ---- the rest ---- */

bool probe_populate(void)
{
	void *p = map_page();
	bool has;

	if (!p)
		return false;
	has = madvise(p, PAGE, MADV_POPULATE_WRITE) == 0;
	munmap(p, PAGE);
	return has;
}

/* Only some CPUs have the call; there is a vdso already, which is the error wanted. */
bool probe_map_vdso(void)
{
#ifdef SYS_arch_prctl
	enum { MAP_VDSO_64 = 0x2003 };

	return syscall(SYS_arch_prctl, MAP_VDSO_64, 0) < 0 && errno == EEXIST;
#else
	return false;
#endif
}

/* The address of the ring is the name of the context, and must follow it. */
bool probe_aio_remap(void)
{
	const size_t ring_size = 2 * PAGE;
	aio_context_t ctx = 0;
	char *to, *ring;

	if (syscall(SYS_io_setup, 1, &ctx) < 0)
		return false;
	to = mmap(NULL, ring_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ring = mremap((void *)ctx, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (ring == MAP_FAILED) {
		syscall(SYS_io_destroy, ctx);
		return false;
	}
	return syscall(SYS_io_destroy, (aio_context_t)ring) == 0;
}
