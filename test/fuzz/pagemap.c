/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * the reader of pagemaps: the input is the entries of one, or, behind a byte 'p',
 * of one and of that of its parent, each behind a length of two bytes
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "core/pagemap.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ID = 7, PAGES_BYTES = 64 * PAGE_BYTES };

static const uint8_t magics[] = { 0x19, 0x43, 0x56, 0x54, 0x25, 0x40, 0x08, 0x56 };
static char place[] = "/tmp/criu-lite-fuzz.XXXXXX";
static int dir = -1;

static void forget_place(void)
{
	static const char *const names[] = { "pagemap-7.img", "pages-1.img", "parent/pagemap-7.img",
					     "parent/pages-1.img" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(dir, names[i], 0);
	unlinkat(dir, "parent", AT_REMOVEDIR);
	rmdir(place);
}

static void put_file(const char *name, const uint8_t *p, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || (p && write(fd, magics, sizeof(magics)) != sizeof(magics)) ||
	    (p ? write(fd, p, len) != (ssize_t)len : ftruncate(fd, (off_t)len) < 0))
		abort();
	close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (!mkdtemp(place) || (dir = open(place, O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    mkdirat(dir, "parent", 0700) < 0)
		abort();
	put_file("pages-1.img", NULL, PAGES_BYTES);
	put_file("parent/pages-1.img", NULL, PAGES_BYTES);
	atexit(forget_place);
	log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_NONE);
	return 0;
}

static void put_images(const uint8_t *data, size_t size)
{
	static const uint8_t nothing[1];
	size_t len;

	unlinkat(dir, "parent/pagemap-7.img", 0);
	if (size < 3 || data[0] != 'p') {
		put_file("pagemap-7.img", size ? data : nothing, size);
		return;
	}
	len = (data[1] | (size_t)data[2] << 8) % (size - 2);
	put_file("pagemap-7.img", data + 3, len);
	put_file("parent/pagemap-7.img", data + 3 + len, size - 3 - len);
}

/* What the header promises: order, alignment, and pages that are there. */
static void check(const pagemap_runs *runs)
{
	const struct pagemap_run *run;
	uint64_t last = 0;

	vec_for_each(run, runs) {
		if (run->addr < last || run->addr % PAGE_BYTES || !run->len ||
		    run->len % PAGE_BYTES || run->addr + run->len < run->addr || run->depth > 1)
			abort();
		if (run->off > PAGES_BYTES || run->len > PAGES_BYTES - run->off)
			abort();
		last = run->addr + run->len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct restore r = { .arena = &arena, .proc = -1, .coordinator = -1 };
	pagemap_runs runs = { 0 };
	struct err err = { 0 };
	bool found = false;
	int ret;

	put_images(data, size);
	arena_init(&arena);
	if (store_open_dirfd(&arena, fcntl(dir, F_DUPFD_CLOEXEC, 3), &r.store, &err) < 0)
		abort();
	ret = pagemap_read(&r, IMAGE_PAGEMAP, ID, &runs, &found, &err);
	if ((ret < 0) != (err.code != 0) || (ret >= 0 && !found))
		abort();
	if (ret >= 0)
		check(&runs);
	store_close(r.store);
	arena_fini(&arena);
	return 0;
}
