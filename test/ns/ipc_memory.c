/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shared memory of an ipc namespace: protections of its pages, and huge pages;
 * semaphores that guard it are in use all the time
 */
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "said.h"

enum { PAGE = 4096, HUGE = 2 << 20, WORKERS = 3 };

struct counted {
	volatile long a, b; /* always the same outside of the lock */
	volatile long broken, stop;
};

static char *pages, *huge;
static struct counted *counted;
static int sem;

static void lock(int by)
{
	struct sembuf op = { .sem_op = (short)by };

	while (semop(sem, &op, 1) < 0 && errno == EINTR)
		;
}

static void work(void)
{
	while (!counted->stop) {
		lock(-1);
		counted->broken += counted->a != counted->b;
		counted->a++;
		for (volatile int i = 0; i < 500; i++)
			;
		counted->b++;
		lock(1);
	}
	_exit(0);
}

/* How /proc/self/maps shows the protection of the page at @p. */
static bool is_protected(const void *p, const char *how)
{
	char line[512];
	bool found = false;
	FILE *f = fopen("/proc/self/maps", "r");

	while (f && !found && fgets(line, sizeof(line), f)) {
		unsigned long from, to;
		char prot[8];

		if (sscanf(line, "%lx-%lx %4s", &from, &to, prot) == 3 &&
		    from <= (unsigned long)p && (unsigned long)p < to)
			found = strcmp(prot, how) == 0;
	}
	if (f)
		fclose(f);
	return found;
}

static bool make(void)
{
	int id;

	/* elsewhere there is one already, and a tree has only one */
	if (victim_is_at("host") && !expect(unshare(CLONE_NEWIPC) == 0))
		return false;
	pages = shmat(shmget(IPC_PRIVATE, 4 * PAGE + 77, IPC_CREAT | 0600), NULL, 0);
	counted = shmat(shmget(IPC_PRIVATE, sizeof(*counted), IPC_CREAT | 0600), NULL, 0);
	sem = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
	if (!expect(pages != (void *)-1) || !expect(counted != (void *)-1) || !expect(sem >= 0))
		return false;
	/* not every machine has some */
	id = shmget(IPC_PRIVATE, HUGE, IPC_CREAT | SHM_HUGETLB | 0600);
	huge = id < 0 ? NULL : shmat(id, NULL, 0);
	if (huge)
		strcpy(huge + HUGE - 77, "huge");
	memset(pages, 'p', 4 * PAGE + 77);
	lock(1);
	for (int i = 0; i < WORKERS; i++)
		if (fork() == 0)
			work();
	return expect(mprotect(pages + PAGE, PAGE, PROT_READ) == 0) &&
	       expect(mprotect(pages + 2 * PAGE, PAGE, PROT_NONE) == 0);
}

static bool same(void)
{
	long before = counted->a;

	victim_sleep(50);
	counted->stop = 1;
	for (int i = 0; i < WORKERS; i++)
		wait(NULL);
	return expect(counted->a > before) && expect(counted->a == counted->b) &&
	       expect(!counted->broken) && expect(pages[4 * PAGE + 76] == 'p') &&
	       expect(pages[PAGE] == 'p') && expect(is_protected(pages, "rw-s")) &&
	       expect(is_protected(pages + PAGE, "r--s")) &&
	       expect(is_protected(pages + 2 * PAGE, "---s")) &&
	       expect(!huge || strcmp(huge + HUGE - 77, "huge") == 0);
}

VICTIM(make, same)
