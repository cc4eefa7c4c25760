/* SPDX-License-Identifier: GPL-2.0-only */
/* the stack grows on, the heap ends where it ended and grows on */
#include <sys/mman.h>

#include "victim.h"

enum { GROW = 700 * 1024 };

static char *end;
static char *ours; /* a stack of our own, MAP_GROWSDOWN */

static bool make(void)
{
	char *volatile heap;
	char *p;

	heap = malloc(70000); /* malloc() has its memory, and leaves the end alone */
	free(heap);
	end = sbrk(3 * 4096 + 17);
	if (!expect(end != (char *)-1))
		return false;
	end[5] = 'h';
	end = sbrk(0);

	/* room below it to grow into */
	p = mmap(NULL, 4 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(p, 4 << 20);
	ours = mmap(p + (3 << 20), 8192, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
	if (!expect(ours != MAP_FAILED))
		return false;
	ours[8191] = 'o';
	return true;
}

static __attribute__((noinline)) int deep(int n)
{
	volatile char frame[4096];

	frame[17] = (char)n;
	return n ? deep(n - 1) + (frame[17] == (char)n) : 0;
}

static bool same(void)
{
	if (!expect(sbrk(0) == end) || !expect(*(end - 3 * 4096 - 17 + 5) == 'h'))
		return false;
	if (!expect(sbrk(GROW) == end))
		return false;
	memset(end, 1, GROW);
	if (!expect(deep(GROW / 4096) == GROW / 4096))
		return false;
	for (int i = 1; i < 50; i++)
		ours[-i * 1000] = 'x';
	return expect(ours[8191] == 'o');
}

VICTIM(make, same)
