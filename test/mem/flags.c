/* SPDX-License-Identifier: GPL-2.0-only */
/* advice and locks of areas, as smaps shows them */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "victim.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

enum { SIZE = 3 * 4096, NR = 12 };

static char *area[NR];
static char flags[NR][128];

/* The line VmFlags of the area that begins at @p. */
static bool read_flags(const void *p, char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[4096];
	bool here = false, found = false;

	while (!found && fgets(line, sizeof(line), f)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (unsigned long)p;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			found = snprintf(ret, size, "%s", line + 9) > 0;
	}
	fclose(f);
	return found;
}

static char *area_new(int flag)
{
	/* a hole on both sides: they never merge */
	char *p = mmap(NULL, SIZE + 2 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p, SIZE + 2 * 4096);
	return mmap(p + 4096, SIZE, PROT_READ | PROT_WRITE,
		    flag | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

static bool make(void)
{
	static const int advice[] = { MADV_DONTFORK,   MADV_DONTDUMP,	MADV_WIPEONFORK,
				      MADV_RANDOM,     MADV_SEQUENTIAL, MADV_HUGEPAGE,
				      MADV_NOHUGEPAGE, MADV_MERGEABLE };
	int n = sizeof(advice) / sizeof(advice[0]);

	for (int i = 0; i < NR; i++) {
		area[i] = area_new(i == 10 ? MAP_DROPPABLE
					   : MAP_PRIVATE | (i == 9 ? MAP_NORESERVE : 0));
		if (area[i] == MAP_FAILED && i == 10)
			area[i] = area_new(MAP_PRIVATE);
		if (!expect(area[i] != MAP_FAILED))
			return false;
		area[i][4097] = (char)(i + 1);
		if (i < n)
			madvise(area[i], SIZE,
				advice[i]); /* a kernel without KSM, without huge pages ... */
	}
	if (!expect(mlock(area[8], SIZE) == 0) ||
	    !expect(madvise(area[11], SIZE, MADV_DONTFORK) == 0) ||
	    !expect(madvise(area[11], SIZE, MADV_DONTDUMP) == 0))
		return false;
	for (int i = 0; i < NR; i++)
		if (!expect(read_flags(area[i], flags[i], sizeof(flags[i]))))
			return false;
	return expect(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
}

static bool same(void)
{
	for (int i = 0; i < NR; i++) {
		char now[128];

		if (!expect(read_flags(area[i], now, sizeof(now))))
			return false;
		if (strcmp(now, flags[i]) != 0) {
			fprintf(stderr, "area %d was %snow %s", i, flags[i], now);
			return false;
		}
		if (i != 10 && !expect(area[i][4097] == (char)(i + 1)))
			return false;
	}
	return expect(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1);
}

VICTIM(make, same)
