/* SPDX-License-Identifier: GPL-2.0-only */
/* thousands of small areas, files among them */
#include <sys/mman.h>

#include "victim.h"

enum { PAGE = 4096, NR = 16000 };

static char *base;

static int prot_of(int i)
{
	static const int prots[] = { PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE };

	return prots[i % 3];
}

static bool make(void)
{
	int fd = open("file", O_RDWR | O_CREAT, 0600);

	if (!expect(fd >= 0 && ftruncate(fd, 16 * PAGE) == 0 &&
		    pwrite(fd, "file", 4, 7 * PAGE) == 4))
		return false;
	base = mmap(NULL, (size_t)NR * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (!expect(base != MAP_FAILED))
		return false;
	for (int i = 0; i < NR; i++) {
		char *p = base + (size_t)i * PAGE;

		if (i % 7 == 0 && mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd,
				       7 * PAGE) != p)
			return expect(!"mmap");
		if (i % 2 == 0)
			*(int *)(p + 8) = i ^ 0x5a5a;
		if (mprotect(p, PAGE, prot_of(i)) < 0)
			return expect(!"mprotect");
	}
	close(fd);
	return true;
}

static bool same(void)
{
	for (int i = 0; i < NR; i++) {
		char *p = base + (size_t)i * PAGE;

		if (prot_of(i) == PROT_NONE && mprotect(p, PAGE, PROT_READ) < 0)
			return expect(!"mprotect");
		if (!expect(*(int *)(p + 8) == (i % 2 == 0 ? i ^ 0x5a5a : 0)))
			return false;
		if (i % 7 == 0 && !expect(memcmp(p, "file", 4) == 0))
			return false;
	}
	return true;
}

VICTIM(make, same)
