/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * the stages read and plan of restore, over a set of images of which some are
 * replaced by the input: records of a file name, a length and the content
 *
 * The set is the directory CRIU_LITE_IMAGES, see with_images. No seeds are
 * needed: the mutator adds images of the set to the input, and knows entries
 * and the fields of messages, so that lengths stay right.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "restore.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

enum { IMAGES_MAX = 128, CONTENT_MAX = 8192, CHANGES_MAX = 6, DEPTH_MAX = 8 };

static struct base {
	char name[64];
	uint8_t content[CONTENT_MAX];
	size_t len;
} base[IMAGES_MAX];
static size_t nr_base;
static int dir = -1;

/* One record of the input: u8 number in the set, u16 length, content. */
struct change {
	size_t image, len;
	const uint8_t *content;
};

static size_t next_change(const uint8_t *p, size_t left, struct change *c)
{
	if (left < 3 || p[0] >= nr_base)
		return 0;
	c->image = p[0];
	c->len = p[1] | (size_t)p[2] << 8;
	c->content = p + 3;
	return c->len <= left - 3 ? 3 + c->len : 0;
}

static void put_file(const char *name, const void *content, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, content, len) != (ssize_t)len || close(fd) < 0)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *path = getenv("CRIU_LITE_IMAGES");
	struct dirent *e;
	DIR *d;

	dir = path ? open(path, O_DIRECTORY | O_CLOEXEC) : -1;
	d = dir >= 0 ? fdopendir(dup(dir)) : NULL;
	if (!d) {
		fprintf(stderr, "start this by test/fuzz/with_images\n");
		exit(1);
	}
	while ((e = readdir(d)) && nr_base < IMAGES_MAX) {
		struct base *b = &base[nr_base];
		ssize_t len;
		int fd;

		if (!strstr(e->d_name, ".img") || strncmp(e->d_name, "pages-", 6) == 0)
			continue;
		fd = openat(dir, e->d_name, O_RDONLY | O_CLOEXEC);
		len = read(fd, b->content, CONTENT_MAX);
		close(fd);
		if (len < 0 || len == CONTENT_MAX)
			continue;
		b->len = (size_t)len;
		snprintf(b->name, sizeof(b->name), "%s", e->d_name);
		nr_base++;
	}
	closedir(d);
	log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_NONE);
	return 0;
}

static void restore_dry(void)
{
	const struct restore_opts opts = {
		.common = { .images_dir = ".",
			    .images_fd = dir,
			    .file_locks = true,
			    .status_fd = -1 },
		.dry_run = true,
		.validation = VALIDATE_CHECKSUM,
	};
	struct err err = { 0 };
	pid_t root;
	int ret = restore_run(&opts, &root, &err);

	if ((ret < 0) != (err.code != 0))
		abort();
	if (ret < 0 && (!err.what[0] || !err.why[0] || !err.hint[0])) {
		err_print(&err, "no hint");
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct change changes[CHANGES_MAX];
	size_t n, i, len;

	for (n = 0; n < CHANGES_MAX && (len = next_change(data, size, &changes[n])); n++) {
		put_file(base[changes[n].image].name, changes[n].content, changes[n].len);
		data += len;
		size -= len;
	}
	restore_dry();
	for (i = 0; i < n; i++)
		put_file(base[changes[i].image].name, base[changes[i].image].content,
			 base[changes[i].image].len);
	return 0;
}

/* ---- mutate ---- */

struct bytes {
	uint8_t *p;
	size_t len, max;
};

static void put_bytes(struct bytes *b, const void *p, size_t len)
{
	if (len > b->max - b->len)
		len = b->max - b->len;
	memcpy(b->p + b->len, p, len);
	b->len += len;
}

static void put_varint(struct bytes *b, uint64_t v)
{
	uint8_t byte;

	do {
		byte = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		put_bytes(b, &byte, 1);
		v >>= 7;
	} while (v);
}

static bool get_varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
	unsigned int shift;

	*ret = 0;
	for (shift = 0; shift < 64 && *p < end; shift += 7) {
		*ret |= (uint64_t)(**p & 0x7f) << shift;
		if (!(*(*p)++ & 0x80))
			return true;
	}
	return false;
}

/* One field of a message: where it begins, where its value is. */
struct field {
	const uint8_t *start, *value, *end;
	uint64_t tag;
};

static bool next_field(const uint8_t **p, const uint8_t *end, struct field *f)
{
	uint64_t n = 0;

	f->start = *p;
	if (!get_varint(p, end, &f->tag))
		return false;
	f->value = *p;
	if ((f->tag & 7) == 0) {
		if (!get_varint(p, end, &n))
			return false;
		f->end = *p;
		return true;
	}
	if ((f->tag & 7) == 2 && !get_varint(p, end, &n))
		return false;
	f->value = *p;
	n = (f->tag & 7) == 1 ? 8 : (f->tag & 7) == 5 ? 4 : n;
	if ((f->tag & 7) > 5 || n > (uint64_t)(end - *p))
		return false;
	f->end = *p += n;
	return true;
}

static size_t count_fields(const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len;
	struct field f;
	size_t n = 0;

	while (p < end) {
		if (!next_field(&p, end, &f))
			return 0;
		n++;
	}
	return n;
}

