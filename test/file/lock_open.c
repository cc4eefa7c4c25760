/* SPDX-License-Identifier: GPL-2.0-only */
/* locks of open files: flock() and OFD, shared and exclusive, over dup and fork; leases */
#include <sys/file.h>
#include <sys/wait.h>

#include "victim.h"

static int exclusive, exclusive_dup, shared[2], unlocked, inherited, ofd, lease_rd, lease_wr;

static int make_file(const char *name, int flags)
{
	return open(name, flags | O_CREAT, 0600);
}

static int ofd_lock(int fd, int cmd, short type, off_t start, off_t len, struct flock *ret)
{
	*ret = (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len
	};
	return fcntl(fd, cmd, ret);
}

static bool make_leases(void)
{
	int fd = make_file("lease_rd", O_RDWR);

	return expect(fd >= 0 && close(fd) == 0) &&
	       expect((lease_rd = open("lease_rd", O_RDONLY)) >= 0) &&
	       expect(fcntl(lease_rd, F_SETLEASE, F_RDLCK) == 0) &&
	       expect((lease_wr = make_file("lease_wr", O_RDWR)) >= 0) &&
	       expect(write(lease_wr, "content", 7) == 7) &&
	       expect(fcntl(lease_wr, F_SETLEASE, F_WRLCK) == 0);
}

/* The child locks what we both have, and is gone: the lock is ours now. */
static bool make_inherited(void)
{
	int status;

	inherited = make_file("inherited", O_RDWR);
	if (fork() == 0)
		_exit(flock(inherited, LOCK_EX));
	return expect(wait(&status) > 0 && status == 0);
}

static bool make(void)
{
	struct flock l;

	exclusive = make_file("exclusive", O_RDWR);
	exclusive_dup = dup(exclusive);
	shared[0] = make_file("shared", O_RDWR);
	shared[1] = make_file("shared", O_RDONLY);
	unlocked = make_file("shared", O_WRONLY);
	ofd = make_file("ofd", O_RDWR);
	return expect(flock(exclusive, LOCK_EX) == 0) && expect(flock(shared[0], LOCK_SH) == 0) &&
	       expect(flock(shared[1], LOCK_SH) == 0) && make_inherited() &&
	       expect(ofd_lock(ofd, F_OFD_SETLK, F_WRLCK, 5, 7, &l) == 0) &&
	       expect(ofd_lock(ofd, F_OFD_SETLK, F_RDLCK, 50, 0, &l) == 0) && make_leases();
}

/* With a new opening of the file. */
static bool can_flock(const char *name, int how)
{
	int fd = open(name, O_RDWR);
	bool can = flock(fd, how | LOCK_NB) == 0;

	close(fd);
	return can;
}

static bool same_ofd(void)
{
	int fd = open("ofd", O_RDWR);
	struct flock a, b, c;
	bool ok = expect(ofd_lock(fd, F_OFD_GETLK, F_WRLCK, 0, 20, &a) == 0) &&
		  expect(ofd_lock(fd, F_OFD_GETLK, F_WRLCK, 100, 1, &b) == 0) &&
		  expect(ofd_lock(fd, F_OFD_GETLK, F_WRLCK, 12, 38, &c) == 0);

	close(fd);
	return ok &&
	       expect(a.l_type == F_WRLCK && a.l_start == 5 && a.l_len == 7 && a.l_pid == -1) &&
	       expect(b.l_type == F_RDLCK && b.l_start == 50 && b.l_len == 0) &&
	       expect(c.l_type == F_UNLCK);
}

/* One lock on two descriptors: unlocking through one frees it. */
static bool same_flock(void)
{
	return expect(!can_flock("exclusive", LOCK_SH)) && expect(can_flock("shared", LOCK_SH)) &&
	       expect(!can_flock("shared", LOCK_EX)) && expect(!can_flock("inherited", LOCK_SH)) &&
	       expect(flock(exclusive_dup, LOCK_UN) == 0) &&
	       expect(can_flock("exclusive", LOCK_EX)) && expect(flock(exclusive, LOCK_EX) == 0) &&
	       expect(flock(shared[0], LOCK_UN) == 0) && expect(!can_flock("shared", LOCK_EX)) &&
	       expect(flock(shared[0], LOCK_SH | LOCK_NB) == 0) &&
	       expect(flock(unlocked, LOCK_EX | LOCK_NB) < 0);
}

static bool same(void)
{
	return same_flock() && same_ofd() && expect(fcntl(lease_rd, F_GETLEASE) == F_RDLCK) &&
	       expect(fcntl(lease_wr, F_GETLEASE) == F_WRLCK);
}

VICTIM(make, same)
