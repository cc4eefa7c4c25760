/* SPDX-License-Identifier: GPL-2.0-only */
/* a nested namespace with a root of its own, read-only, and files open in both */
#include <sys/syscall.h>

#include "forest.h"

static struct inmate child;
static pid_t pids[2];
static int fd;

static bool make_child(void)
{
	if (!expect(mount_bind("root", "root")) || !expect(make_dir("root/old")) ||
	    !expect(mount_tmpfs("root/tmp", 0, "size=64k")) ||
	    !expect(make_file("root/tmp/own", "only here")))
		return false;
	if (!expect(mount(NULL, "root", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0) ||
	    !expect(chdir("root") == 0) || !expect(syscall(SYS_pivot_root, ".", "old") == 0) ||
	    !expect(umount2("/old", MNT_DETACH) == 0) || !expect(chdir("/") == 0))
		return false;
	fd = open("/tmp/own", O_RDWR | O_CLOEXEC);
	return expect(fd >= 0);
}

static bool make(void)
{
	if (!own_mounts() || !expect(make_dir("root")) || !expect(make_file("root/both", "both")) ||
	    !expect(make_dir("root/old")) || !expect(make_dir("root/tmp")) ||
	    !expect(inmate_start(&child, make_child)))
		return false;
	pids[0] = getpid();
	pids[1] = child.pid;
	return forest_note(pids, 2);
}

static bool is_child_same(void)
{
	char text[16] = { 0 };

	return expect(file_is("/both", "both")) && expect(file_is("/tmp/own", "only here")) &&
	       expect(!make_file("/new", "") && errno == EROFS) &&
	       expect(pread(fd, text, 15, 5) == 4) && expect(strcmp(text, "here") == 0) &&
	       expect(access("/proc", F_OK) < 0);
}

static bool same(void)
{
	return forest_is_same(pids, 2) && expect(ask(&child, is_child_same)) &&
	       expect(access("root/tmp/own", F_OK) < 0);
}

VICTIM(make, same)
