/* SPDX-License-Identifier: GPL-2.0-only */
/* an open directory goes on where it was being read */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "victim.h"

enum { FILES = 57 };

static int fd;
static char seen[FILES];

/* A buffer for few entries, so that the kernel keeps the place. */
static int read_some(void)
{
	char buf[200];
	long n = syscall(SYS_getdents64, fd, buf, sizeof(buf));

	for (long at = 0; at < n; at += ((struct dirent *)(buf + at))->d_reclen) {
		const struct dirent *e = (struct dirent *)(buf + at);

		if (strncmp(e->d_name, "file", 4) == 0)
			seen[atoi(e->d_name + 4)]++;
	}
	return (int)n;
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
	return expect((fd = open("many", O_RDONLY | O_DIRECTORY)) >= 0) &&
	       expect(read_some() > 0) && expect(read_some() > 0);
}

static bool same(void)
{
	while (read_some() > 0)
		;
	for (int i = 0; i < FILES; i++)
		if (!expect(seen[i] == 1))
			return false;
	return true;
}

VICTIM(make, same)
