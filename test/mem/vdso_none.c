/* SPDX-License-Identifier: GPL-2.0-only */
/* a task that has unmapped its vdso has none afterwards, and time goes on by system calls */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "victim.h"

static bool has_vdso(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	while (maps && fgets(line, sizeof(line), maps))
		found = found || strstr(line, "[vdso]") || strstr(line, "[vvar");
	fclose(maps);
	return found;
}

static void unmap_kernels(void)
{
	unsigned long start, end, from[4], len[4];
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	int n = 0;

	while (maps && fgets(line, sizeof(line), maps))
		if (n < 4 && (strstr(line, "[vdso]") || strstr(line, "[vvar")) &&
		    sscanf(line, "%lx-%lx", &start, &end) == 2) {
			from[n] = start;
			len[n++] = end - start;
		}
	fclose(maps);
	while (n-- > 0)
		munmap((void *)from[n], len[n]);
}

/* libc knows only where the vdso was; from here on there are system calls. */
static int talk(void)
{
	struct timespec ms = { .tv_nsec = 5000000 }, now = { 0 };
	bool ok;

	unmap_kernels();
	victim_say("ready", "%d", getpid());
	while (access(victim_path("look"), F_OK) < 0)
		syscall(SYS_nanosleep, &ms, NULL);
	ok = expect(!has_vdso()) &&
	     expect(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) == 0) &&
	     expect(now.tv_sec > 0);
	victim_say("verdict", "%s", ok ? "same" : "different");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 1;
	snprintf(victim_dir, sizeof(victim_dir), "%s", argv[1]);
	return talk();
}