static uint64_t odd_number(uint64_t old)
{
	static const uint64_t odd[] = { 0,
					1,
					7,
					64,
					4096,
					0x7fffffff,
					0x80000000,
					0xffffffff,
					0x7fffffffffffffff,
					~0ULL,
					1ULL << 32,
					1ULL << 47,
					0x7fffffffff,
					1 << 20 };

	switch (rand() % 4) {
	case 0:
		return old + (uint64_t)(rand() % 9) - 4;
	case 1:
		return old ^ 1ULL << rand() % 64;
	default:
		return odd[(size_t)rand() % (sizeof(odd) / sizeof(odd[0]))];
	}
}

static void mutate_raw(const uint8_t *p, size_t len, struct bytes *out)
{
	uint8_t buf[CONTENT_MAX * 2];

	if (len > CONTENT_MAX)
		len = CONTENT_MAX;
	memcpy(buf, p, len);
	put_bytes(out, buf, LLVMFuzzerMutate(buf, len, len + 64));
}

static void mutate_message(const uint8_t *p, size_t len, unsigned int depth, struct bytes *out);

static void mutate_value(const struct field *f, unsigned int depth, struct bytes *out)
{
	uint8_t buf[CONTENT_MAX * 2];
	struct bytes inner = { buf, 0, sizeof(buf) };
	const uint8_t *p = f->value;
	uint64_t n = 0;

	put_varint(out, f->tag);
	if ((f->tag & 7) == 0) {
		get_varint(&p, f->end, &n);
		put_varint(out, odd_number(n));
		return;
	}
	if ((f->tag & 7) == 2 && depth < DEPTH_MAX && rand() % 8 &&
	    count_fields(p, (size_t)(f->end - p)))
		mutate_message(p, (size_t)(f->end - p), depth + 1, &inner);
	else
		mutate_raw(p, (size_t)(f->end - p), &inner);
	if ((f->tag & 7) == 2)
		put_varint(out, inner.len);
	put_bytes(out, buf, inner.len);
}

static void mutate_message(const uint8_t *p, size_t len, unsigned int depth, struct bytes *out)
{
	const uint8_t *end = p + len;
	size_t n = count_fields(p, len), k, i;
	struct field f;

	if (n == 0) {
		mutate_raw(p, len, out);
		return;
	}
	k = (size_t)rand() % n;
	for (i = 0; i < n && next_field(&p, end, &f); i++) {
		if (i == k && rand() % 16 == 0)
			continue; /* it is missing */
		if (i == k)
			mutate_value(&f, depth, out);
		if (i != k || rand() % 16 == 0)
			put_bytes(out, f.start, (size_t)(f.end - f.start));
	}
}

static uint32_t size_at(const uint8_t *p)
{
	uint32_t size;

	memcpy(&size, p, sizeof(size));
	return size;
}

/* One entry of an image changes, its size with it. */
static void mutate_image(const char *name, const uint8_t *p, size_t len, struct bytes *out)
{
	uint8_t buf[CONTENT_MAX * 2];
	struct bytes message = { buf, 0, sizeof(buf) };
	const size_t first = strcmp(name, "inventory.img") == 0 ? 4 : 8; /* magics */
	size_t at = first, n = 0, k;
	uint32_t size;

	for (; at + 4 <= len && size_at(p + at) <= len - at - 4; at += 4 + size_at(p + at))
		n++;
	if (n == 0 || rand() % 16 == 0) {
		mutate_raw(p, len, out);
		return;
	}
	k = (size_t)rand() % n;
	for (at = first; k > 0; k--)
		at += 4 + size_at(p + at);
	mutate_message(p + at + 4, size_at(p + at), 0, &message);
	size = (uint32_t)message.len;
	put_bytes(out, p, at);
	put_bytes(out, &size, sizeof(size));
	put_bytes(out, buf, message.len);
	at += 4 + size_at(p + at);
	put_bytes(out, p + at, len - at);
}

static void put_change(size_t image, const uint8_t *content, size_t len, struct bytes *out)
{
	const uint8_t head[3] = { (uint8_t)image, (uint8_t)len, (uint8_t)(len >> 8) };

	put_bytes(out, head, sizeof(head));
	put_bytes(out, content, len);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static uint8_t whole[CHANGES_MAX * (CONTENT_MAX + 3)], image[CONTENT_MAX];
	struct bytes out = { whole, 0, sizeof(whole) }, changed = { image, 0, sizeof(image) };
	struct change changes[CHANGES_MAX];
	size_t n, i, k, len, at = 0;

	srand(seed);
	for (n = 0; n < CHANGES_MAX && (len = next_change(data + at, size - at, &changes[n])); n++)
		at += len;
	k = n == 0 || (n < CHANGES_MAX && rand() % 6 == 0) ? n : (size_t)rand() % n;
	if (k == n) {
		const struct base *b = &base[changes[k].image = (size_t)rand() % nr_base];

		changes[k].content = b->content;
		changes[k].len = b->len;
		n++;
	}
	mutate_image(base[changes[k].image].name, changes[k].content, changes[k].len, &changed);
	changes[k].content = image;
	changes[k].len = changed.len;

	for (i = 0; i < n; i++)
		put_change(changes[i].image, changes[i].content, changes[i].len, &out);
	len = out.len < max ? out.len : max;
	memcpy(data, whole, len);
	return len;
}
