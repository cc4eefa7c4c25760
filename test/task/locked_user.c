/* SPDX-License-Identifier: GPL-2.0-only */
/* memory that is locked, more of it than its user may lock: it was root when it did so */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "victim.h"

enum { SIZE = 5 << 20, LIMIT = 65536 + 4096 };

static char *area;

static long locked_kb(void)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %ld kB", &kb);
	if (f)
		fclose(f);
	return kb;
}

static bool make(void)
{
	struct rlimit limit = { LIMIT, LIMIT };

	area = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED || mlock(area, SIZE) < 0 || setrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return false;
	area[12345] = 67;
	return expect(setgid(4711) == 0) && expect(setuid(4711) == 0) &&
	       expect(locked_kb() == SIZE / 1024);
}

static bool same(void)
{
	return expect(locked_kb() == SIZE / 1024) && expect(area[12345] == 67) &&
	       expect(getuid() == 4711) && expect(mlock(&locked_kb, 4096 * 20) < 0);
}

VICTIM(make, same)
