/* SPDX-License-Identifier: GPL-2.0-only */
/* binds of what has been removed, and deleted files open in two namespaces */
/* dump: --link-remap */
#include "forest.h"

static struct inmate child;
static pid_t pids[2];
static int fd, linked, in_child, also_linked, ro_fd;

static bool make_binds(void)
{
	return expect(mount_tmpfs("fs", 0, NULL)) && expect(make_dir("fs/gone")) &&
	       expect(make_file("fs/gone.file", "")) && expect(make_dir("dir")) &&
	       expect(make_file("file", "")) && expect(mount_bind("fs/gone", "dir")) &&
	       expect(mount_bind("fs/gone.file", "file")) && expect(rmdir("fs/gone") == 0) &&
	       expect(unlink("fs/gone.file") == 0) && expect(make_dir("fs/sub")) &&
	       expect(make_dir("bind")) && expect(mount_bind("fs/sub", "bind"));
}

static bool make_child(void)
{
	in_child = open("bind/lost", O_RDWR | O_CLOEXEC);
	also_linked = open("bind/name", O_RDONLY | O_CLOEXEC);
	return expect(in_child >= 0) && expect(also_linked >= 0) &&
	       expect(mount(NULL, "bind", NULL, MS_REMOUNT | MS_BIND | MS_NOEXEC, NULL) == 0);
}

static bool open_files(void)
{
	return expect(make_file("fs/sub/lost", "lost file")) &&
	       expect(make_file("fs/sub/name", "linked file")) &&
	       expect(link("fs/sub/name", "fs/sub/other") == 0) &&
	       expect((fd = open("fs/sub/lost", O_RDWR | O_CLOEXEC)) >= 0) &&
	       expect((linked = open("bind/name", O_RDONLY | O_CLOEXEC)) >= 0) &&
	       expect((ro_fd = open("fs/sub/lost", O_RDONLY | O_CLOEXEC)) >= 0);
}

static bool make(void)
{
	if (!own_mounts() || !make_binds() || !open_files() ||
	    !expect(inmate_start(&child, make_child)))
		return false;
	pids[0] = getpid();
	pids[1] = child.pid;
	return expect(unlink("fs/sub/lost") == 0) && expect(unlink("fs/sub/name") == 0) &&
	       forest_note(pids, 2);
}

static bool reads(int file, const char *what)
{
	char text[64] = { 0 };

	return pread(file, text, sizeof(text) - 1, 0) >= 0 && strcmp(text, what) == 0;
}

static bool child_writes(void)
{
	return expect(reads(in_child, "lost file")) && expect(reads(also_linked, "linked file")) &&
	       expect(pwrite(in_child, "new", 3, 0) == 3);
}

static bool same(void)
{
	struct stat a, b;

	return forest_is_same(pids, 2) && expect(ask(&child, child_writes)) &&
	       expect(reads(fd, "newt file")) && expect(reads(ro_fd, "newt file")) &&
	       expect(reads(linked, "linked file")) && expect(fstat(linked, &a) == 0) &&
	       expect(stat("fs/sub/other", &b) == 0) && expect(a.st_ino == b.st_ino) &&
	       expect(a.st_nlink == 1) && expect(access("fs/sub/lost", F_OK) < 0) &&
	       expect(access("fs/sub/name", F_OK) < 0) && expect(access("fs/gone", F_OK) < 0) &&
	       expect(make_file("dir/new", "") == false);
}

VICTIM(make, same)
