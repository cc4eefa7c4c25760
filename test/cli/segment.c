/* SPDX-License-Identifier: GPL-2.0-only */
/* segment DIR make KEY | change ID | hold ID: somebody else's hand on a System V segment, for test/mem/shmem.bats */
#include <sys/shm.h>

#include "victim.h"

static const char *verb;
static int number;

static bool make(void)
{
	int id = strcmp(verb, "make") == 0 ? shmget(number, 100, IPC_CREAT | IPC_EXCL | 0600)
					   : number;
	struct shmid_ds ds;
	char *p = shmat(id, NULL, 0);

	if (!expect(p != (void *)-1) || !expect(shmctl(id, IPC_STAT, &ds) == 0))
		return false;
	memset(p, 0xee, ds.shm_segsz);
	return strcmp(verb, "hold") == 0 || expect(shmdt(p) == 0);
}

static bool same(void)
{
	return true;
}

int main(int argc, char **argv)
{
	verb = argv[2];
	number = (int)strtol(argv[3], NULL, 0);
	return victim_main(argc, argv, make, same);
}
