/* SPDX-License-Identifier: GPL-2.0-only */
/* core/pagemap: what is written is read again, also through chains of parents; what is damaged is refused */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "core/pagemap.h"
#include "images/pagemap.pb-c.h"
#include "unit/tap.h"

enum { ID = 7, PE_PARENT = 1, PE_LAZY = 2, PE_PRESENT = 4 };

static struct arena arena;
static char top[] = "/tmp/pagemap.XXXXXX";

struct entry {
	uint64_t page, nr;
	uint32_t flags;
};

static struct store *dir_open(const char *name)
{
	struct err err = { 0 };
	struct store *s = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	if (store_open_dir(&arena, path, true, &s, &err) < 0) {
		err_print(&err, "pagemap_test");
		exit(1);
	}
	return s;
}

/* An image of entries as they are; each page has its letter, then its number. */
static void write_image(struct store *s, const struct entry *e, size_t n, char letter)
{
	PagemapHead head = PAGEMAP_HEAD__INIT;
	struct image *map, *pages;
	struct err err = { 0 };
	char page[PAGE_BYTES] = { letter };
	int count = 0;

	head.pages_id = 1;
	image_create_now(s, IMAGE_PAGEMAP, ID, &map, &err);
	image_create_now(s, IMAGE_PAGES, 1, &pages, &err);
	image_put(map, &head.base, &err);
	for (size_t i = 0; i < n; i++) {
		PagemapEntry pe = PAGEMAP_ENTRY__INIT;

		pe.vaddr = e[i].page * PAGE_BYTES;
		pe.has_nr_pages = true;
		pe.nr_pages = e[i].nr;
		pe.has_flags = true;
		pe.flags = e[i].flags;
		image_put(map, &pe.base, &err);
		for (uint64_t p = 0; e[i].flags & PE_PRESENT && e[i].nr < 1000 && p < e[i].nr;
		     p++) {
			page[1] = (char)count++;
			image_put_raw(pages, page, sizeof(page), &err);
		}
	}
	image_close(map, &err);
	image_close(pages, &err);
}

static int read_image(struct store *s, pagemap_runs *runs, struct err *err)
{
	struct restore r = { .arena = &arena, .store = s };
	bool found;

	memset(err, 0, sizeof(*err));
	memset(runs, 0, sizeof(*runs));
	return pagemap_read(&r, IMAGE_PAGEMAP, ID, runs, &found, err);
}

/* The first two bytes of the page, "?" if nobody has it. */
static const char *page_at(struct store *s, const pagemap_runs *runs, uint64_t page)
{
	struct restore r = { .arena = &arena, .store = s };
	static char text[3];
	struct pagemap_run *run;
	struct err err = { 0 };

	strcpy(text, "?");
	vec_for_each(run, runs) {
		uint64_t addr = page * PAGE_BYTES;
		int fd;

		if (addr < run->addr || addr >= run->addr + run->len)
			continue;
		fd = pagemap_open_pages(&r, run, &err);
		io_pread(fd, text, 2, (off_t)(run->off + (addr - run->addr)));
		close(fd);
		text[1] = (char)(text[1] + '0');
	}
	return text;
}

static void test_writing(void)
{
	static const struct entry before = { 9, 5, PE_PRESENT };
	char path[256];
	struct dump d = { .arena = &arena, .store = dir_open("written") };
	struct pagemap_out out = { 0 };
	struct err err = { 0 };
	pagemap_runs runs;

	ok(pagemap_out_open(&d, IMAGE_PAGEMAP, ID, &out, &err) == 0, "a pagemap is made");
	pagemap_out_add(&out, 3 * PAGE_BYTES, 2 * PAGE_BYTES, PAGES_PRESENT, 0, &err);
	pagemap_out_add(&out, 5 * PAGE_BYTES, PAGE_BYTES, PAGES_PRESENT, 0, &err);
	pagemap_out_add(&out, 9 * PAGE_BYTES, PAGE_BYTES, PAGES_PRESENT, 0, &err);
	pagemap_out_add(&out, 10 * PAGE_BYTES, 3 * PAGE_BYTES, PAGES_PARENT, 0, &err);
	pagemap_out_add(&out, 13 * PAGE_BYTES, PAGE_BYTES, PAGES_PARENT, 0, &err);
	ok(out.nr_pages == 4 && out.nr_absent == 4, "pages are counted");
	ok(ftruncate(out.fd, 4 * PAGE_BYTES) == 0 && pagemap_out_close(&out, &err) == 0,
	   "and closed");

	write_image(dir_open("before"), &before, 1, 'b');
	snprintf(path, sizeof(path), "%s/written/parent", top);
	symlink("../before", path);
	ok(read_image(d.store, &runs, &err) == 0 && runs.n == 3, "adjacent pieces are one entry");
	ok(runs.items[0].addr == 3 * PAGE_BYTES && runs.items[0].len == 3 * PAGE_BYTES &&
		   runs.items[0].off == 0,
	   "the first is where it was");
	ok(runs.items[1].addr == 9 * PAGE_BYTES && runs.items[1].off == 3 * PAGE_BYTES,
	   "and so is the second");
	ok(runs.items[2].addr == 10 * PAGE_BYTES && runs.items[2].len == 4 * PAGE_BYTES &&
		   runs.items[2].depth == 1 && runs.items[2].off == PAGE_BYTES,
	   "the third is in the parent");
	unlink(path);
	store_close(d.store);
}

