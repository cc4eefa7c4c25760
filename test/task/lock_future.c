/* SPDX-License-Identifier: GPL-2.0-only */
/* memory that is mapped after mlockall(MCL_FUTURE) is locked, and there at once */
#include <sys/mman.h>

#include "victim.h"

static bool make(void)
{
	return expect(mlockall(MCL_FUTURE) == 0);
}

static bool same(void)
{
	unsigned char there = 0;
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return expect(mincore(p, 4096, &there) == 0) && expect(there & 1) &&
	       expect(msync(p, 4096, MS_ASYNC | MS_INVALIDATE) < 0) && expect(errno == EBUSY) &&
	       expect(munlockall() == 0);
}

VICTIM(make, same)
