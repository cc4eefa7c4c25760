/* SPDX-License-Identifier: GPL-2.0-only */
/* a deleted file with very many holes, found by seeking or by the map of its extents */
/* dump: --ghost-limit 8M --no-ghost-fiemap */
#include <sys/stat.h>

#include "victim.h"

enum { PIECES = 1500, STEP = 16384 };

static int fd;
static blkcnt_t blocks;

static bool make(void)
{
	struct stat st;

	fd = open("file", O_RDWR | O_CREAT, 0600);
	for (int i = 0; i < PIECES; i++) {
		off_t at = (off_t)(i + 1) * STEP + i;

		if (!expect(pwrite(fd, &i, sizeof(i), at) == sizeof(i)))
			return false;
	}
	if (!expect(ftruncate(fd, (off_t)(PIECES + 2) * STEP + 77) == 0) ||
	    !expect(fsync(fd) == 0) || !expect(fstat(fd, &st) == 0) || !expect(unlink("file") == 0))
		return false;
	blocks = st.st_blocks;
	return true;
}

static bool same(void)
{
	struct stat st;
	int n;

	fsync(fd);
	if (!expect(fstat(fd, &st) == 0) ||
	    !expect(st.st_size == (off_t)(PIECES + 2) * STEP + 77) ||
	    !expect(st.st_blocks <= blocks + blocks / 8))
		return false;
	for (int i = 0; i < PIECES; i++) {
		off_t at = (off_t)(i + 1) * STEP + i;

		if (!expect(pread(fd, &n, sizeof(n), at) == sizeof(n)) || !expect(n == i) ||
		    !expect(pread(fd, &n, sizeof(n), at + 5000) == sizeof(n)) || !expect(n == 0))
			return false;
	}
	return true;
}

VICTIM(make, same)
