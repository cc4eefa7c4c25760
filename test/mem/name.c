/* SPDX-License-Identifier: GPL-2.0-only */
/* memory that has been given a name, private and shared */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "victim.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA	     0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

enum { PAGE = 4096 };

static char *area[2];

static bool make(void)
{
	for (int k = 0; k < 2; k++) {
		area[k] = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE,
			       (k ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
		if (!expect(area[k] != MAP_FAILED))
			return false;
		memset(area[k], 7, 5 * PAGE);
		if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, area[k] + PAGE, 2 * PAGE,
			  k ? "five: shared" : "five: private") < 0)
			skip("this kernel has no names of mappings (CONFIG_ANON_VMA_NAME)");
	}
	return true;
}

static bool is_named(const char *p, const char *name)
{
	char line[512], start[32];
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;

	snprintf(start, sizeof(start), "%lx-%lx ", (unsigned long)p, (unsigned long)p + 2 * PAGE);
	while (maps && !found && fgets(line, sizeof(line), maps))
		found = strncmp(line, start, strlen(start)) == 0 && strstr(line, name);
	if (maps)
		fclose(maps);
	return found;
}

static bool same(void)
{
	return expect(is_named(area[0] + PAGE, "[anon:five: private]")) &&
	       expect(is_named(area[1] + PAGE, "[anon_shmem:five: shared]")) &&
	       expect(area[0][PAGE] == 7) && expect(area[1][3 * PAGE] == 7);
}

VICTIM(make, same)
