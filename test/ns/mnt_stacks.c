/* SPDX-License-Identifier: GPL-2.0-only */
/* mounts over mounts: on one directory, on a way to others, moved there; all have their content */
#include "forest.h"

static pid_t me;

static bool fill(const char *dir, unsigned long flags, const char *what)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/file", dir);
	return expect(mount_tmpfs(dir, flags, NULL)) && expect(make_file(path, what));
}

static bool make_stack(void)
{
	return fill("stack", 0, "lowest") && fill("stack", MS_NODEV, "second") &&
	       fill("stack", MS_NOEXEC, "third");
}

/* deep is hidden by its parent's second mount; moved was made somewhere else */
static bool make_hidden(void)
{
	return fill("way", 0, "way") && fill("way/deep", 0, "deep") &&
	       fill("way/deep/er", 0, "deeper") && fill("way", 0, "over the way") &&
	       expect(make_dir("way/deep")) && expect(make_file("way/deep/file", "no mount")) &&
	       fill("mover", MS_NOSUID, "moved") && expect(make_dir("way/place")) &&
	       fill("mover/inner", 0, "moved along") &&
	       expect(mount("mover", "way/place", NULL, MS_MOVE, NULL) == 0);
}

/* what is shared and stacked has slaves that are stacked the same way */
static bool make_shared(void)
{
	return expect(mount_tmpfs("peer", 0, NULL)) && expect(make_dir("peer/sub")) &&
	       expect(propagate("peer", MS_SHARED)) && expect(make_dir("follower")) &&
	       expect(mount_bind("peer", "follower")) && expect(propagate("follower", MS_SLAVE)) &&
	       fill("peer/sub", 0, "first of the peer") &&
	       fill("peer/sub", 0, "second of the peer");
}

static bool make(void)
{
	me = getpid();
	return own_mounts() && make_stack() && make_hidden() && make_shared() &&
	       forest_note(&me, 1);
}

static bool take(const char *dir, const char *file, const char *what)
{
	return expect(file_is(file, what)) && expect(umount(dir) == 0);
}

static bool same(void)
{
	return forest_is_same(&me, 1) && take("stack", "stack/file", "third") &&
	       take("stack", "stack/file", "second") && take("stack", "stack/file", "lowest") &&
	       expect(file_is("way/deep/file", "no mount")) &&
	       take("way/place/inner", "way/place/inner/file", "moved along") &&
	       take("way/place", "way/place/file", "moved") &&
	       take("way", "way/file", "over the way") &&
	       take("way/deep/er", "way/deep/er/file", "deeper") &&
	       take("way/deep", "way/deep/file", "deep") &&
	       expect(file_is("follower/sub/file", "second of the peer")) &&
	       take("peer/sub", "peer/sub/file", "second of the peer") &&
	       expect(file_is("follower/sub/file", "first of the peer"));
}

VICTIM(make, same)
