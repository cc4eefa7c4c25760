/* SPDX-License-Identifier: GPL-2.0-only */
/* peers whose children differ, and news that reach peers, slaves and other namespaces */
#include "forest.h"

static struct inmate child;
static pid_t pids[2];

static bool make_child(void)
{
	return expect(mount_bind("b/sub", "b/sub")) && expect(propagate("b/sub", MS_PRIVATE));
}

/* a and b are peers; first came before b was, last went away again in b only */
static bool make_peers(void)
{
	return expect(mount_tmpfs("a", 0, NULL)) && expect(make_dir("a/first")) &&
	       expect(make_dir("a/sub")) && expect(make_dir("a/last")) &&
	       expect(make_dir("a/both")) && expect(propagate("a", MS_SHARED)) &&
	       expect(mount_tmpfs("a/first", 0, NULL)) && expect(make_dir("b")) &&
	       expect(mount_bind("a", "b")) && expect(mount_tmpfs("a/sub", 0, NULL)) &&
	       expect(mount_tmpfs("a/last", 0, NULL)) && expect(propagate("b", MS_PRIVATE)) &&
	       expect(umount("b/last") == 0) && expect(make_dir("c")) &&
	       expect(mount_bind("a", "c"));
}

/* The same path has different mounts in peers: each was made while the other was private. */
static bool make_different(void)
{
	return expect(mount_tmpfs("x", 0, NULL)) && expect(make_dir("x/sub")) &&
	       expect(make_dir("y")) && expect(mount_bind("x", "y")) &&
	       expect(mount_tmpfs("x/sub", 0, "size=64k")) &&
	       expect(mount_tmpfs("y/sub", 0, "size=128k")) && expect(propagate("x", MS_SHARED)) &&
	       expect(make_dir("z")) && expect(mount_bind("x", "z")) &&
	       expect(propagate("z", MS_SLAVE)) && expect(mount_tmpfs("z/sub", 0, "size=32k"));
}

static bool make(void)
{
	if (!own_mounts() || !make_peers() || !make_different() ||
	    !expect(inmate_start(&child, make_child)))
		return false;
	pids[0] = getpid();
	pids[1] = child.pid;
	return forest_note(pids, 2);
}

static bool sees(void)
{
	return expect(file_is("a/both/file", "for all")) &&
	       expect(file_is("c/both/file", "for all")) &&
	       expect(!file_is("b/both/file", "for all"));
}

static bool same(void)
{
	return forest_is_same(pids, 2) && expect(mount_tmpfs("c/both", 0, NULL)) &&
	       expect(make_file("a/both/file", "for all")) && sees() && expect(ask(&child, sees));
}

VICTIM(make, same)
