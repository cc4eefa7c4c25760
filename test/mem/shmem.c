/* SPDX-License-Identifier: GPL-2.0-only */
/* System V segments: number, key, content, parts, rights, shared with a child, going with the last user */
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include "victim.h"

enum { PAGE = 4096, SIZE = 9 * PAGE + 17 };

static int named, passing, key;
static volatile char *whole, *readonly, *part, *gone;
static pid_t child;

static void child_main(void)
{
	while (whole[1] != 'g')
		victim_sleep(2);
	whole[2] = part[4 * PAGE + 5] == 'p' ? 'y' : 'n';
	_exit(0);
}

static bool make(void)
{
	key = 0x5eed0000 + getpid();
	named = shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0640);
	passing = shmget(IPC_PRIVATE, SIZE, 0600);
	if (!expect(named >= 0 && passing >= 0))
		return false;
	whole = shmat(named, NULL, 0);
	readonly = shmat(named, NULL, SHM_RDONLY);
	part = shmat(passing, NULL, 0);
	gone = shmat(passing, NULL, 0);
	shmctl(passing, IPC_RMID, NULL);
	if (!expect(whole != (void *)-1 && readonly != (void *)-1 && part != (void *)-1 &&
		    gone != (void *)-1))
		return false;

	whole[7 * PAGE + 3] = 'w';
	part[4 * PAGE + 5] = 'p';
	/* holes in the first, only an end of the second */
	munmap((char *)part + PAGE, 2 * PAGE);
	munmap((char *)gone, 6 * PAGE);
	mprotect((char *)whole + 3 * PAGE, PAGE, PROT_NONE);
	gone[9 * PAGE] = 'e';

	child = fork();
	if (child == 0)
		child_main();
	return expect(child > 0);
}

static bool same(void)
{
	struct shmid_ds ds;
	int status;

	if (!expect(shmget(key, 0, 0) == named) || !expect(shmctl(named, IPC_STAT, &ds) == 0) ||
	    !expect(ds.shm_segsz == SIZE && (ds.shm_perm.mode & 07777) == 0640 &&
		    ds.shm_nattch == 8))
		return false;
	if (!expect(whole[7 * PAGE + 3] == 'w' && readonly[7 * PAGE + 3] == 'w' && !readonly[0]) ||
	    !expect(mprotect((char *)readonly, PAGE, PROT_WRITE) < 0))
		return false;
	whole[0] = 'x';
	if (!expect(readonly[0] == 'x') ||
	    !expect(part[4 * PAGE + 5] == 'p' && part[9 * PAGE] == 'e' && gone[9 * PAGE] == 'e'))
		return false;
	gone[7 * PAGE] = 'z';
	if (!expect(part[7 * PAGE] == 'z') || !expect(shmctl(passing, IPC_STAT, &ds) == 0) ||
	    !expect(ds.shm_perm.mode & SHM_DEST))
		return false;

	whole[1] = 'g';
	if (!expect(waitpid(child, &status, 0) == child && status == 0 && whole[2] == 'y'))
		return false;
	shmdt((char *)part);
	munmap((char *)part, 10 * PAGE);
	munmap((char *)gone, 10 * PAGE);
	return expect(shmctl(passing, IPC_STAT, &ds) < 0) &&
	       expect(shmctl(named, IPC_RMID, NULL) == 0);
}

VICTIM(make, same)
