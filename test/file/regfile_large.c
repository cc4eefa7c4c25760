/* SPDX-License-Identifier: GPL-2.0-only */
/* ten large deleted files at once */
/* dump: --ghost-limit 1G */
#include <sys/stat.h>

#include "victim.h"

enum { FILES = 10, SIZE = 3 << 20, WORDS = 4096 };

static int fds[FILES];

static uint32_t word(int file, int at)
{
	return (uint32_t)(file * 1000003 + at) * 2654435761u;
}

static bool fill(int file)
{
	uint32_t buf[WORDS];

	for (int at = 0; at < SIZE / 4; at += WORDS) {
		for (int i = 0; i < WORDS; i++)
			buf[i] = word(file, at + i);
		if (!expect(write(fds[file], buf, sizeof(buf)) == sizeof(buf)))
			return false;
	}
	return true;
}

static bool make(void)
{
	char name[16];

	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		if (!expect((fds[i] = open(name, O_RDWR | O_CREAT, 0600)) >= 0) || !fill(i) ||
		    !expect(unlink(name) == 0))
			return false;
	}
	return true;
}

static bool is_same(int file)
{
	uint32_t buf[WORDS];
	struct stat st;

	for (int at = 0; at < SIZE / 4; at += WORDS) {
		if (!expect(pread(fds[file], buf, sizeof(buf), at * 4) == sizeof(buf)))
			return false;
		for (int i = 0; i < WORDS; i++)
			if (!expect(buf[i] == word(file, at + i)))
				return false;
	}
	return expect(fstat(fds[file], &st) == 0) && expect(st.st_size == SIZE) &&
	       expect(lseek(fds[file], 0, SEEK_CUR) == SIZE);
}

static bool same(void)
{
	for (int i = 0; i < FILES; i++)
		if (!is_same(i))
			return false;
	return true;
}

VICTIM(make, same)
