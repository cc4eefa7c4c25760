/* SPDX-License-Identifier: GPL-2.0-only */
/* a memfd sealed against future writers keeps the writable mapping it had before */
#include <sys/mman.h>

#include "victim.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif

enum { SEALS = F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SEAL };

static int fd;
static char *map;

static bool make(void)
{
	fd = memfd_create("future", MFD_ALLOW_SEALING);
	if (!expect(fd >= 0 && ftruncate(fd, 8191) == 0))
		return false;
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	strcpy(map + 4099, "before");
	return expect(fcntl(fd, F_ADD_SEALS, SEALS) == 0);
}

static bool same(void)
{
	char buf[8] = "";

	if (!expect(fcntl(fd, F_GET_SEALS) == SEALS))
		return false;
	strcpy(map + 17, "after");
	return expect(pread(fd, buf, 6, 17) == 6 && strcmp(buf, "after") == 0) &&
	       expect(strcmp(map + 4099, "before") == 0) &&
	       expect(pwrite(fd, "x", 1, 0) < 0 && errno == EPERM) &&
	       expect(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
}

VICTIM(make, same)
