/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * OFD locks: of a whole file, overlapping ones of several openings, inherited over
 * fork(); and each lock and lease is there once, however many descriptors lead to it
 */
/* dump: --file-locks */
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

static int whole, over[2], inherited, lease, flocked;
static pid_t child;

static int set(int fd, short type, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, F_OFD_SETLK, &l);
}

static int new_file(const char *name, int flags)
{
	int fd = open(name, O_RDWR | O_CREAT, 0600);

	return fd < 0 || close(fd) < 0 ? -1 : open(name, flags);
}

/* The child takes the lock, and has it with us. */
static bool make_child(void)
{
	int ready[2];
	char c;

	if (!expect(pipe(ready) == 0))
		return false;
	child = fork();
	if (child == 0) {
		c = set(inherited, F_WRLCK, 3, 14) == 0 ? 'y' : 'n';
		if (write(ready[1], &c, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	return expect(read(ready[0], &c, 1) == 1 && c == 'y');
}

static bool make(void)
{
	return expect((whole = new_file("whole", O_RDWR)) >= 0) &&
	       expect(set(whole, F_WRLCK, 0, 0) == 0) &&
	       expect((over[0] = new_file("over", O_RDWR)) >= 0) &&
	       expect((over[1] = open("over", O_RDONLY)) >= 0) &&
	       expect(set(over[0], F_RDLCK, 0, 100) == 0) &&
	       expect(set(over[1], F_RDLCK, 50, 100) == 0) &&
	       expect((inherited = new_file("inherited", O_RDWR)) >= 0) &&
	       expect((lease = new_file("lease", O_RDONLY)) >= 0) &&
	       expect(fcntl(lease, F_SETLEASE, F_RDLCK) == 0) && expect(dup(lease) >= 0) &&
	       expect((flocked = new_file("flocked", O_RDWR)) >= 0) &&
	       expect(flock(flocked, LOCK_EX) == 0) && expect(dup(flocked) >= 0) && make_child();
}

/* How many locks all processes have on the file. */
static int locks_on(int fd)
{
	char line[256], want[64];
	struct stat st;
	FILE *f = fopen("/proc/locks", "r");
	int n = 0;

	if (!f || fstat(fd, &st) < 0)
		return -1;
	snprintf(want, sizeof(want), ":%lu ", st.st_ino);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, want) && !strstr(line, "->");
	fclose(f);
	return n;
}

static bool can(const char *name, short type, off_t start, off_t len)
{
	int fd = open(name, O_RDWR);
	bool ok = set(fd, type, start, len) == 0;

	close(fd);
	return ok;
}

static bool same(void)
{
	return expect(locks_on(whole) == 1) && expect(locks_on(over[0]) == 2) &&
	       expect(locks_on(inherited) == 1) && expect(locks_on(lease) == 1) &&
	       expect(locks_on(flocked) == 1) && expect(!can("whole", F_RDLCK, 1ll << 40, 1)) &&
	       expect(can("over", F_RDLCK, 0, 0)) && expect(!can("over", F_WRLCK, 99, 1)) &&
	       expect(set(over[0], F_UNLCK, 0, 0) == 0) && expect(can("over", F_WRLCK, 0, 50)) &&
	       expect(!can("over", F_WRLCK, 50, 1)) && expect(!can("inherited", F_RDLCK, 16, 1)) &&
	       expect(can("inherited", F_WRLCK, 0, 3)) &&
	       expect(can("inherited", F_WRLCK, 17, 0)) && expect(close(inherited) == 0) &&
	       expect(!can("inherited", F_RDLCK, 16, 1)) && expect(kill(child, SIGKILL) == 0) &&
	       expect(waitpid(child, NULL, 0) == child) && expect(can("inherited", F_RDLCK, 16, 1));
}

VICTIM(make, same)
