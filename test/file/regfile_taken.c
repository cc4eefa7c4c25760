/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * deleted files whose names, or whose directories' names, are those of other files now
 *
 * dump: --link-remap
 */
#include <sys/stat.h>

#include "victim.h"

static int gone, deep, linked, dir;

static int new_file(const char *name, const char *text)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? fd : -1;
}

static bool make(void)
{
	return expect(mkdir("d", 0700) == 0 && mkdir("d/e", 0700) == 0) &&
	       expect((gone = new_file("d/gone", "gone")) >= 0) &&
	       expect((deep = new_file("d/e/deep", "deep")) >= 0) &&
	       expect((linked = new_file("d/linked", "linked")) >= 0) &&
	       expect((dir = open("d/e", O_RDONLY | O_DIRECTORY)) >= 0) &&
	       expect(link("d/linked", "name") == 0) && expect(unlink("d/gone") == 0) &&
	       expect(unlink("d/e/deep") == 0) && expect(unlink("d/linked") == 0) &&
	       expect(rmdir("d/e") == 0 && rmdir("d") == 0) &&
	       expect(close(new_file("d", "a file")) == 0);
}

static bool holds(int fd, const char *want, nlink_t links)
{
	char buf[16] = "";
	struct stat st;

	return expect(pread(fd, buf, sizeof(buf) - 1, 0) == (ssize_t)strlen(want)) &&
	       expect(strcmp(buf, want) == 0) && expect(fstat(fd, &st) == 0) &&
	       expect(st.st_nlink == links);
}

static bool same(void)
{
	int taken = open("d", O_RDONLY);
	struct stat a, b;

	return holds(gone, "gone", 0) && holds(deep, "deep", 0) && holds(linked, "linked", 1) &&
	       holds(taken, "a file", 1) && expect(fstat(dir, &a) == 0 && a.st_nlink == 0) &&
	       expect(fstat(linked, &a) == 0 && stat("name", &b) == 0) &&
	       expect(a.st_ino == b.st_ino);
}

VICTIM(make, same)
