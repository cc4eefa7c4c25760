/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pages that a task, its children and their children still have together since
 * fork are the same pages of memory afterwards; what one of them has written is not
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

enum { PAGE = 4096, PAGES = 40, NR = 4 };

/* Us, two children, and a child of the first of them. */
static pid_t *pids;
static const int parent_of[NR] = { -1, 0, 0, 1 };
static char *area, *other, *file;
static char *moved, *to; /* the second child has it elsewhere */
static bool shared[NR][PAGES];

static bool word_of(pid_t pid, const char *p, uint64_t *word)
{
	char path[64];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ok = fd >= 0 && pread(fd, word, 8, (off_t)((uintptr_t)p / PAGE * 8)) == 8;
	close(fd);
	return ok;
}

static bool is_shared_at(int child, const char *own, const char *parents)
{
	uint64_t a = 0, b = 0, page = (1ull << 55) - 1;

	return word_of(pids[child], own, &a) && word_of(pids[parent_of[child]], parents, &b) &&
	       a >> 63 && b >> 63 && (a & page) == (b & page);
}

static bool is_shared(int child, const char *p)
{
	return is_shared_at(child, p, p);
}

/* What each of them has made of page @i. */
static char content(int who, int i)
{
	if (i == 3 + who || (who == 3 && i >= 30 && i < 33))
		return (char)(100 + who);
	return who == 3 && i == 4 ? 101 : (char)(i + 1);
}

static void change(int who)
{
	area[(3 + who) * PAGE + 5] = (char)(100 + who);
	if (who)
		file[PAGE] = (char)who;
	for (int i = 30; who == 3 && i < 33; i++)
		area[i * PAGE + 5] = 103;
	if (who == 2) { /* it is cut into pieces, one of which is gone */
		mprotect(area + 20 * PAGE, 2 * PAGE, PROT_READ);
		munmap(area + 25 * PAGE, PAGE);
		mremap(moved, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		to[PAGE] = 3;
	}
}

static void wait_here(int who) __attribute__((noreturn));
static void wait_here(int who)
{
	pids[who] = getpid();
	for (;;)
		pause();
}

static void become(int who) __attribute__((noreturn));
static void become(int who)
{
	change(who);
	if (who == 1 && fork() == 0) {
		change(3);
		wait_here(3);
	}
	wait_here(who);
}

static void wait_for_all(void)
{
	for (int who = 1; who < NR; who++)
		while (!pids[who])
			victim_sleep(1);
}

/* A mapped file of which the first page is ours, the second the child's, the third the file's. */
static bool make_file(void)
{
	int fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0600);

	if (!expect(fd >= 0) || !expect(ftruncate(fd, 3 * PAGE) == 0) ||
	    !expect(pwrite(fd, "file", 4, 2 * PAGE) == 4))
		return false;
	file = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	close(fd);
	if (!expect(file != MAP_FAILED))
		return false;
	memset(file, 5, 2 * PAGE);
	return true;
}

static bool make(void)
{
	if (!make_file())
		return false;
	pids = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	other = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(other, 2 * PAGE, PROT_READ | PROT_WRITE);
	memset(other, 9, 2 * PAGE);
	moved = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	to = mmap(NULL, 7 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + PAGE;
	munmap(to - PAGE, 7 * PAGE);
	memset(moved, 6, 5 * PAGE);
	mprotect(moved + 4 * PAGE, PAGE, PROT_READ);
	for (int i = 0; i < PAGES; i++)
		area[i * PAGE + 5] = (char)(i + 1);
	pids[0] = getpid();
	for (int who = 1; who <= 2; who++)
		if (fork() == 0)
			become(who);
	wait_for_all();
	change(0);
	for (int who = 1; who < NR; who++)
		for (int i = 0; i < PAGES; i++)
			shared[who][i] = is_shared(who, area + i * PAGE);
	if (!is_shared(1, area))
		skip("pages of memory have no numbers that we may see");
	return expect(!shared[1][3]) && expect(!shared[1][4]) && expect(shared[1][7]) &&
	       expect(shared[3][4]) && expect(!shared[3][31]) && expect(is_shared(1, file)) &&
	       expect(is_shared_at(2, to, moved));
}

/* process_vm_readv() would take the page apart. */
static bool same_content(int who)
{
	char path[64], c;
	int mem;

	snprintf(path, sizeof(path), "/proc/%d/mem", pids[who]);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < PAGES; i++) {
		if (who == 2 && i == 25)
			continue;
		if (!expect(pread(mem, &c, 1, (off_t)(uintptr_t)(area + i * PAGE + 5)) == 1) ||
		    !expect(c == content(who, i)))
			return false;
	}
	close(mem);
	return true;
}

static bool same(void)
{
	for (int who = 0; who < NR; who++) {
		if (!same_content(who))
			return false;
		for (int i = 0; who && i < PAGES; i++)
			if (!expect(is_shared(who, area + i * PAGE) == shared[who][i])) {
				fprintf(stderr, "page %d of %d\n", i, who);
				return false;
			}
	}
	if (!expect(is_shared(1, file)) || !expect(!is_shared(1, file + PAGE)) ||
	    !expect(memcmp(file + 2 * PAGE, "file", 4) == 0) || !expect(file[PAGE] == 5))
		return false;
	if (!expect(is_shared_at(2, to + 2 * PAGE, moved + 2 * PAGE)) ||
	    !expect(!is_shared_at(2, to + PAGE, moved + PAGE)) || !expect(moved[PAGE] == 6) ||
	    !expect(is_shared(1, moved + PAGE)))
		return false;
	/* they are still two */
	area[7 * PAGE + 5] = 77;
	return expect(!is_shared(1, area + 7 * PAGE)) && expect(is_shared(1, other)) &&
	       expect(other[PAGE] == 9);
}

VICTIM(make, same)
