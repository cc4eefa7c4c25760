/* SPDX-License-Identifier: GPL-2.0-only */
/* sealed areas (mseal): of memory, of a file, without rights; what is beside them is not sealed */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "victim.h"

enum { NR_MSEAL = 462, PAGE = 4096 };

/* three pages each, of which the middle one, or the last two, are sealed */
static char *memory, *readable, *nothing, *of_file;

static char *map(int prot, int flags, int fd)
{
	char *p = mmap(NULL, 3 * PAGE, prot, flags, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool make(void)
{
	int fd = open("file", O_RDWR | O_CREAT, 0600);

	if (!expect(ftruncate(fd, 3 * PAGE) == 0) ||
	    !expect((memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1))) ||
	    !expect((readable = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1))) ||
	    !expect((nothing = map(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1))) ||
	    !expect((of_file = map(PROT_READ | PROT_WRITE, MAP_SHARED, fd))))
		return false;
	memory[PAGE + 5] = 55;
	readable[7] = 77;
	readable[PAGE + 9] = 99;
	if (!expect(mprotect(readable, 3 * PAGE, PROT_READ) == 0) || !expect(close(fd) == 0))
		return false;
	if (syscall(NR_MSEAL, memory + PAGE, PAGE, 0) < 0 && errno == ENOSYS)
		skip("this kernel has no mseal()");
	return expect(syscall(NR_MSEAL, readable + PAGE, 2 * PAGE, 0) == 0) &&
	       expect(syscall(NR_MSEAL, nothing + PAGE, 2 * PAGE, 0) == 0) &&
	       expect(syscall(NR_MSEAL, of_file + PAGE, 2 * PAGE, 0) == 0);
}

static bool is_sealed(char *at, size_t len)
{
	return expect(mprotect(at, len, PROT_READ | PROT_WRITE) < 0 && errno == EPERM) &&
	       expect(munmap(at, len) < 0 && errno == EPERM) &&
	       expect(mmap(at, len, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			      MAP_FAILED &&
		      errno == EPERM);
}

static bool is_free(char *at)
{
	return expect(mprotect(at, PAGE, PROT_READ | PROT_EXEC) == 0) &&
	       expect(munmap(at, PAGE) == 0);
}

static bool same(void)
{
	of_file[2 * PAGE] = 5;
	memory[PAGE + 6] = memory[PAGE + 5];
	return expect(memory[PAGE + 6] == 55 && readable[7] == 77 && readable[PAGE + 9] == 99) &&
	       is_sealed(memory + PAGE, PAGE) && is_sealed(readable + PAGE, 2 * PAGE) &&
	       is_sealed(readable + 2 * PAGE, PAGE) && is_sealed(nothing + PAGE, 2 * PAGE) &&
	       is_sealed(of_file + PAGE, 2 * PAGE) && is_free(memory) &&
	       is_free(memory + 2 * PAGE) && is_free(readable) && is_free(nothing) &&
	       is_free(of_file);
}

VICTIM(make, same)
