/* SPDX-License-Identifier: GPL-2.0-only */
/* areas that grow downwards: next to others, one above another, and with a gap in between */
#include <sys/mman.h>

#include "victim.h"

enum { PAGE = 4096, GUARD = 2 << 20, ROOM = 24 << 20 };

static char *above, *below; /* next to each other, the lower one grows */
static char *upper, *lower; /* both grow, and touch */
static char *one, *far;	    /* both grow, with a page in between */
static char *alone;
static unsigned long starts[7];

static char *area(char *at, int pages, int flags)
{
	char *p = mmap(at, (size_t)pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | flags, -1, 0);

	for (int i = 0; p != MAP_FAILED && i < pages; i++)
		p[i * PAGE + 7] = (char)(i + 3);
	return p == MAP_FAILED ? NULL : p;
}

/* Where the area with @p begins, as the kernel tells it. */
static unsigned long start_of(const char *p)
{
	unsigned long start = 0, end = 0;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2 && (unsigned long)p < end)
			break;
	fclose(maps);
	return start;
}

static void find_starts(unsigned long *ret)
{
	char *all[] = { above, below, upper, lower, one, far, alone };

	for (int i = 0; i < 7; i++)
		ret[i] = start_of(all[i]);
}

static bool make(void)
{
	char *p = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!expect(p != MAP_FAILED))
		return false;
	munmap(p, ROOM);
	below = area(p + 2 * GUARD, 3, MAP_GROWSDOWN);
	above = area(p + 2 * GUARD + 3 * PAGE, 2, MAP_NORESERVE);
	lower = area(p + 4 * GUARD, 2, MAP_GROWSDOWN);
	upper = area(p + 4 * GUARD + 2 * PAGE, 5, MAP_GROWSDOWN | MAP_NORESERVE);
	far = area(p + 6 * GUARD, 2, MAP_GROWSDOWN);
	one = area(p + 6 * GUARD + 3 * PAGE, 2, MAP_GROWSDOWN);
	alone = area(p + 9 * GUARD, 1, MAP_GROWSDOWN);
	if (!expect(below && above && lower && upper && far && one && alone))
		return false;
	/* it has grown already */
	alone[-2 * PAGE] = 'g';
	find_starts(starts);
	return true;
}

static bool same_area(const char *p, int pages)
{
	for (int i = 0; i < pages; i++)
		if (!expect(p[i * PAGE + 7] == i + 3))
			return false;
	return true;
}

static bool same(void)
{
	unsigned long now[7];

	find_starts(now);
	if (!expect(memcmp(now, starts, sizeof(now)) == 0))
		return false;
	if (!same_area(below, 3) || !same_area(above, 2) || !same_area(lower, 2) ||
	    !same_area(upper, 5) || !same_area(far, 2) || !same_area(one, 2) ||
	    !same_area(alone, 1) || !expect(alone[-2 * PAGE] == 'g'))
		return false;
	/* what has room below it grows on */
	below[-3 * PAGE] = 'x';
	lower[-3 * PAGE] = 'y';
	alone[-9 * PAGE] = 'z';
	return expect(start_of(below) < starts[1]) && expect(start_of(lower) < starts[3]) &&
	       expect(start_of(alone) < starts[6]);
}

VICTIM(make, same)
