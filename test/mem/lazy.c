/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * memory with which much is done as soon as the program runs again: fork, exec, mremap, madvise,
 * munmap, mprotect, brk, threads (see cli/lazy_pages.bats, where it has not come yet)
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

enum { PAGE = 4096, PAGES = 611, SIZE = PAGES * PAGE, AREAS = 8 };

static uint64_t *area[AREAS];

static uint64_t word(int n, size_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ull + (uint64_t)n;
}

static void *map_at(void *at, size_t size)
{
	return mmap(at, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);
}

static bool make(void)
{
	for (int n = 0; n < AREAS; n++) {
		/* with a hole, so that they stay areas of their own */
		area[n] = map_at(NULL, SIZE + PAGE);
		if (!expect(area[n] != MAP_FAILED) ||
		    !expect(munmap((char *)area[n] + SIZE, PAGE) == 0))
			return false;
		for (size_t i = 0; i < SIZE / 8; i++)
			area[n][i] = word(n, i);
	}
	return true;
}

/* Pages from @from to @to hold what is of area @n from page @first on; or, n < 0, zeros. */
static bool holds(const uint64_t *p, int n, int first, int count)
{
	for (size_t i = 0; i < (size_t)count * 512; i++)
		if (p[i] != (n < 0 ? 0 : word(n, (size_t)first * 512 + i)))
			return expect(!"content");
	return true;
}

/* A child has what its father had, and changes only its own; so has a grandchild. */
static bool look_in_children(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		area[0][7 * 512] = 5;
		child = fork();
		if (child == 0)
			_exit(area[0][7 * 512] == 5 && holds(area[1], 1, 0, PAGES) ? 0 : 1);
		area[0][7 * 512] = word(0, 7 * 512);
		_exit(waitpid(child, &status, 0) == child && status == 0 &&
				      holds(area[0], 0, 0, PAGES)
			      ? 0
			      : 1);
	}
	return expect(waitpid(child, &status, 0) == child) && expect(status == 0);
}

static bool run_something(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	return expect(waitpid(child, &status, 0) == child) && expect(status == 0);
}

static bool move_it(void)
{
	char *there = map_at(NULL, 2 * SIZE);

	/* half of it, and larger than it was */
	if (!expect(mremap(area[2], 300 * PAGE, 400 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, there) ==
		    there))
		return false;
	return holds((void *)(there + 5 * PAGE), 2, 5, 295) &&
	       holds((void *)(there + 300 * PAGE), -1, 0, 100) && holds((void *)there, 2, 0, 5) &&
	       holds(area[2] + 300 * 512, 2, 300, PAGES - 300);
}

static bool drop_it(void)
{
	char *p = (char *)area[3], *q = (char *)area[4];

	if (!expect(madvise(p + 100 * PAGE, 200 * PAGE, MADV_DONTNEED) == 0) ||
	    !expect(munmap(q + 50 * PAGE, 500 * PAGE) == 0) ||
	    !expect(map_at(q + 60 * PAGE, 100 * PAGE) == q + 60 * PAGE) ||
	    !expect(map_at(q, 10 * PAGE) == q))
		return false;
	return holds(area[3], 3, 0, 100) && holds(area[3] + 100 * 512, -1, 0, 200) &&
	       holds(area[3] + 300 * 512, 3, 300, PAGES - 300) && holds(area[4], -1, 0, 10) &&
	       holds(area[4] + 10 * 512, 4, 10, 40) && holds(area[4] + 60 * 512, -1, 0, 100) &&
	       holds(area[4] + 550 * 512, 4, 550, PAGES - 550);
}

static bool protect_it(void)
{
	char *p = (char *)area[5];

	for (int i = 1; i < PAGES; i += 2)
		if (!expect(mprotect(p + i * PAGE, PAGE, PROT_READ) == 0))
			return false;
	return holds(area[5], 5, 0, PAGES);
}

static void *read_in_thread(void *arg)
{
	return holds(area[6], 6, 0, PAGES) ? arg : NULL;
}

static bool use_threads(void)
{
	pthread_t threads[3];
	void *ret;

	for (int i = 0; i < 3; i++)
		if (!expect(pthread_create(&threads[i], NULL, read_in_thread, threads) == 0))
			return false;
	for (int i = 0; i < 3; i++)
		if (!expect(pthread_join(threads[i], &ret) == 0) || !expect(ret == threads))
			return false;
	return true;
}

/* By the kernel, from the end. */
static bool let_kernel_read(void)
{
	int ends[2];
	uint64_t got[512];

	if (!expect(pipe(ends) == 0))
		return false;
	for (int i = PAGES - 1; i >= 0; i -= 7)
		if (!expect(write(ends[1], area[7] + i * 512, PAGE) == PAGE) ||
		    !expect(read(ends[0], got, PAGE) == PAGE) || !holds(got, 7, i, 1))
			return false;
	close(ends[0]);
	close(ends[1]);
	return true;
}

static bool same(void)
{
	return look_in_children() && run_something() && move_it() && drop_it() && protect_it() &&
	       use_threads() && let_kernel_read() && holds(area[1], 1, 0, PAGES);
}

VICTIM(make, same)
