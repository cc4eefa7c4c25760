/* SPDX-License-Identifier: GPL-2.0-only */
/* what was written through a mapping is in the file, with the time at which it was */
#include <sys/mman.h>
#include <sys/stat.h>

#include "victim.h"

enum { SIZE = 3 * 4096, LENGTH = 2 * 4096 + 5 };

static int fd, gone;
static char *map, *gone_map;
static struct stat was, gone_was;

static int make_file(const char *name, char **map_ret)
{
	int f = open(name, O_RDWR | O_CREAT, 0600);

	if (f < 0 || ftruncate(f, LENGTH) < 0)
		return -1;
	*map_ret = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	victim_sleep(20);
	if (*map_ret == MAP_FAILED)
		return -1;
	memcpy(*map_ret + 4099, "mapped", 6);
	return msync(*map_ret, SIZE, MS_SYNC) < 0 ? -1 : f;
}

static bool make(void)
{
	return expect((fd = make_file("file", &map)) >= 0) &&
	       expect((gone = make_file("gone", &gone_map)) >= 0) && expect(unlink("gone") == 0) &&
	       expect(fstat(fd, &was) == 0) && expect(fstat(gone, &gone_was) == 0);
}

static bool has_time(int f, const struct stat *want)
{
	struct stat st;

	return expect(fstat(f, &st) == 0) && expect(st.st_mtim.tv_sec == want->st_mtim.tv_sec) &&
	       expect(st.st_mtim.tv_nsec == want->st_mtim.tv_nsec);
}

static bool same(void)
{
	struct stat st;
	char buf[6];

	if (!has_time(fd, &was) || !has_time(gone, &gone_was))
		return false;
	victim_sleep(20);
	map[7] = 'x';
	return expect(pread(fd, buf, 6, 4099) == 6) && expect(memcmp(buf, "mapped", 6) == 0) &&
	       expect(pread(gone, buf, 6, 4099) == 6) && expect(memcmp(buf, "mapped", 6) == 0) &&
	       expect(msync(map, SIZE, MS_SYNC) == 0) && expect(pread(fd, buf, 1, 7) == 1) &&
	       expect(buf[0] == 'x') && expect(fstat(fd, &st) == 0) &&
	       expect(st.st_mtim.tv_sec > was.st_mtim.tv_sec ||
		      st.st_mtim.tv_nsec > was.st_mtim.tv_nsec);
}

VICTIM(make, same)
