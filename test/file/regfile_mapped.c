/* SPDX-License-Identifier: GPL-2.0-only */
/* a deleted file that is mapped, and open as well; and one that is only mapped */
#include <sys/mman.h>
#include <sys/stat.h>

#include "victim.h"

enum { SIZE = 3 * 4096, LENGTH = 2 * 4096 + 77 };

static int fd;
static char *shared, *private, *alone;

static int new_file(const char *name)
{
	int f = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);

	return f >= 0 && ftruncate(f, LENGTH) == 0 && pwrite(f, "file", 4, 4096) == 4 ? f : -1;
}

static bool make(void)
{
	int other;

	if (!expect((fd = new_file("open")) >= 0) || !expect((other = new_file("alone")) >= 0))
		return false;
	shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	alone = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, other, 0);
	if (!expect(shared != MAP_FAILED && private != MAP_FAILED && alone != MAP_FAILED))
		return false;
	memcpy(shared + 100, "by mapping", 10);
	memcpy(private + 4096, "mine", 4);
	return expect(close(other) == 0) && expect(unlink("open") == 0) &&
	       expect(unlink("alone") == 0);
}

static bool same(void)
{
	char buf[16] = "";
	struct stat st;

	if (!expect(pread(fd, buf, 10, 100) == 10) || !expect(memcmp(buf, "by mapping", 10) == 0))
		return false;
	shared[101] = 'Y';
	return expect(pread(fd, buf, 2, 100) == 2) && expect(memcmp(buf, "bY", 2) == 0) &&
	       expect(pwrite(fd, "FILE", 4, 4096) == 4) &&
	       expect(memcmp(shared + 4096, "FILE", 4) == 0) &&
	       expect(memcmp(private + 4096, "mine", 4) == 0) && expect(private[101] == 'Y') &&
	       expect(memcmp(alone + 4096, "file", 4) == 0) && expect(fstat(fd, &st) == 0) &&
	       expect(st.st_size == LENGTH) && expect(access("alone", F_OK) < 0);
}

VICTIM(make, same)
