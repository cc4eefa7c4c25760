/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mnt_empty - a tmpfs without content, of which containers have many
 *
 * Its archive is always the same but for the attributes of one directory. It is
 * written, and known again, here: tar and gzip would take ten times as long as
 * all the rest of a mount. Nothing has to be unpacked.
 *
 * The archive is one of tar (a header, and two blocks of zeros that end it) in
 * one of gzip (one block that is stored as it is).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "ns/mnt.h"

enum { BLOCK = 512, NR_BLOCKS = 3, TAR_SIZE = NR_BLOCKS * BLOCK };

struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
	char linkname[100], magic[8], rest[BLOCK - 265];
} __attribute__((packed));

struct archive {
	uint8_t magic[10]; /* gzip, deflate, no name, no time, Unix */
	uint8_t stored;	   /* the last block, as it is */
	uint16_t len, not_len;
	struct tar_header header;
	uint8_t end[TAR_SIZE - BLOCK];
	uint32_t crc, size;
} __attribute__((packed));

static const uint8_t magic[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };

static uint32_t crc32_of(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t crc = ~0U;

	while (n--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* @n bytes: octal digits, with a NUL. */
static void put_octal(char *field, size_t n, uint64_t value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%0*llo", (int)n - 1, (unsigned long long)value);
	memcpy(field, digits, n);
}

static void fill_header(struct tar_header *h, const struct stat *st)
{
	unsigned int sum = 0;

	memcpy(h->name, "./", 2);
	put_octal(h->mode, sizeof(h->mode), st->st_mode & 07777);
	put_octal(h->uid, sizeof(h->uid), st->st_uid);
	put_octal(h->gid, sizeof(h->gid), st->st_gid);
	put_octal(h->size, sizeof(h->size), 0);
	put_octal(h->mtime, sizeof(h->mtime), (uint64_t)st->st_mtime);
	h->type = '5';
	memcpy(h->magic, "ustar  ", sizeof(h->magic));

	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += ((const uint8_t *)h)[i];
	put_octal(h->checksum, sizeof(h->checksum) - 1, sum);
}

/* The numbers have to fit into the fields of the header. */
static bool is_plain(const struct stat *st)
{
	return st->st_uid < 1U << 21 && st->st_gid < 1U << 21 && st->st_mtime >= 0 &&
	       st->st_mtime < (time_t)1 << 33;
}

static bool has_entries(int dir)
{
	scoped_fd fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	size_t n = 0;

	if (!stream)
		return true;
	take_fd(&fd);
	while ((e = readdir(stream)))
		n++;
	closedir(stream);
	return n > 2;
}

bool mnt_empty_is(int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 && is_plain(&st) && !has_entries(dir);
}

int mnt_empty_write(int dir, int fd)
{
	struct archive a = { .stored = 1, .len = TAR_SIZE, .not_len = (uint16_t)~TAR_SIZE };
	struct stat st;

	if (fstat(dir, &st) < 0)
		return -errno;
	memcpy(a.magic, magic, sizeof(magic));
	fill_header(&a.header, &st);
	a.crc = crc32_of(&a.header, TAR_SIZE);
	a.size = TAR_SIZE;
	return io_write(fd, &a, sizeof(a));
}

bool mnt_empty_is_archive(int fd)
{
	static const uint8_t zeros[TAR_SIZE - BLOCK];
	struct archive a;
	char more;

	return io_pread(fd, &a, sizeof(a), 0) == 0 && pread(fd, &more, 1, sizeof(a)) == 0 &&
	       memcmp(a.magic, magic, sizeof(magic)) == 0 && a.stored == 1 && a.len == TAR_SIZE &&
	       a.not_len == (uint16_t)~TAR_SIZE && strcmp(a.header.name, "./") == 0 &&
	       memcmp(a.end, zeros, sizeof(zeros)) == 0 && a.crc == crc32_of(&a.header, TAR_SIZE);
}
