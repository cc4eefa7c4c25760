/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * private memory keeps its content while it is written, dropped, moved, mapped anew,
 * protected and forked all the time
 *
 * What is expected stands in shared memory, which no dump takes from an earlier one.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

enum { PAGE = 4096, PAGES = 509, BLOCK = 13, HEAP = 150, HUGE = 1500, AT = 77 };

struct model {
	unsigned char area[PAGES], file[PAGES], huge[HUGE];
	int heap;
};

static struct {
	volatile bool stop;
	long steps;
	struct model m;
} * s;

static unsigned char *area, *file, *huge, *heap;
static void *volatile enough;
static pthread_t thread;
static unsigned int seed = 5;

static unsigned int number(unsigned int below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

static bool has(const unsigned char *p, const unsigned char *model, int n)
{
	for (int i = 0; i < n; i++)
		if (!expect(p[i * PAGE + AT] == model[i])) {
			fprintf(stderr, "page %d: %d, not %d\n", i, p[i * PAGE + AT], model[i]);
			return false;
		}
	return true;
}

static bool is_right(void)
{
	for (int i = 0; i < s->m.heap; i++)
		if (!expect(heap[i * PAGE + AT] == (unsigned char)i))
			return false;
	return has(area, s->m.area, PAGES) && has(file, s->m.file, PAGES) &&
	       has(huge, s->m.huge, HUGE);
}

static void must(bool ok)
{
	if (!expect(ok))
		abort();
}

static void *map_anew(void *at, size_t n, int fd)
{
	void *p = mmap(at, n * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0) | (at ? MAP_FIXED : 0), fd, 0);

	must(p != MAP_FAILED);
	return p;
}

/* ---- steps ---- */

static void write_one(unsigned char *p, unsigned char *model, unsigned int n)
{
	unsigned int i = number(n);

	p[i * PAGE + AT] = model[i] = (unsigned char)number(256);
}

static void drop(unsigned char *p, unsigned char *model, unsigned char then)
{
	unsigned int i = number(PAGES), n = 1 + number(PAGES - i) % BLOCK;

	must(madvise(p + i * PAGE, n * PAGE, MADV_DONTNEED) == 0);
	memset(model + i, then, n);
}

/* Page by page: while it is watched, what was mapped later is an area of its own. */
static void move(void)
{
	unsigned int from = number(PAGES - 2 * BLOCK), to = from + BLOCK;

	for (size_t i = 0; i < BLOCK; i++)
		must(mremap(area + (from + i) * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			    area + (to + i) * PAGE) == area + (to + i) * PAGE);
	map_anew(area + from * PAGE, BLOCK, -1);
	memcpy(s->m.area + to, s->m.area + from, BLOCK);
	memset(s->m.area + from, 0, BLOCK);
}

static void map_block(void)
{
	unsigned int at = number(PAGES - BLOCK);

	map_anew(area + at * PAGE, BLOCK, -1);
	memset(s->m.area + at, 0, BLOCK);
}

static void protect(void)
{
	unsigned char *p = area + number(PAGES) * PAGE;

	must(mprotect(p, PAGE, PROT_NONE) == 0);
	must(mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0);
}

static void have_child(void)
{
	pid_t pid = fork();
	int status;

	must(pid >= 0);
	if (pid == 0) {
		area[number(PAGES) * PAGE] = 1;
		_exit(!is_right());
	}
	must(waitpid(pid, &status, 0) == pid && status == 0);
}

static void grow(void)
{
	if (s->m.heap == HEAP) {
		must(brk(heap + 20 * PAGE) == 0);
		s->m.heap = 20;
		return;
	}
	must(brk(heap + (s->m.heap + 1) * PAGE) == 0);
	heap[s->m.heap * PAGE + AT] = (unsigned char)s->m.heap;
	s->m.heap++;
}

static void step(void)
{
	switch (number(16)) {
	case 0:
		return drop(area, s->m.area, 0);
	case 1:
		return drop(file, s->m.file, 'f');
	case 2:
		return move();
	case 3:
		return map_block();
	case 4:
		return protect();
	case 5:
		return number(10) == 0 ? have_child() : (void)0;
	case 6:
		return grow();
	case 7:
	case 8:
		return write_one(huge, s->m.huge, HUGE);
	case 9:
	case 10:
		return write_one(file, s->m.file, PAGES);
	default:
		return write_one(area, s->m.area, PAGES);
	}
}

static void *change(void *arg)
{
	while (!s->stop) {
		for (int i = 0; i < 20; i++)
			step();
		s->steps++;
		victim_sleep(1);
	}
	return NULL;
}

/* ---- */

static bool make_file(void)
{
	char page[PAGE];
	int fd = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	memset(page, 'f', sizeof(page));
	for (int i = 0; i < PAGES; i++)
		if (write(fd, page, sizeof(page)) != sizeof(page))
			return false;
	file = map_anew(NULL, PAGES, fd);
	memset(s->m.file, 'f', PAGES);
	return close(fd) == 0;
}

static bool make(void)
{
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED || !make_file())
		return false;
	area = map_anew(NULL, PAGES, -1);
	huge = map_anew(NULL, HUGE, -1);
	madvise(huge, HUGE * PAGE, MADV_HUGEPAGE);
	/* from here on malloc() has enough */
	enough = malloc(1);
	heap = sbrk(0);
	heap += -(uintptr_t)heap % PAGE;
	return pthread_create(&thread, NULL, change, NULL) == 0;
}

static bool same(void)
{
	long before = s->steps;

	for (int i = 0; i < 2000 && s->steps < before + 3; i++)
		victim_sleep(5);
	s->stop = true;
	pthread_join(thread, NULL);
	return expect(s->steps >= before + 3) && is_right();
}

VICTIM(make, same)
