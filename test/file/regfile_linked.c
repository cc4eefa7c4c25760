/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * a file that lost the name it was opened by, and has another, stays that file
 *
 * dump: --link-remap
 */
#include <dirent.h>
#include <sys/stat.h>

#include "victim.h"

static int by_old, by_old_too;

static bool make(void)
{
	return expect((by_old = open("old", O_RDWR | O_CREAT | O_EXCL, 0600)) >= 0) &&
	       expect((by_old_too = open("old", O_RDONLY)) >= 0) &&
	       expect(write(by_old, "content", 7) == 7) && expect(link("old", "new") == 0) &&
	       expect(unlink("old") == 0);
}

/* Nothing of ours is left in the directory. */
static bool is_tidy(void)
{
	DIR *dir = opendir(".");
	struct dirent *e;
	bool tidy = true;

	while ((e = readdir(dir)))
		if (strncmp(e->d_name, "link_remap", 10) == 0 || strncmp(e->d_name, "old", 3) == 0)
			tidy = expect(e->d_name[0] == '\0');
	closedir(dir);
	return tidy;
}

static bool same(void)
{
	struct stat a, b, c;
	char buf[8] = "";

	return expect(fstat(by_old, &a) == 0) && expect(stat("new", &b) == 0) &&
	       expect(a.st_ino == b.st_ino) && expect(fstat(by_old_too, &c) == 0) &&
	       expect(a.st_ino == c.st_ino) && expect(a.st_nlink == 1) &&
	       expect(read(by_old_too, buf, 7) == 7) && expect(strcmp(buf, "content") == 0) &&
	       is_tidy();
}

VICTIM(make, same)