static void test_parents(void)
{
	static const struct entry oldest[] = { { 0, 10, PE_PRESENT }, { 20, 5, PE_PRESENT } };
	static const struct entry middle[] = {
		{ 0, 4, PE_PARENT }, { 4, 2, PE_PRESENT }, { 6, 2, PE_PARENT }, { 20, 3, PE_PARENT }
	};
	static const struct entry newest[] = { { 1, 6, PE_PARENT },
					       { 7, 1, PE_PRESENT },
					       { 21, 1, PE_PARENT } };
	struct store *s[3] = { dir_open("oldest"), dir_open("middle"), dir_open("newest") };
	pagemap_runs runs;
	struct err err;
	char path[256];

	write_image(s[0], oldest, 2, 'o');
	write_image(s[1], middle, 4, 'm');
	write_image(s[2], newest, 3, 'n');
	snprintf(path, sizeof(path), "%s/middle/parent", top);
	symlink("../oldest", path);
	snprintf(path, sizeof(path), "%s/newest/parent", top);
	symlink("../middle", path);

	ok(read_image(s[2], &runs, &err) == 0, "a chain of three is read");
	ok(!strcmp(page_at(s[2], &runs, 1), "o1") && !strcmp(page_at(s[2], &runs, 3), "o3"),
	   "pages of the oldest are found there");
	ok(!strcmp(page_at(s[2], &runs, 4), "m0") && !strcmp(page_at(s[2], &runs, 5), "m1"),
	   "pages of the one between too");
	ok(!strcmp(page_at(s[2], &runs, 6), "o6") && !strcmp(page_at(s[2], &runs, 21), "o;"),
	   "ranges may be cut differently");
	ok(!strcmp(page_at(s[2], &runs, 7), "n0"), "its own are its own");
	ok(!strcmp(page_at(s[2], &runs, 0), "?"), "what it does not mention is not there");

	unlink(path);
	ok(read_image(s[2], &runs, &err) < 0 && err.hint[0],
	   "a missing parent is an error with a hint");
	symlink(".", path);
	ok(read_image(s[2], &runs, &err) < 0, "a chain that bites its tail ends");
	unlink(path);
	symlink("../written", path);
	ok(read_image(s[2], &runs, &err) < 0 && strstr(err.what, "parent"),
	   "so does a page that no parent has");
}

static void test_damage(void)
{
	static const struct {
		struct entry e[2];
		const char *name;
	} bad[] = {
		{ { { 5, 2, PE_PRESENT }, { 6, 1, PE_PRESENT } }, "overlapping entries" },
		{ { { 5, 2, PE_PRESENT }, { 3, 1, PE_PRESENT } }, "falling addresses" },
		{ { { 5, 0, PE_PRESENT }, { 7, 1, PE_PRESENT } }, "an entry of no pages" },
		{ { { 5, 1ull << 60, PE_PRESENT }, { 7, 1, PE_PRESENT } },
		  "more pages than there are" },
		{ { { 5, 1, 64 }, { 7, 1, PE_PRESENT } }, "unknown flags" },
		{ { { 5, 1, PE_LAZY }, { 7, 1, PE_PRESENT } }, "pages that were left behind" },
		{ { { 5, 2000, PE_PRESENT }, { 3000, 1, PE_PRESENT } },
		  "a pages file that is too short" },
	};
	struct store *s = dir_open("bad");
	pagemap_runs runs;
	struct err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_image(s, bad[i].e, 2, 'b');
		ok(read_image(s, &runs, &err) < 0 && err.hint[0], "%s: refused, with a hint",
		   bad[i].name);
	}
}

int main(void)
{
	char command[64];

	arena_init(&arena);
	if (!mkdtemp(top))
		return 1;
	test_writing();
	test_parents();
	test_damage();
	snprintf(command, sizeof(command), "rm -rf %s", top);
	if (system(command) != 0)
		return 1;
	arena_fini(&arena);
	return tap_done();
}
