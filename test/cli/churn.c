/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * churn DIR map|pages|attach|resize|stack: memory that is never at rest, for test/mem/load.bats
 *
 *	map	two tasks map, protect, unmap and touch areas at random
 *	pages	pages of one area change at random
 *	attach	the tasks of a tree have parts of shared objects, others all the time
 *	resize	two tasks make a shared object larger and smaller, and write what is left
 *	stack	what lies below the stack is nobody's but ours
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

enum { PAGE = 4096, NR = 4, SLOTS = 16, PAGES = 24 };

static struct {
	volatile long done[NR], wrong;
	volatile bool stop;
} * s;

static const char *what;
static unsigned int seed;

static unsigned int number(unsigned int below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

static void must(bool ok)
{
	if (!ok)
		__atomic_add_fetch(&s->wrong, 1, __ATOMIC_RELAXED);
}

/* ---- map ---- */

static struct slot {
	unsigned char *p;
	int pages;
	unsigned char page[PAGES]; /* what the first byte of each is */
} slots[SLOTS];

static void check_slot(const struct slot *slot)
{
	for (int i = 0; i < slot->pages; i++)
		must(slot->p[i * PAGE] == slot->page[i]);
}

static void map_step(int who)
{
	struct slot *slot = &slots[number(SLOTS)];
	int i = (int)number(PAGES);

	if (!slot->p) {
		*slot = (struct slot){ .pages = 1 + i };
		slot->p = mmap(NULL, (size_t)slot->pages * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		must(slot->p != MAP_FAILED);
		return;
	}
	i %= slot->pages;
	check_slot(slot);
	switch (number(5)) {
	case 0:
		must(munmap(slot->p, (size_t)slot->pages * PAGE) == 0);
		slot->p = NULL;
		break;
	case 1: /* cut off the end */
		must(munmap(slot->p + i * PAGE, (size_t)(slot->pages - i) * PAGE) == 0);
		slot->pages = i;
		slot->p = i ? slot->p : NULL;
		break;
	case 2:
		must(mprotect(slot->p + i * PAGE, PAGE, PROT_READ) == 0);
		must(mprotect(slot->p + i * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
		break;
	default:
		slot->p[i * PAGE] = slot->page[i] = (unsigned char)number(256);
	}
}

/* ---- pages ---- */

enum { MANY = 2048 };

static unsigned char *area, model[MANY];

static void pages_step(int who)
{
	unsigned int i = number(MANY);

	if (!area)
		area = mmap(NULL, MANY * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	must(area[i * PAGE + 99] == model[i]);
	area[i * PAGE + 99] = model[i] = (unsigned char)number(256);
	i = number(MANY);
	must(area[i * PAGE + 99] == model[i]);
}

/* ---- attach ---- */

static int object[2];

/* Each task counts in words of its own, in whatever part it has just now. */
static void attach_step(int who)
{
	static long counts[2][PAGES];
	int o = (int)number(2), first = (int)number(PAGES),
	    n = 1 + (int)number(PAGES - (unsigned)first);
	long *p = mmap(NULL, (size_t)n * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, object[o],
		       first * PAGE);

	must(p != MAP_FAILED);
	for (int i = 0; i < n; i++) {
		must(p[i * (PAGE / 8) + who] == counts[o][first + i]);
		p[i * (PAGE / 8) + who] = ++counts[o][first + i];
	}
	must(munmap(p, (size_t)n * PAGE) == 0);
}

/* ---- resize ---- */

/* The first page stays; the parent changes the size, the child writes what it finds. */
static void resize_step(int who)
{
	static long last;
	unsigned char c = (unsigned char)number(256), got = 0;
	long *p;

	if (who == 0) {
		must(ftruncate(object[0], (long)(1 + number(PAGES)) * PAGE) == 0);
		return;
	}
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, object[0], 0);
	must(p != MAP_FAILED && p[3] == last);
	p[3] = ++last;
	must(munmap(p, PAGE) == 0);
	must(pwrite(object[0], &c, 1, 77) == 1 && pread(object[0], &got, 1, 77) == 1 && got == c);
}

/* ---- stack ---- */

enum { BELOW = 512, DEPTH = 48 * 1024 };

static __attribute__((noinline)) void touch(void)
{
	volatile char room[DEPTH + 8192];

	for (size_t i = 0; i < sizeof(room); i += 512)
		room[i] = 0;
}

/* No call is made while we look, so nobody but the kernel could write there. */
static __attribute__((noinline)) long watch_below(unsigned char c)
{
	volatile unsigned char *end = (volatile unsigned char *)__builtin_frame_address(0) - BELOW;
	volatile unsigned char *p;
	long bad = 0;

	for (p = end - DEPTH; p < end; p++)
		*p = c;
	for (int round = 0; round < 20; round++)
		for (p = end - DEPTH; p < end; p++)
			bad += *p != c;
	return bad;
}

static void stack_step(int who)
{
	touch();
	must(watch_below((unsigned char)number(256)) == 0);
}

/* ---- */

static const struct sort {
	const char *name;
	int tasks;
	void (*step)(int who);
} sorts[] = {
	{ "map", 2, map_step },	      { "pages", 1, pages_step }, { "attach", 4, attach_step },
	{ "resize", 2, resize_step }, { "stack", 1, stack_step },
};

static const struct sort *sort_of(const char *name)
{
	for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++)
		if (strcmp(sorts[i].name, name) == 0)
			return &sorts[i];
	return NULL;
}

static void work(const struct sort *sort, int who)
{
	seed = (unsigned int)who * 77 + 5;
	while (!s->stop) {
		sort->step(who);
		s->done[who]++;
	}
	_exit(0);
}

static bool make(void)
{
	const struct sort *sort = sort_of(what);

	s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 2; i++) {
		object[i] = memfd_create("object", 0);
		if (!expect(object[i] >= 0 && ftruncate(object[i], PAGES * PAGE) == 0))
			return false;
	}
	for (int who = 0; sort && who < sort->tasks; who++)
		if (fork() == 0)
			work(sort, who);
	for (int who = 0; sort && who < sort->tasks; who++)
		while (s->done[who] < 10)
			victim_sleep(1);
	return expect(sort != NULL);
}

static bool same(void)
{
	const struct sort *sort = sort_of(what);
	int status, n = 0;
	bool ok = true;

	for (int who = 0; who < sort->tasks; who++) {
		long before = s->done[who];

		for (int i = 0; i < 5000 && s->done[who] < before + 3; i++)
			victim_sleep(1);
		ok = expect(s->done[who] > before) && ok;
	}
	s->stop = true;
	while (wait(&status) > 0)
		n += expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return expect(n == sort->tasks) && expect(s->wrong == 0) && ok;
}

int main(int argc, char **argv)
{
	what = argc > 2 ? argv[2] : "";
	return victim_main(argc, argv, make, same);
}
