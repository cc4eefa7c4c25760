/* SPDX-License-Identifier: GPL-2.0-only */
/* descriptors of shared anonymous memory, and private mappings of it beside the shared one */
#include <sys/mman.h>

#include "victim.h"

enum { PAGE = 4096, PAGES = 9 };

static char *shared, *again, *private;
static int fd, reader;

static bool open_object(int flags, int *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)shared,
		 (unsigned long)shared + PAGES * PAGE);
	*ret = open(path, flags);
	return *ret >= 0;
}

static bool make(void)
{
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);

	shared = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
	close(zero);
	if (!expect(shared != MAP_FAILED))
		return false;
	for (int i = 0; i < PAGES; i++)
		shared[i * PAGE + 1] = (char)(i + 'a');
	if (!open_object(O_RDWR, &fd) || !open_object(O_RDONLY | O_CLOEXEC, &reader))
		skip("we may not open what we have mapped (CAP_CHECKPOINT_RESTORE)");
	if (!expect(lseek(fd, 2 * PAGE + 1, SEEK_SET) == 2 * PAGE + 1) ||
	    !expect(lseek(reader, 77, SEEK_SET) == 77) ||
	    !expect(fcntl(fd, F_SETFL, O_APPEND) == 0))
		return false;
	again = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, reader, 4 * PAGE);
	private = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 3 * PAGE);
	if (!expect(again != MAP_FAILED && private != MAP_FAILED))
		return false;
	private[PAGE + 1] = '!';
	return true;
}

static bool same(void)
{
	char c = 0;

	for (int i = 0; i < PAGES; i++)
		if (!expect(shared[i * PAGE + 1] == i + 'a'))
			return false;
	if (!expect(lseek(fd, 0, SEEK_CUR) == 2 * PAGE + 1) ||
	    !expect(lseek(reader, 0, SEEK_CUR) == 77) ||
	    !expect((fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND)) == (O_RDWR | O_APPEND)) ||
	    !expect((fcntl(reader, F_GETFL) & O_ACCMODE) == O_RDONLY) ||
	    !expect(fcntl(reader, F_GETFD) == FD_CLOEXEC) || !expect(fcntl(fd, F_GETFD) == 0))
		return false;
	if (!expect(read(fd, &c, 1) == 1) || !expect(c == 'c'))
		return false;
	/* one object behind all; the private page is apart, its neighbours are not */
	shared[4 * PAGE + 2] = 'X';
	shared[5 * PAGE + 2] = 'Y';
	return expect(pread(reader, &c, 1, 4 * PAGE + 2) == 1) && expect(c == 'X') &&
	       expect(again[2] == 'X') && expect(again[PAGE + 1] == 'f') &&
	       expect(private[PAGE + 1] == '!') && expect(private[PAGE + 2] == 0) &&
	       expect(private[2 * PAGE + 2] == 'Y') && expect(private[1] == 'd');
}

VICTIM(make, same)
