/* SPDX-License-Identifier: GPL-2.0-only */
/* memory that a child does not get, or gets empty, and memory that may be dropped: in both */
#include <sys/mman.h>

#include "victim.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

enum { PAGE = 4096, SIZE = 3 * PAGE };

struct talk {
	volatile int ask, answer;
};

static char *wiped, *hidden, *plain, *dropped;
static struct talk *talk;

static char *area(int flags)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	memset(p, 5, SIZE);
	return p;
}

/* The line VmFlags of the area at @p has @flag. */
static bool has_flag(const char *p, const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long start, end;
	char line[4096];
	bool here = false, found = false;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= (unsigned long)p && (unsigned long)p < end;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, flag);
	}
	fclose(f);
	return found;
}

static bool is_all(const char *p, char c)
{
	for (int i = 0; i < SIZE; i++)
		if (p[i] != c)
			return false;
	return true;
}

/* Droppable memory has what was there, or nothing. */
static bool looks_right(char of_wiped)
{
	return expect(is_all(wiped, of_wiped)) && expect(has_flag(wiped, " wf")) &&
	       expect(is_all(plain, 5)) &&
	       (!dropped || (expect(has_flag(dropped, " dp")) &&
			     expect(dropped[PAGE] == 5 || dropped[PAGE] == 0)));
}

static void be_child(void)
{
	unsigned char there;
	bool ok;

	wiped[PAGE + 3] = 9;
	talk->answer = 1;
	while (!talk->ask)
		victim_sleep(2);
	ok = expect(wiped[PAGE + 3] == 9);
	wiped[PAGE + 3] = 0;
	ok = looks_right(0) && expect(mincore(hidden, PAGE, &there) < 0) && ok;
	talk->answer = ok ? 2 : 3;
	for (;;)
		pause();
}

static bool make(void)
{
	wiped = area(MAP_PRIVATE);
	hidden = area(MAP_PRIVATE);
	plain = area(MAP_PRIVATE);
	dropped = area(MAP_DROPPABLE);
	talk = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!expect(wiped && hidden && plain && talk != MAP_FAILED) ||
	    !expect(madvise(wiped, SIZE, MADV_WIPEONFORK) == 0) ||
	    !expect(madvise(hidden, SIZE, MADV_DONTFORK) == 0))
		return false;
	if (fork() == 0)
		be_child();
	while (!talk->answer)
		victim_sleep(1);
	return true;
}

static bool same(void)
{
	talk->ask = 1;
	for (int i = 0; i < 2500 && talk->answer < 2; i++)
		victim_sleep(2);
	return expect(talk->answer == 2) && looks_right(5) && expect(is_all(hidden, 5)) &&
	       expect(has_flag(hidden, " dc"));
}

VICTIM(make, same)
