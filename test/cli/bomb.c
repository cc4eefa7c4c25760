/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bomb DIR: a fork bomb that is kept from harm: everybody forks as long as there
 * are fewer than 40, else ends, and the first one adopts and reaps the orphans.
 * Without it all end.
 * How often it has forked is in the file "forks".  For test/cli/bad_input.bats.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "victim.h"

enum { MOST = 40 };

static volatile long *forks;

/* One more of us, if there is room; the dead count until they are reaped. */
static bool may_be_born(int *alive)
{
	if (__atomic_add_fetch(alive, 1, __ATOMIC_SEQ_CST) <= MOST)
		return true;
	__atomic_sub_fetch(alive, 1, __ATOMIC_SEQ_CST);
	return false;
}

static void go_off(int *alive, pid_t first) __attribute__((noreturn));
static void go_off(int *alive, pid_t first)
{
	while (kill(first, 0) == 0) {
		if (may_be_born(alive)) {
			pid_t pid = fork();

			if (pid < 0)
				__atomic_sub_fetch(alive, 1, __ATOMIC_SEQ_CST);
			if (pid == 0)
				__atomic_add_fetch(forks, 1, __ATOMIC_SEQ_CST);
		} else if (getpid() != first) {
			_exit(0);
		}
		while (getpid() == first && waitpid(-1, NULL, WNOHANG) > 0)
			__atomic_sub_fetch(alive, 1, __ATOMIC_SEQ_CST);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int fd;
	char *shared;

	snprintf(victim_dir, sizeof(victim_dir), "%s", argv[1]);
	fd = open("forks", O_RDWR | O_CREAT, 0666);
	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return 1;
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		return 1;
	close(fd);
	forks = (volatile long *)shared;
	*(int *)(shared + 64) = 1;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	victim_say("ready", "%d", getpid());
	go_off((int *)(shared + 64), getpid());
}
