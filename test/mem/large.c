/* SPDX-License-Identifier: GPL-2.0-only */
/* 64 MiB of data, with holes and zeros in it, in several processes' worth of pieces */
#include <sys/mman.h>

#include "victim.h"

enum { SIZE = 64 << 20, PAGE = 4096, PAGES = SIZE / PAGE };

static uint64_t *data;

static uint64_t word(uint64_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ull;
}

/* 0: data, 1: never touched, 2: read only, so that it is the zero page, 3: written with zeros */
static int sort_of(int page)
{
	return page % 1013 < 700 ? 0 : page % 1013 < 850 ? 1 : page % 1013 < 1000 ? 2 : 3;
}

static bool make(void)
{
	volatile uint64_t sum = 0;

	data = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!expect(data != MAP_FAILED))
		return false;
	for (int page = 0; page < PAGES; page++) {
		uint64_t *p = data + page * 512;

		for (int i = 0; i < 512 && sort_of(page) == 0; i++)
			p[i] = word((uint64_t)page * 512 + i);
		if (sort_of(page) == 2)
			sum += p[3];
		if (sort_of(page) == 3)
			p[3] = 0;
	}
	return expect(sum == 0);
}

static bool same(void)
{
	for (int page = 0; page < PAGES; page++)
		for (int i = 0; i < 512; i++)
			if (data[page * 512 + i] !=
			    (sort_of(page) == 0 ? word((uint64_t)page * 512 + i) : 0))
				return expect(!"content");
	return true;
}

VICTIM(make, same)
