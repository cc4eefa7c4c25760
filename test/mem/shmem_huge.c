/* SPDX-License-Identifier: GPL-2.0-only */
/* System V segments of huge pages, whole and in parts */
#include <sys/mman.h>
#include <sys/shm.h>

#include "victim.h"

enum { HUGE = 2 << 20, SIZE = HUGE + 4097 };

static int id;
static unsigned char *whole, *part;

static bool make(void)
{
	id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | SHM_HUGETLB | 21 << 26 | 0600);
	if (id < 0)
		skip("this machine has no two free huge pages of 2 MiB (vm.nr_hugepages)");
	whole = shmat(id, NULL, 0);
	part = shmat(id, NULL, SHM_RDONLY);
	if (!expect(whole != (void *)-1 && part != (void *)-1))
		return false;
	shmctl(id, IPC_RMID, NULL);
	whole[5] = 5;
	whole[HUGE + 4096] = 7;
	return expect(munmap(part, HUGE) == 0);
}

static bool is_huge(const void *p)
{
	char line[256], start[32];
	bool here = false;
	unsigned long kib = 0;
	FILE *f = fopen("/proc/self/smaps", "r");

	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	while (!kib && fgets(line, sizeof(line), f)) {
		here = here || strncmp(line, start, strlen(start)) == 0;
		if (here)
			sscanf(line, "KernelPageSize: %lu kB", &kib);
	}
	fclose(f);
	return kib == HUGE / 1024;
}

static bool same(void)
{
	struct shmid_ds ds;

	return expect(whole[5] == 5) && expect(part[HUGE + 4096] == 7) && expect(!whole[HUGE]) &&
	       expect(is_huge(whole)) && expect(is_huge(part + HUGE)) &&
	       expect(shmctl(id, IPC_STAT, &ds) == 0) &&
	       expect(ds.shm_segsz == SIZE && ds.shm_nattch == 2) &&
	       expect(ds.shm_perm.mode & SHM_DEST) && expect(shmdt(whole) == 0) &&
	       expect(munmap(part + HUGE, HUGE) == 0) && expect(shmctl(id, IPC_STAT, &ds) < 0);
}

VICTIM(make, same)
