/* SPDX-License-Identifier: GPL-2.0-only */
/* a task that may write no large file, with much memory, some of it unreadable */
#include <sys/mman.h>
#include <sys/resource.h>

#include "victim.h"

enum { SIZE = 5 << 20, LIMIT = 65537 };

static unsigned char *data;

static bool make(void)
{
	struct rlimit lim = { LIMIT, LIMIT + 1 };

	data = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!expect(data != MAP_FAILED))
		return false;
	for (int i = 0; i < SIZE; i++)
		data[i] = (unsigned char)(i * 7 + i / 4096);
	return expect(mprotect(data + (1 << 20), 1 << 20, PROT_NONE) == 0) &&
	       expect(setrlimit(RLIMIT_FSIZE, &lim) == 0);
}

static bool same(void)
{
	struct rlimit lim;

	if (!expect(mprotect(data, SIZE, PROT_READ) == 0))
		return false;
	for (int i = 0; i < SIZE; i++)
		if (data[i] != (unsigned char)(i * 7 + i / 4096))
			return expect(!"content");
	return expect(getrlimit(RLIMIT_FSIZE, &lim) == 0 && lim.rlim_cur == LIMIT &&
		      lim.rlim_max == LIMIT + 1);
}

VICTIM(make, same)
