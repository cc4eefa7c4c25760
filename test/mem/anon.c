/* SPDX-License-Identifier: GPL-2.0-only */
/* private memory keeps content and protection, whatever these are */
#include <setjmp.h>
#include <sys/mman.h>

#include "victim.h"

enum { PAGE = 4096, PAGES = 37 };

static const int prots[] = {
	PROT_NONE,
	PROT_READ,
	PROT_WRITE,
	PROT_READ | PROT_WRITE,
	PROT_READ | PROT_EXEC,
	PROT_READ | PROT_WRITE | PROT_EXEC,
};
enum { AREAS = sizeof(prots) / sizeof(prots[0]) };

static unsigned char *area[AREAS];
static sigjmp_buf fault;

/* Every third page is never touched. */
static bool is_touched(int page)
{
	return page % 3 != 2;
}

static unsigned char byte_of(int i, int page, int n)
{
	return (unsigned char)(i * 31 + page * 7 + n * 13 + n / 256 + 1);
}

static bool make(void)
{
	for (int i = 0; i < AREAS; i++) {
		/* not next to each other, so that they stay apart */
		char *p = mmap(NULL, (PAGES + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		if (!expect(p != MAP_FAILED))
			return false;
		area[i] = (unsigned char *)p + PAGE;
		if (!expect(mprotect(area[i], PAGES * PAGE, PROT_READ | PROT_WRITE) == 0))
			return false;
		for (int page = 0; page < PAGES; page++)
			for (int n = 0; is_touched(page) && n < PAGE; n++)
				area[i][page * PAGE + n] = byte_of(i, page, n);
		if (!expect(mprotect(area[i], PAGES * PAGE, prots[i]) == 0))
			return false;
	}
	return true;
}

static void on_fault(int sig)
{
	siglongjmp(fault, 1);
}

static bool can_read(volatile unsigned char *p)
{
	if (sigsetjmp(fault, 1))
		return false;
	(void)*p;
	return true;
}

static bool can_write(volatile unsigned char *p)
{
	if (sigsetjmp(fault, 1))
		return false;
	*p = 1;
	return true;
}

/* A function that returns 42, in the last byte's neighbourhood of an area that may run. */
static bool can_run(unsigned char *p)
{
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };

	if (sigsetjmp(fault, 1))
		return false;
	memcpy(p, code, sizeof(code));
	return ((int (*)(void))p)() == 42;
}

static bool same_content(int i)
{
	for (int page = 0; page < PAGES; page++)
		for (int n = 0; n < PAGE; n++)
			if (area[i][page * PAGE + n] !=
			    (is_touched(page) ? byte_of(i, page, n) : 0))
				return expect(!"content");
	return true;
}

static bool same(void)
{
	struct sigaction sa = { .sa_handler = on_fault };

	sigaction(SIGSEGV, &sa, NULL);
	for (int i = 0; i < AREAS; i++) {
		int prot = prots[i];

		if (!expect(can_read(area[i] + 5) == (prot != PROT_NONE)))
			return false;
		if (!(prot & PROT_WRITE) && !expect(!can_write(area[i] + 5)))
			return false;
		if (prot & PROT_WRITE && !(prot & PROT_EXEC) && prot & PROT_READ &&
		    !expect(!can_run(area[i] + PAGE * 2)))
			return false;
		if (mprotect(area[i], PAGES * PAGE, PROT_READ | PROT_WRITE) < 0)
			return expect(!"mprotect");
		memset(area[i] + PAGE * 2, 0, PAGE);
		if (!same_content(i))
			return false;
		if (mprotect(area[i], PAGES * PAGE, prot) < 0)
			return expect(!"mprotect back");
		if (prot & PROT_WRITE && prot & PROT_EXEC && !expect(can_run(area[i] + PAGE * 2)))
			return false;
	}
	return true;
}

VICTIM(make, same)
