/* SPDX-License-Identifier: GPL-2.0-only */
/* time calls go through the vdso, which is where it was */
#include <elf.h>
#include <sys/auxv.h>
#include <sys/time.h>

#include "victim.h"

static unsigned long where;
static struct timespec mono;
static char maps[1024];

/* The lines of what the kernel maps by itself. */
static void read_maps(char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];

	*ret = '\0';
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "[v") && strlen(ret) + strlen(line) < size)
			strcat(ret, line);
	fclose(f);
}

static bool make(void)
{
	where = getauxval(AT_SYSINFO_EHDR);
	read_maps(maps, sizeof(maps));
	return expect(where) && expect(clock_gettime(CLOCK_MONOTONIC, &mono) == 0);
}

static bool same(void)
{
	struct timespec now, coarse, real;
	struct timeval tv;
	char now_maps[1024];

	read_maps(now_maps, sizeof(now_maps));
	if (!expect(strcmp(maps, now_maps) == 0) ||
	    !expect(memcmp((void *)where, ELFMAG, SELFMAG) == 0))
		return false;
	if (!expect(clock_gettime(CLOCK_MONOTONIC, &now) == 0) ||
	    !expect(now.tv_sec >= mono.tv_sec))
		return false;
	if (!expect(clock_gettime(CLOCK_MONOTONIC_COARSE, &coarse) == 0 &&
		    labs(coarse.tv_sec - now.tv_sec) <= 1))
		return false;
	return expect(clock_gettime(CLOCK_REALTIME, &real) == 0 && gettimeofday(&tv, NULL) == 0 &&
		      labs(real.tv_sec - tv.tv_sec) <= 1) &&
	       expect(time(NULL) - real.tv_sec <= 1);
}

VICTIM(make, same)
