/* SPDX-License-Identifier: GPL-2.0-only */
/* shared anonymous memory stays shared between parent and child, with its content */
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

enum { PAGE = 4096, PAGES = 301 };

struct talk {
	volatile int parent, child;
};

static unsigned char *memory; /* both */
static unsigned char *tail;   /* a part of it again, elsewhere */
static struct talk *talk;
static pid_t child;

static void *share(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void child_main(void)
{
	while (getppid() != 1) {
		if (talk->parent == 17) {
			memory[5 * PAGE + 3] = 0xab;
			talk->child = memory[9 * PAGE] == 0xcd ? 18 : 19;
			_exit(0);
		}
		victim_sleep(2);
	}
	_exit(1);
}

static bool make(void)
{
	memory = share(PAGES * PAGE);
	talk = share(PAGE);
	if (!expect(memory && talk))
		return false;
	/* every fifth page is a hole */
	for (int i = 0; i < PAGES; i++)
		if (i % 5 != 4)
			memset(memory + i * PAGE, i % 250 + 1, PAGE);

	/* the middle is gone, the end lies somewhere else: two areas of one object */
	tail = mmap(NULL, 10 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	tail = mremap(memory + 280 * PAGE, 10 * PAGE, 10 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		      tail);
	if (!expect(tail != MAP_FAILED))
		return false;

	child = fork();
	if (child == 0)
		child_main();
	return expect(child > 0);
}

static bool same(void)
{
	int status;

	for (int i = 0; i < 280; i++)
		for (int n = 0; n < PAGE; n += 97)
			if (!expect(memory[i * PAGE + n] == (i % 5 != 4 ? i % 250 + 1 : 0)))
				return false;
	if (!expect(tail[3 * PAGE] == 283 % 250 + 1))
		return false;

	memory[9 * PAGE] = 0xcd;
	talk->parent = 17;
	for (int i = 0; i < 500 && !talk->child; i++)
		victim_sleep(2);
	return expect(talk->child == 18) && expect(memory[5 * PAGE + 3] == 0xab) &&
	       expect(waitpid(child, &status, 0) == child) && expect(status == 0);
}

VICTIM(make, same)
