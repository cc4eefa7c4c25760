/* SPDX-License-Identifier: GPL-2.0-only */
/* which of several mounts a descriptor, a directory and a mapping belong to; names with blanks */
#include <sys/mman.h>

#include "forest.h"

enum { NR = 4 };

static const char *const dirs[NR] = { "fs", "a b\tc", "back\\slash \\040", "new\nline" };
static pid_t me;
static int fds[NR], cwd;
static char *map;

/* The mount of a descriptor, by its place in mountinfo. */
static int place_of(int fd)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) < 0)
		return -1;
	forest_n = 0;
	forest_read(me, 0);
	for (unsigned int i = 0; i < forest_n; i++)
		if (forest[i].id == sx.stx_mnt_id)
			return (int)i;
	return -1;
}

static bool is_on(int fd, const char *dir)
{
	struct statx a, b;

	return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &a) == 0 &&
	       statx(AT_FDCWD, dir, 0, STATX_MNT_ID, &b) == 0 && a.stx_mnt_id == b.stx_mnt_id &&
	       place_of(fd) >= 0;
}

static bool make(void)
{
	char file[64];

	me = getpid();
	if (!own_mounts() || !expect(mount_tmpfs("fs", 0, "size=1m")) ||
	    !expect(make_file("fs/file", "one file")))
		return false;
	for (int i = 1; i < NR; i++)
		if (!expect(make_dir(dirs[i])) || !expect(mount_bind("fs", dirs[i])))
			return false;
	for (int i = 0; i < NR; i++) {
		snprintf(file, sizeof(file), "%s/file", dirs[i]);
		fds[i] = open(file, O_RDONLY | O_CLOEXEC);
		if (!expect(fds[i] >= 0))
			return false;
	}
	cwd = open(dirs[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fds[2], 0);
	return expect(cwd >= 0) && expect(map != MAP_FAILED) && forest_note(&me, 1);
}

static bool same(void)
{
	if (!forest_is_same(&me, 1) || !expect(is_on(cwd, dirs[1])) ||
	    !expect(strcmp(map, "one file") == 0))
		return false;
	for (int i = 0; i < NR; i++)
		if (!expect(is_on(fds[i], dirs[i])))
			return false;
	return true;
}

VICTIM(make, same)
