/* SPDX-License-Identifier: GPL-2.0-only */
/* huge pages of hugetlbfs: private, shared with a child, and as a memfd */
#include <linux/memfd.h>
#include <sys/mman.h>

#include "victim.h"

enum { HUGE = 2 << 20 };

static char *private, *shared, *file;
static int fd;
static int before; /* huge pages that the machine sets aside */

static int reserved(void)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "r");
	int n = 0;

	if (f && fscanf(f, "%d", &n) == 1)
		fclose(f);
	return n;
}

static int reserve(int n)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "w");

	if (f && fprintf(f, "%d", n) > 0)
		fclose(f);
	return reserved();
}

static bool make(void)
{
	before = reserved();
	if (before < 12 && reserve(12) < 12)
		skip("this machine has no huge pages of 2 MiB to spare");
	private = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	shared = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	fd = memfd_create("huge", MFD_HUGETLB);
	if (private == MAP_FAILED || shared == MAP_FAILED || fd < 0)
		skip("this machine has no huge pages of 2 MiB to spare");
	if (!expect(ftruncate(fd, 2 * HUGE) == 0))
		return false;
	file = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, HUGE);
	if (!expect(file != MAP_FAILED))
		return false;
	strcpy(private + 4099, "private");
	strcpy(shared + HUGE + 4099, "shared");
	strcpy(file + 8195, "file");
	return true;
}

static bool is_huge(const void *p)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[4096];
	bool here = false, huge = false;
	unsigned long start, end;
	int kb;

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (unsigned long)p;
		else if (here && sscanf(line, "KernelPageSize: %d", &kb) == 1)
			huge = kb == 2048;
	fclose(f);
	return huge;
}

static bool same(void)
{
	char buf[8] = "";

	reserve(before); /* those in use stay as long as we do */
	return expect(strcmp(private + 4099, "private") == 0) &&
	       expect(strcmp(shared + HUGE + 4099, "shared") == 0) &&
	       expect(strcmp(file + 8195, "file") == 0) &&
	       expect(pread(fd, buf, 4, HUGE + 8195) == 4) && expect(strcmp(buf, "file") == 0) &&
	       expect(is_huge(private) && is_huge(shared) && is_huge(file)) &&
	       expect(private[HUGE] == 0);
}

VICTIM(make, same)
