/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * huge pages that a task and its child have together since fork, both writing to
 * them all the time, and so while they are restored, lazily too
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "victim.h"

enum { HUGE = 2 << 20, SIZE = 6 * HUGE, PAGE = 4096, PAGES = SIZE / PAGE };

static unsigned char *data;
/* what the first word of each page must be; told before and after the page is written */
static uint32_t before[PAGES], after[PAGES];
static bool stop;
static pthread_t writer;
static pid_t child;
static int ask[2], answer[2];

static unsigned char byte_of(int page, int n)
{
	return (unsigned char)(page * 7 + n * 3 + 1);
}

static void *write_on(void *unused)
{
	unsigned int x = (unsigned int)getpid();

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int page;

		x = x * 1103515245 + 12345;
		page = (int)(x >> 8) % PAGES;
		__atomic_store_n(&before[page], before[page] + 1, __ATOMIC_SEQ_CST);
		__atomic_store_n((uint32_t *)(data + (size_t)page * PAGE), before[page],
				 __ATOMIC_SEQ_CST);
		__atomic_store_n(&after[page], before[page], __ATOMIC_SEQ_CST);
		if (page % 64 == 0)
			usleep(50);
	}
	return NULL;
}

/* All is as this task has written it last. */
static bool is_right(void)
{
	bool right = true;

	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
	for (int page = 0; page < PAGES && right; page++) {
		const unsigned char *p = data + (size_t)page * PAGE;

		right = expect(*(const uint32_t *)p == after[page]) &&
			expect(before[page] == after[page]);
		for (int n = sizeof(uint32_t); n < PAGE && right; n++)
			right = expect(p[n] == byte_of(page, n));
	}
	return right;
}

static void be_child(void)
{
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pthread_create(&writer, NULL, write_on, NULL);
	if (write(answer[1], "r", 1) != 1 || read(ask[0], &c, 1) != 1)
		_exit(1);
	c = is_right();
	_exit(write(answer[1], &c, 1) != 1);
}

static bool make(void)
{
	char *p =
		mmap(NULL, SIZE + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char c;

	if (!expect(p != MAP_FAILED) || !expect(pipe(ask) == 0) || !expect(pipe(answer) == 0))
		return false;
	data = (unsigned char *)(((uintptr_t)p + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
	if (madvise(data, SIZE, MADV_HUGEPAGE) < 0)
		skip("this kernel has no transparent huge pages");
	for (int page = 0; page < PAGES; page++) {
		for (int n = sizeof(uint32_t); n < PAGE; n++)
			data[(size_t)page * PAGE + (size_t)n] = byte_of(page, n);
	}
	child = fork();
	if (child == 0)
		be_child();
	return expect(read(answer[0], &c, 1) == 1) &&
	       expect(pthread_create(&writer, NULL, write_on, NULL) == 0);
}

static bool same(void)
{
	bool right = is_right();
	char c = 0;

	return expect(write(ask[1], "?", 1) == 1) && expect(read(answer[0], &c, 1) == 1) &&
	       expect(c == 1) && right;
}

VICTIM(make, same)
