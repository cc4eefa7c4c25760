/* SPDX-License-Identifier: GPL-2.0-only */
/* a System V segment keeps who made it and who owns it, its mode, its lock, what may be done in it */
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include "victim.h"

enum { PAGE = 4096, SIZE = 3 * PAGE + 5 };

static int id, key;
static unsigned char *area;

/* As another user, who then gives it away. */
static void make_segment(void)
{
	struct shmid_ds ds = { .shm_perm = { .uid = 13, .gid = 14, .mode = 0604 } };

	if (setegid(11) < 0 || seteuid(12) < 0)
		_exit(1);
	id = shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0600);
	_exit(id < 0 || shmctl(id, IPC_SET, &ds) < 0);
}

static bool make(void)
{
	int status;
	pid_t child;

	key = 0x0dd00000 + getpid();
	child = fork();
	if (child == 0)
		make_segment();
	if (!expect(waitpid(child, &status, 0) == child && status == 0))
		return false;
	id = shmget(key, 0, 0);
	area = shmat(id, NULL, 0);
	if (!expect(area != (void *)-1) || !expect(shmctl(id, SHM_LOCK, NULL) == 0))
		return false;
	/* the page between is never written */
	area[5] = 5;
	area[2 * PAGE + 7] = 7;
	area[3 * PAGE + 4] = 9;
	return expect(mprotect(area, PAGE, PROT_READ | PROT_EXEC) == 0) &&
	       expect(madvise(area + 2 * PAGE, PAGE, MADV_DONTFORK) == 0);
}

static bool same_record(void)
{
	struct shmid_ds ds;

	return expect(shmctl(id, IPC_STAT, &ds) == 0) && expect(ds.shm_perm.__key == key) &&
	       expect(ds.shm_segsz == SIZE) && expect(ds.shm_nattch == 4) &&
	       expect(ds.shm_perm.cuid == 12 && ds.shm_perm.cgid == 11) &&
	       expect(ds.shm_perm.uid == 13 && ds.shm_perm.gid == 14) &&
	       expect((ds.shm_perm.mode & 07777) == (0604 | SHM_LOCKED));
}

static bool same(void)
{
	for (int i = 0; i < 4 * PAGE; i++) {
		int want = i == 5 ? 5 : i == 2 * PAGE + 7 ? 7 : i == 3 * PAGE + 4 ? 9 : 0;

		if (!expect(area[i] == want))
			return false;
	}
	if (!same_record())
		return false;
	return expect(mprotect(area, PAGE, PROT_READ | PROT_WRITE) == 0) &&
	       expect(shmdt(area) == 0) && expect(shmctl(id, IPC_RMID, NULL) == 0);
}

VICTIM(make, same)
