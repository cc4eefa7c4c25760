/* SPDX-License-Identifier: GPL-2.0-only */
/* what mbind() has said of memory, private and shared, but not of its neighbours */
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "victim.h"

enum { PAGE = 4096, PAGES = 12 };

static const struct sort {
	int at, pages, mode;
	unsigned long nodes;
} sorts[] = {
	{ 1, 2, MPOL_BIND, 1 },
	{ 3, 1, MPOL_PREFERRED | MPOL_F_STATIC_NODES, 1 },
	{ 5, 3, MPOL_INTERLEAVE, 1 },
	{ 9, 1, MPOL_LOCAL, 0 },
	{ 10, 1, MPOL_BIND | MPOL_F_RELATIVE_NODES, 1 },
};

enum { NR = sizeof(sorts) / sizeof(sorts[0]) };

static char *area[2];

static bool is_policy(char *p, int mode, unsigned long nodes)
{
	unsigned long got_nodes = 0;
	int got = -1;

	return expect(syscall(SYS_get_mempolicy, &got, &got_nodes, 64L, p, (long)MPOL_F_ADDR) ==
		      0) &&
	       expect(got == mode) && expect(got_nodes == nodes);
}

static bool bind(char *p)
{
	for (int i = 0; i < NR; i++)
		if (!expect(syscall(SYS_mbind, p + sorts[i].at * PAGE, (long)sorts[i].pages * PAGE,
				    (long)sorts[i].mode, &sorts[i].nodes, 64L, 0L) == 0))
			return false;
	for (int i = 0; i < PAGES; i++)
		p[i * PAGE] = (char)(i + 3);
	return true;
}

static bool make(void)
{
	int mode;

	if (syscall(SYS_get_mempolicy, &mode, NULL, 0L, NULL, 0L) < 0)
		skip("this kernel has no NUMA");
	for (int k = 0; k < 2; k++) {
		area[k] = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			       (k ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
		if (!expect(area[k] != MAP_FAILED) || !bind(area[k]))
			return false;
	}
	return true;
}

static bool same_page(char *p, int i)
{
	for (int k = 0; k < NR; k++)
		if (i >= sorts[k].at && i < sorts[k].at + sorts[k].pages)
			return is_policy(p, sorts[k].mode, sorts[k].nodes);
	return is_policy(p, MPOL_DEFAULT, 0);
}

static bool same(void)
{
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < PAGES; i++)
			if (!expect(area[k][i * PAGE] == i + 3) ||
			    !same_page(area[k] + i * PAGE, i))
				return false;
	return true;
}

VICTIM(make, same)
