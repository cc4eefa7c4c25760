/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * a file whose name and directory have gone, and which has a name elsewhere
 *
 * dump: --link-remap
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include "victim.h"

static int fd;
static char *map;

static bool make(void)
{
	return expect(mkdir("gone", 0700) == 0) &&
	       expect((fd = open("gone/old", O_RDWR | O_CREAT, 0600)) >= 0) &&
	       expect(write(fd, "content", 7) == 7) && expect(link("gone/old", "new") == 0) &&
	       expect((map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0)) != MAP_FAILED) &&
	       expect(unlink("gone/old") == 0) && expect(rmdir("gone") == 0);
}

static bool same(void)
{
	struct stat a, b;
	int other = open("new", O_WRONLY);

	return expect(fstat(fd, &a) == 0 && fstat(other, &b) == 0) &&
	       expect(a.st_ino == b.st_ino) && expect(a.st_nlink == 1) &&
	       expect(lseek(fd, 0, SEEK_CUR) == 7) && expect(write(other, "C", 1) == 1) &&
	       expect(memcmp(map, "Content", 7) == 0) && expect(access("gone", F_OK) < 0);
}

VICTIM(make, same)
