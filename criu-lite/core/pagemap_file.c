/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pagemap (files) - memory that is a file: memfd, shared anonymous, System V
 *
 * Such files have holes, which are found by seeking. Those of huge pages know
 * nothing of holes, of splicing, or of write(); what is zero in them is left out.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/pagemap.h"
#include "core/stats.h"

/* ---- dump ---- */

/* One piece without holes, from @start to @end; pages are saved whole. */
static int save_piece(struct pagemap_out *out, int fd, uint64_t start, uint64_t end,
		      struct err *err)
{
	uint64_t rest = -end % PAGE_BYTES;

	if (pagemap_out_add(out, start, end - start + rest, PAGES_PRESENT, 0, err) < 0)
		return -err->code;
	if (lseek(fd, (off_t)start, SEEK_SET) < 0)
		return err_sys(err, "cannot go to %#" PRIx64 " in shared memory", start);
	if (pagemap_out_copy(out, fd, end - start, err) < 0)
		return err_in(err, "shared memory at %#" PRIx64, start);
	return 0;
}

static int save_pieces(struct pagemap_out *out, int fd, struct err *err)
{
	off_t start = 0, end;

	while ((start = lseek(fd, start, SEEK_DATA)) >= 0) {
		end = lseek(fd, start, SEEK_HOLE);
		if (end < 0)
			return err_sys(err, "cannot look for holes in shared memory");
		if (save_piece(out, fd, (uint64_t)start, (uint64_t)end, err) < 0)
			return -err->code;
		start = end;
	}
	return errno == ENXIO ? 0 : err_sys(err, "cannot look for data in shared memory");
}

static int save_huge_pieces(struct pagemap_out *out, int fd, uint64_t size, struct err *err)
{
	enum { PIECE = 64 * 1024 };
	scoped_ptr char *buf = malloc(PIECE);
	uint64_t at;
	int ret = buf ? 0 : -ENOMEM;

	for (at = 0; ret == 0 && at < size; at += PIECE) {
		ret = io_pread(fd, buf, PIECE, (off_t)at);
		if (ret < 0 || (!buf[0] && memcmp(buf, buf + 1, PIECE - 1) == 0))
			continue;
		if (pagemap_out_add(out, at, PIECE, PAGES_PRESENT, 0, err) < 0 ||
		    pagemap_out_write(out, buf, PIECE, out->nr_pages * PAGE_BYTES - PIECE, err) < 0)
			return -err->code;
	}
	return ret < 0 ? err_set(err, -ret, "cannot save shared huge pages") : 0;
}

static bool is_huge(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC;
}

int pagemap_save_file(struct dump *d, uint32_t id, int fd, struct err *err)
{
	scoped_pagemap_out out = { 0 };
	struct stat st;
	int ret;

	if (d->dry)
		return 0;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "cannot stat shared memory");
	if (pagemap_out_open(d, IMAGE_SHMEM_PAGEMAP, id, &out, err) < 0)
		return -err->code;
	ret = is_huge(fd) ? save_huge_pieces(&out, fd, (uint64_t)st.st_size, err)
			  : save_pieces(&out, fd, err);
	if (ret < 0)
		return ret;
	stats_add(d->stats, STAT_SHPAGES_SCANNED,
		  ((uint64_t)st.st_size + PAGE_BYTES - 1) / PAGE_BYTES);
	stats_add(d->stats, STAT_SHPAGES_WRITTEN, out.nr_pages);
	return pagemap_out_close(&out, err);
}

/* ---- restore ---- */

/* What of @run lies within @size bytes. */
static uint64_t len_within(const struct pagemap_run *run, uint64_t size)
{
	uint64_t rest = run->addr < size ? size - run->addr : 0;

	return run->len < rest ? run->len : rest;
}

/* Be at the pages of @run: *@fd is of the run before, or -1. */
static int go_to(struct restore *r, const struct pagemap_run *before, const struct pagemap_run *run,
		 int *fd, struct err *err)
{
	if (*fd < 0 || before->pages_id != run->pages_id || before->depth != run->depth) {
		if (*fd >= 0)
			close(take_fd(fd));
		*fd = pagemap_open_pages(r, run, err);
		if (*fd < 0)
			return *fd;
	}
	if (lseek(*fd, (off_t)run->off, SEEK_SET) < 0)
		return err_sys(err, "cannot go to %#" PRIx64 " in pages-%u.img", run->off,
			       run->pages_id);
	return 0;
}

int pagemap_fill_memory(struct restore *r, const pagemap_runs *runs, char *memory, uint64_t size,
			struct err *err)
{
	const struct pagemap_run *run;
	scoped_fd pages = -1;
	int ret;

	vec_for_each(run, runs) {
		if (go_to(r, run - 1, run, &pages, err) < 0)
			return -err->code;
		ret = io_read(pages, memory + run->addr, len_within(run, size));
		if (ret < 0)
			return err_set(err, -ret, "cannot fill shared memory at %#" PRIx64,
				       run->addr);
	}
	return 0;
}

static int fill_huge(struct restore *r, const pagemap_runs *runs, int fd, uint64_t size,
		     struct err *err)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int ret;

	if (p == MAP_FAILED)
		return err_sys(err, "cannot map shared huge pages");
	ret = pagemap_fill_memory(r, runs, p, size, err);
	munmap(p, size);
	return ret;
}

int pagemap_fill_file(struct restore *r, const pagemap_runs *runs, int fd, uint64_t size,
		      struct err *err)
{
	const struct pagemap_run *run;
	scoped_fd pages = -1;
	int ret;

	if (size && is_huge(fd))
		return fill_huge(r, runs, fd, size, err);
	vec_for_each(run, runs) {
		if (go_to(r, run - 1, run, &pages, err) < 0)
			return -err->code;
		if (lseek(fd, (off_t)run->addr, SEEK_SET) < 0)
			return err_sys(err, "cannot go to %#" PRIx64 " in shared memory",
				       run->addr);
		ret = io_copy(pages, fd, len_within(run, size));
		if (ret < 0)
			return err_set(err, -ret, "cannot fill shared memory at %#" PRIx64,
				       run->addr);
	}
	return 0;
}
