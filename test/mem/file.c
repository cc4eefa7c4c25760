/* SPDX-License-Identifier: GPL-2.0-only */
/* mapped files: private and partly written, shared, deleted, read-only of a writable descriptor */
#include <sys/mman.h>
#include <sys/stat.h>

#include "victim.h"

enum { PAGE = 4096, SIZE = 9 * PAGE + 123 };

static char *private, *shared, *deleted, *may_write, *zero;

static char *map(const char *name, int prot, int flags, bool unlinked)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *p;

	for (int i = 0; i < SIZE; i++)
		if (write(fd, &(char){ 'a' + i % 23 }, 1) != 1)
			return NULL;
	p = mmap(NULL, SIZE, prot, flags, fd, 0);
	close(fd);
	if (unlinked)
		unlink(name);
	return p == MAP_FAILED ? NULL : p;
}

static bool make(void)
{
	private = map("private", PROT_READ | PROT_WRITE, MAP_PRIVATE, false);
	shared = map("shared", PROT_READ | PROT_WRITE, MAP_SHARED, false);
	deleted = map("deleted", PROT_READ | PROT_WRITE, MAP_PRIVATE, true);
	may_write = map("may_write", PROT_READ, MAP_SHARED, false);
	if (!expect(private && shared && deleted && may_write))
		return false;

	/* the old way to anonymous memory */
	zero = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		    open("/dev/zero", O_RDWR | O_CLOEXEC), 0);
	if (!expect(zero != MAP_FAILED))
		return false;
	zero[PAGE + 1] = 'Z';
	private[3 * PAGE + 7] = 'P';
	private[7 * PAGE + 1] = 'Q';
	shared[5 * PAGE + 3] = 'S';
	deleted[2 * PAGE + 9] = 'D';
	return true;
}

static bool same_but(const char *p, int at, char c, int at2, char c2)
{
	for (int i = 0; i < SIZE; i++) {
		char want = i == at ? c : i == at2 ? c2 : (char)('a' + i % 23);

		if (p[i] != want)
			return expect(!"content");
	}
	return true;
}

/* What stands in the file, not in our memory. */
static bool in_file(const char *name, int at, char c)
{
	int fd = open(name, O_RDONLY);
	char got = 0;
	bool ok = pread(fd, &got, 1, at) == 1 && got == c;

	close(fd);
	return ok;
}

static bool same(void)
{
	if (!same_but(private, 3 * PAGE + 7, 'P', 7 * PAGE + 1, 'Q') ||
	    !same_but(shared, 5 * PAGE + 3, 'S', -1, 0) ||
	    !same_but(deleted, 2 * PAGE + 9, 'D', -1, 0) || !same_but(may_write, -1, 0, -1, 0))
		return false;

	if (!expect(zero[PAGE + 1] == 'Z' && !zero[PAGE + 2] && !zero[4 * PAGE]))
		return false;

	/* private stays private, shared is shared */
	private[11] = '!';
	shared[11] = '!';
	if (!expect(in_file("private", 11, 'a' + 11)) || !expect(in_file("shared", 11, '!')) ||
	    !expect(in_file("private", 3 * PAGE + 7, 'a' + (3 * PAGE + 7) % 23)))
		return false;

	/* what may be made writable can still be */
	if (!expect(mprotect(may_write, SIZE, PROT_READ | PROT_WRITE) == 0))
		return false;
	may_write[13] = '!';
	return expect(in_file("may_write", 13, '!')) && expect(access("deleted", F_OK) < 0);
}

VICTIM(make, same)
