/* SPDX-License-Identifier: GPL-2.0-only */
/* peers, slaves, slaves of slaves and unbindable mounts, over one and two namespaces */
#include "forest.h"

static struct inmate child;
static pid_t pids[2];

static bool make_child(void)
{
	return expect(propagate("shared", MS_SLAVE)) && expect(propagate("shared", MS_SHARED)) &&
	       expect(make_dir("tree/mine")) && expect(mount_tmpfs("tree/mine", 0, NULL));
}

/* One group with three members, a slave that is shared again, its slave, and one nobody may bind. */
static bool make_groups(void)
{
	return expect(mount_tmpfs("tree", 0, NULL)) && expect(make_dir("tree/a")) &&
	       expect(make_dir("tree/a/deep")) && expect(make_dir("shared")) &&
	       expect(propagate("tree", MS_SHARED)) && expect(mount_bind("tree", "shared")) &&
	       expect(make_dir("part")) && expect(mount_bind("tree/a", "part")) &&
	       expect(make_dir("slave")) && expect(mount_bind("tree", "slave")) &&
	       expect(propagate("slave", MS_SLAVE)) && expect(propagate("slave", MS_SHARED)) &&
	       expect(make_dir("below")) && expect(mount_bind("slave/a", "below")) &&
	       expect(propagate("below", MS_SLAVE)) && expect(make_dir("nobody")) &&
	       expect(mount_bind("tree", "nobody")) && expect(propagate("nobody", MS_UNBINDABLE));
}

static bool make(void)
{
	if (!own_mounts() || !make_groups() || !expect(inmate_start(&child, make_child)))
		return false;
	pids[0] = getpid();
	pids[1] = child.pid;
	/* everybody gets it but those who are private */
	return expect(mount_tmpfs("tree/a/deep", MS_NODEV, "mode=711")) && forest_note(pids, 2);
}

static bool sees_news(void)
{
	return expect(file_is("shared/new/file", "news")) &&
	       expect(file_is("tree/new/file", "news"));
}

static bool same(void)
{
	return forest_is_same(pids, 2) && expect(make_dir("tree/new")) &&
	       expect(mount_tmpfs("tree/new", 0, NULL)) &&
	       expect(make_file("tree/new/file", "news")) &&
	       expect(file_is("slave/new/file", "news")) &&
	       expect(!file_is("nobody/new/file", "news")) && expect(ask(&child, sees_news));
}

VICTIM(make, same)
