/* SPDX-License-Identifier: GPL-2.0-only */
/* terabytes of private memory with a few pages in them */
#include <sys/mman.h>

#include "victim.h"

enum { NR = 57 };

static const size_t size = 5ull << 40;
static char *area;

static size_t place(size_t i)
{
	return (i * i * i * 0x9e3779b97ull + i * 4097) % size;
}

static bool make(void)
{
	area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (!expect(area != MAP_FAILED))
		return false;
	/* the pages of page tables are the machine's, not ours */
	madvise(area, size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < NR; i++)
		area[place(i)] = (char)(i + 1);
	return true;
}

static bool same(void)
{
	for (size_t i = 0; i < NR; i++)
		if (!expect(area[place(i)] == (char)(i + 1)))
			return false;
	return expect(area[size - 1] == 0) && expect(area[size / 3] == 0);
}

VICTIM(make, same)
