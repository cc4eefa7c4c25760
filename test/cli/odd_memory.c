/* SPDX-License-Identifier: GPL-2.0-only */
/* odd_memory DIR WHAT: memory that cannot be kept, for test/mem/refused.bats */
#include <linux/aio_abi.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

enum { SIZE = 3 * 4096, NR_MEMFD_SECRET = 447 };

static const char *what;

/* A segment that somebody has who is not in the tree: our parent's other child. */
static bool make_sysv(void *p)
{
	int id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
	bool ok = id >= 0 && shmat(id, NULL, 0) != (void *)-1;

	shmctl(id, IPC_RMID, NULL);
	if (fork() == 0) {
		if (fork() == 0) {
			setsid();
			while (access(victim_path("verdict"), F_OK) < 0)
				victim_sleep(10);
		}
		_exit(0);
	}
	wait(NULL);
	return ok;
}

static bool make_secret(void *p)
{
	int fd = (int)syscall(NR_MEMFD_SECRET, 0);

	return fd >= 0 && ftruncate(fd, SIZE) == 0 &&
	       mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED &&
	       close(fd) == 0;
}

/* A child has the ring of its parent, and nothing to use it with. */
static bool make_aio(void *p)
{
	aio_context_t ctx = 0;

	if (syscall(SYS_io_setup, 5, &ctx) != 0)
		return false;
	if (fork() == 0)
		for (;;)
			pause();
	return true;
}

/* What is left of a ring is not one. */
static bool make_aio_cut(void *p)
{
	aio_context_t ctx = 0;

	return syscall(SYS_io_setup, 500, &ctx) == 0 && munmap((char *)ctx + 4096, 4096) == 0;
}

/* A child has given a policy to a piece of what its parent has as one. */
static bool make_policy(void *p)
{
	char *shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long nodes = 1;
	int said[2], mode;

	if (syscall(SYS_get_mempolicy, &mode, NULL, 0L, NULL, 0L) < 0 || pipe(said) < 0)
		return false;
	if (fork() == 0) {
		syscall(SYS_mbind, shared, 4096L, (long)MPOL_BIND, &nodes, 64L, 0L);
		if (write(said[1], "x", 1) == 1)
			for (;;)
				pause();
	}
	return read(said[0], &mode, 1) == 1;
}

static bool make_uffd(void *p)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)p, SIZE },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };

	return fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 && ioctl(fd, UFFDIO_REGISTER, &reg) == 0;
}

static const struct {
	const char *name;
	bool (*make)(void *p);
} makers[] = {
	{ "sysv", make_sysv },	     { "secret", make_secret }, { "aio", make_aio },
	{ "aio_cut", make_aio_cut }, { "policy", make_policy }, { "uffd", make_uffd },
};

static bool make(void)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		if (strcmp(makers[i].name, what) == 0)
			return makers[i].make(p);
	return false;
}

static bool same(void)
{
	return true;
}

int main(int argc, char **argv)
{
	what = argv[2];
	return victim_main(argc, argv, make, same);
}
