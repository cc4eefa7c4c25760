/* SPDX-License-Identifier: GPL-2.0-only */
/* images/stream: what is packed is unpacked again; any byte that was changed, and any that is missing, is found */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "images/stream.h"
#include "unit/tap.h"

enum { PAGES = 3 * 1024 * 1024 + 12345, SMALL = 500 };

static char pages[2][PAGES], small[SMALL];

static void fill(void)
{
	unsigned int x = 7;

	for (size_t i = 0; i < PAGES; i++) {
		x = x * 1103515245 + 12345;
		/* one that can be packed, one that cannot */
		pages[0][i] = (char)(i / 100);
		pages[1][i] = (char)(x >> 16);
	}
	memset(small, 'i', sizeof(small));
}

static bool put(struct store *s, const char *name, const void *text, size_t len)
{
	struct err err = { 0 };
	scoped_fd fd = store_create_file(s, name, &err);

	return fd >= 0 && io_write(fd, text, len) == 0;
}

/* Two files of pages grow together. */
static bool put_pages(struct store *s, size_t len)
{
	struct err err = { 0 };
	scoped_fd a = store_create_file(s, "pages-1.img", &err);
	scoped_fd b = store_create_file(s, "pages-2.img", &err);
	size_t at, n;

	for (at = 0; at < len; at += n) {
		n = len - at < 70001 ? len - at : 70001;
		if (io_write(a, pages[0] + at, n) < 0 || io_write(b, pages[1] + at, n) < 0)
			return false;
	}
	return true;
}

/* Into memory; without @finish it is given up. */
static int pack(const struct stream_codec *codec, size_t len, bool finish)
{
	int out = memfd_create("stream", MFD_CLOEXEC);
	struct err err = { 0 };
	struct arena arena;
	struct store *s;
	bool gone, good;

	arena_init(&arena);
	good = store_open_stream(&arena, fcntl(out, F_DUPFD_CLOEXEC, 3), -1, codec, &s, &err) ==
		       0 &&
	       put_pages(s, len) && put(s, "inventory.img", small, sizeof(small)) &&
	       put(s, "gone.img", small, 1) && store_remove_file(s, "gone.img", &err) == 0 &&
	       store_has_file(s, "gone.img", &gone, &err) == 0 && !gone &&
	       put(s, "empty.img", small, 0);
	if (good && finish)
		good = store_finish(s, &err) == 0;
	store_close(s);
	arena_fini(&arena);
	if (!good)
		err_print(&err, "stream_test");
	lseek(out, 0, SEEK_SET);
	return good ? out : -1;
}

static bool has(int dir, const char *name, const void *text, size_t len)
{
	scoped_fd fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	scoped_ptr char *buf = malloc(len + 1);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && (size_t)st.st_size == len &&
	       io_read(fd, buf, len) == 0 && memcmp(buf, text, len) == 0;
}

static bool is_whole(int in, size_t len, struct err *err)
{
	scoped_fd dir = stream_memory_dir(err);

	return dir >= 0 && stream_unpack(in, dir, err) == 0 &&
	       has(dir, "pages-1.img", pages[0], len) && has(dir, "pages-2.img", pages[1], len) &&
	       has(dir, "inventory.img", small, sizeof(small)) && has(dir, "empty.img", "", 0) &&
	       faccessat(dir, "gone.img", F_OK, 0) < 0;
}

static void round_trips(void)
{
	static const char *const words[] = { "", "lz4", "lz4:9", "zstd", "zstd:19" };
	struct stat st;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct stream_codec codec = { STREAM_PLAIN, 0 };
		struct err err = { 0 };
		scoped_fd in = -1;

		if (*words[i] &&
		    !ok(stream_codec_parse(words[i], &codec, &err) == 0, "codec %s", words[i]))
			continue;
		in = pack(&codec, PAGES, true);
		ok(in >= 0 && fstat(in, &st) == 0 &&
			   (*words[i] == '\0') == (st.st_size > 2 * PAGES),
		   "packed: \"%s\"", words[i]);
		ok(is_whole(in, PAGES, &err), "unpacked: \"%s\"", words[i]);
	}
}

/* The byte at @at is another one: refused as such. */
static bool is_found(int in, off_t at, size_t len)
{
	struct err err = { 0 };
	char c, other;
	bool found;

	io_pread(in, &c, 1, at);
	other = (char)(c ^ 0x20);
	io_pwrite(in, &other, 1, at);
	lseek(in, 0, SEEK_SET);
	found = !is_whole(in, len, &err) && err.code == EBADMSG;
	io_pwrite(in, &c, 1, at);
	if (!found)
		printf("# byte %ld: %s\n", (long)at, err.what);
	return found;
}

static void damages(void)
{
	const struct stream_codec codec = { STREAM_LZ4, 0 };
	scoped_fd in = pack(&codec, 4000, true);
	struct err err = { 0 };
	bool found = true;
	struct stat st;
	off_t at;

	fstat(in, &st);
	for (at = 0; at < st.st_size; at++)
		found &= is_found(in, at, 4000);
	ok(found, "each of %ld bytes, changed, is found", (long)st.st_size);
	lseek(in, 0, SEEK_SET);
	ok(is_whole(in, 4000, &err), "and it was nothing else");

	for (at = st.st_size - 1; at >= 0 && found; at -= 7) {
		ftruncate(in, at);
		lseek(in, 0, SEEK_SET);
		err.code = 0;
		found = !is_whole(in, 4000, &err) && err.code == EBADMSG;
	}
	ok(found, "a missing end is found");
}

/* A dump that is given up and begun anew on the same stream. */
static void begun_anew(void)
{
	const struct stream_codec codec = { STREAM_ZSTD, 3 };
	scoped_fd first = pack(&codec, PAGES, false), second = pack(&codec, PAGES, true);
	scoped_fd both = memfd_create("both", MFD_CLOEXEC);
	struct err err = { 0 };
	struct stat st[2];

	fstat(first, &st[0]);
	fstat(second, &st[1]);
	ok(!is_whole(first, PAGES, &err) && err.code == EBADMSG, "given up: it has no end");
	lseek(first, 0, SEEK_SET);
	io_copy(first, both, (uint64_t)st[0].st_size);
	io_copy(second, both, (uint64_t)st[1].st_size);
	io_write(both, "more", 4);
	lseek(both, 0, SEEK_SET);
	err.code = 0;
	ok(is_whole(both, PAGES, &err), "begun anew: the second counts");
	ok(lseek(both, 0, SEEK_CUR) == st[0].st_size + st[1].st_size,
	   "nothing behind its end is read");
}

static void nobody_reads(void)
{
	const struct stream_codec codec = { STREAM_PLAIN, 0 };
	struct err err = { 0 };
	struct arena arena;
	struct store *s;
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	arena_init(&arena);
	if (pipe2(ends, O_CLOEXEC) < 0)
		exit(1);
	close(ends[0]);
	store_open_stream(&arena, ends[1], -1, &codec, &s, &err);
	ok(!put_pages(s, PAGES), "nobody reads: writing fails");
	err_set(&err, EIO, "something");
	store_explain(s, &err);
	ok(err.code == EPIPE && strstr(err.what, "the stream of images"), "and it is told why");
	store_close(s);
	arena_fini(&arena);
}

int main(void)
{
	fill();
	round_trips();
	damages();
	begun_anew();
	nobody_reads();
	return tap_done();
}
