/* SPDX-License-Identifier: GPL-2.0-only */
/* a read-only root, in which a directory may be written to; one of a nested namespace that is not (mountns-7) */
#include "forest.h"

static struct inmate child;
static pid_t pids[2];
static char top[300];

/* The others stay: a user namespace may not change all of them. */
static struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
static struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY,
				      .attr_set = MOUNT_ATTR_NOSYMFOLLOW };

static bool make_child(void)
{
	return expect(mount_setattr(AT_FDCWD, "/", 0, &writable, sizeof(writable)) == 0);
}

static bool make(void)
{
	char cwd[200];

	if (!own_mounts() || !expect(getcwd(cwd, sizeof(cwd)) != NULL) ||
	    !expect(mount_bind(cwd, cwd)) || !expect(chdir(cwd) == 0))
		return false;
	snprintf(top, sizeof(top), "%s.beside", cwd);
	if (!expect(mount_setattr(AT_FDCWD, "/", 0, &read_only, sizeof(read_only)) == 0) ||
	    !expect(inmate_start(&child, make_child)))
		return false;
	pids[0] = getpid();
	pids[1] = child.pid;
	return forest_note(pids, 2);
}

static bool child_may_write(void)
{
	/* what it lies in may belong to somebody else */
	return make_file(top, "") ? expect(unlink(top) == 0) : expect(errno == EACCES);
}

static bool same(void)
{
	return forest_is_same(pids, 2) && expect(!make_file(top, "") && errno == EROFS) &&
	       expect(make_file("file", "here")) && expect(file_is("file", "here")) &&
	       expect(ask(&child, child_may_write));
}

VICTIM(make, same)
