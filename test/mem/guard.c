/* SPDX-License-Identifier: GPL-2.0-only */
/* lightweight guard pages stay where they are, in the middle of data */
#include <setjmp.h>
#include <sys/mman.h>

#include "victim.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum { PAGE = 4096 };

static char *p;
static sigjmp_buf fault;

static bool make(void)
{
	p = mmap(NULL, 10 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 10; i++)
		p[i * PAGE + 3] = (char)('a' + i);
	if (madvise(p + 2 * PAGE, PAGE, MADV_GUARD_INSTALL) < 0 ||
	    madvise(p + 5 * PAGE, 3 * PAGE, MADV_GUARD_INSTALL) < 0)
		skip("this kernel has no MADV_GUARD_INSTALL");
	return true;
}

static void on_fault(int sig)
{
	siglongjmp(fault, 1);
}

static bool is_guard(int page)
{
	if (sigsetjmp(fault, 1))
		return true;
	return ((volatile char *)p)[page * PAGE + 3] == 0;
}

static bool same(void)
{
	signal(SIGSEGV, on_fault);
	for (int i = 0; i < 10; i++) {
		bool want = i == 2 || (i >= 5 && i < 8);

		if (!expect(is_guard(i) == want) || (!want && !expect(p[i * PAGE + 3] == 'a' + i)))
			return false;
	}
	return true;
}

VICTIM(make, same)
