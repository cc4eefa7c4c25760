/* SPDX-License-Identifier: GPL-2.0-only */
/* POSIX locks: ranges, read and write, of parent and child, on a file that is mapped too */
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

static int rw, ro, go[2], done[2];
static char *mapped;
static pid_t child;

static int lock(int fd, short type, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, F_SETLK, &l);
}

/* What somebody else finds who wants all of [start, start + len) for writing. */
static struct flock found(off_t start, off_t len)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	int p[2];

	if (pipe(p) < 0)
		return l;
	if (fork() == 0) {
		if (fcntl(rw, F_GETLK, &l) < 0)
			l.l_type = -1;
		if (write(p[1], &l, sizeof(l)) < 0)
			_exit(1);
		_exit(0);
	}
	if (read(p[0], &l, sizeof(l)) != sizeof(l))
		l.l_type = -1;
	close(p[0]);
	close(p[1]);
	wait(NULL);
	return l;
}

static bool is(off_t start, off_t len, short type, off_t lock_start, off_t lock_len, pid_t pid)
{
	struct flock l = found(start, len);

	return expect(l.l_type == type) &&
	       (type == F_UNLCK || (expect(l.l_start == lock_start) &&
				    expect(l.l_len == lock_len) && expect(l.l_pid == pid)));
}

/* Has a lock of its own through descriptors it shares with us. */
static void be_child(void)
{
	char c;

	if (lock(rw, F_WRLCK, 700, 7) == 0 && write(done[1], "y", 1) == 1)
		while (read(go[0], &c, 1) == 1)
			;
	_exit(0);
}

static bool make(void)
{
	char c;

	rw = open("file", O_RDWR | O_CREAT | O_EXCL, 0600);
	ro = open("file", O_RDONLY);
	mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, rw, 0);
	if (!expect(rw >= 0 && ro >= 0 && mapped != MAP_FAILED && ftruncate(rw, 4096) == 0) ||
	    !expect(pipe(go) == 0 && pipe(done) == 0))
		return false;

	child = fork();
	if (child == 0)
		be_child();
	if (!expect(read(done[0], &c, 1) == 1))
		return false;
	return expect(lock(rw, F_WRLCK, 5, 11) == 0) && expect(lock(ro, F_RDLCK, 100, 1) == 0) &&
	       expect(lock(rw, F_WRLCK, 5000, 0) == 0);
}

static bool same(void)
{
	pid_t me = getpid();

	mapped[3] = 5;
	return is(0, 5, F_UNLCK, 0, 0, 0) && is(0, 20, F_WRLCK, 5, 11, me) &&
	       is(16, 84, F_UNLCK, 0, 0, 0) && is(16, 400, F_RDLCK, 100, 1, me) &&
	       is(101, 700, F_WRLCK, 700, 7, child) && is(707, 4293, F_UNLCK, 0, 0, 0) &&
	       is(10000, 1, F_WRLCK, 5000, 0, me);
}

VICTIM(make, same)
