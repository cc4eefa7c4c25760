/* SPDX-License-Identifier: GPL-2.0-only */
/* transparent huge pages: whole, in part, and only read, beside others */
#include <sys/mman.h>

#include "victim.h"

enum { HUGE = 2 << 20, SIZE = 8 * HUGE };

static unsigned char *data;

/* By number of the huge page. */
enum sort { WHOLE, READ, UNTOUCHED, DONTNEED, SPLIT };

static enum sort sort_of(int i)
{
	return (enum sort)(i % 5);
}

static unsigned char byte_of(int n)
{
	return (unsigned char)(n * 5 + n / 4096 + 3);
}

static bool is_written(int i, int n)
{
	switch (sort_of(i)) {
	case WHOLE:
		return true;
	case DONTNEED:
		return n < HUGE / 2;
	case SPLIT:
		return n % 8192 < 4096;
	default:
		return false;
	}
}

static bool make(void)
{
	char *p =
		mmap(NULL, SIZE + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile unsigned char sum = 0;

	data = (unsigned char *)(((uintptr_t)p + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
	if (!expect(p != MAP_FAILED))
		return false;
	if (madvise(data, SIZE, MADV_HUGEPAGE) < 0)
		skip("this kernel has no transparent huge pages");
	for (int i = 0; i < SIZE / HUGE; i++) {
		unsigned char *h = data + i * HUGE;

		if (sort_of(i) == READ)
			sum += h[17];
		for (int n = 0; n < HUGE && sort_of(i) != READ && sort_of(i) != UNTOUCHED; n++)
			h[n] = byte_of(n);
		if (sort_of(i) == DONTNEED)
			madvise(h + HUGE / 2, HUGE / 2, MADV_DONTNEED);
		for (int n = 4096; n < HUGE && sort_of(i) == SPLIT; n += 8192)
			madvise(h + n, 4096, MADV_DONTNEED);
	}
	return expect(sum == 0);
}

static bool same(void)
{
	for (int i = 0; i < SIZE / HUGE; i++)
		for (int n = 0; n < HUGE; n++)
			if (data[i * HUGE + n] != (is_written(i, n) ? byte_of(n) : 0))
				return expect(!"content");
	return true;
}

VICTIM(make, same)
