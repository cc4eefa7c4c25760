/* SPDX-License-Identifier: GPL-2.0-only */
/* another root directory, with files from inside and from outside of it */
#include <sys/stat.h>

#include "victim.h"

static int inside, outside;

/* The conversation goes on inside. */
static bool lead_inside(void)
{
	return expect(symlink("jail/ready", "ready") == 0) &&
	       expect(symlink("jail/look", "look") == 0) &&
	       expect(symlink("jail/verdict", "verdict") == 0);
}

static bool make(void)
{
	if (!expect(mkdir("jail", 0700) == 0 && mkdir("jail/cell", 0700) == 0) ||
	    !expect((outside = open("free", O_RDWR | O_CREAT, 0600)) >= 0) ||
	    !expect(write(outside, "outside", 7) == 7) || !lead_inside())
		return false;
	if (!expect(chroot("jail") == 0) || !expect(chdir("/cell") == 0))
		return false;
	strcpy(victim_dir, "/");
	return expect((inside = open("/file", O_RDWR | O_CREAT, 0600)) >= 0) &&
	       expect(write(inside, "in", 2) == 2);
}

static bool same(void)
{
	char text[64], buf[8] = "";

	return expect(getcwd(text, sizeof(text))) && expect(strcmp(text, "/cell") == 0) &&
	       expect(access("/file", F_OK) == 0 && access("/jail", F_OK) < 0) &&
	       expect(pread(inside, buf, 7, 0) == 2) && expect(pread(outside, buf, 7, 0) == 7) &&
	       expect(strcmp(buf, "outside") == 0) &&
	       expect(chdir("/..") == 0 && access("cell", F_OK) == 0);
}

VICTIM(make, same)
