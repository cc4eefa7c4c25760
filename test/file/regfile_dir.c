/* SPDX-License-Identifier: GPL-2.0-only */
/* an open directory goes on where it was being read */
#include <dirent.h>
#include <sys/stat.h>

#include "victim.h"

enum { FILES = 57, READ = 23 };

static DIR *dir;
static char seen[FILES];

/* getdents() fetches many at once, so the offset is set to what has been used. */
static bool read_some(int n)
{
	struct dirent *e;

	while (n-- && (e = readdir(dir)))
		if (strncmp(e->d_name, "file", 4) == 0)
			seen[atoi(e->d_name + 4)]++;
	return expect(lseek(dirfd(dir), telldir(dir), SEEK_SET) >= 0);
}

static bool make(void)
{
	char name[32];

	if (!expect(mkdir("many", 0700) == 0))
		return false;
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "many/file%d", i);
		if (!expect(close(open(name, O_WRONLY | O_CREAT, 0600)) == 0))
			return false;
	}
	return expect((dir = opendir("many"))) && read_some(READ);
}

static bool same(void)
{
	long at = telldir(dir);

	if (!expect(lseek(dirfd(dir), 0, SEEK_CUR) == at))
		return false;
	read_some(FILES + 2);
	for (int i = 0; i < FILES; i++)
		if (!expect(seen[i] == 1))
			return false;
	return true;
}

VICTIM(make, same)
