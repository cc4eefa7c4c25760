/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * files that lost a name, open by read-only binds, in a nested namespace and here
 * (mountns-11)
 *
 * dump: --link-remap
 */
#include <dirent.h>

#include "forest.h"

static struct inmate child;
static pid_t pids[2];
static int here, in_child, deleted;

static bool read_only(const char *dir)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	return mount_setattr(AT_FDCWD, dir, 0, &attr, sizeof(attr)) == 0;
}

static bool make_child(void)
{
	return expect(make_dir("own")) && expect(mount_bind("fs/dir", "own")) &&
	       expect(read_only("own")) && expect(read_only("fs")) &&
	       expect((in_child = open("own/lost", O_RDONLY | O_CLOEXEC)) >= 0) &&
	       expect((deleted = open("own/deleted", O_RDONLY | O_CLOEXEC)) >= 0);
}

static bool make(void)
{
	if (!own_mounts() || !expect(mount_tmpfs("fs", 0, "mode=755")) ||
	    !expect(make_dir("fs/dir")) || !expect(make_file("fs/dir/lost", "seventeen bytes !")) ||
	    !expect(link("fs/dir/lost", "fs/other") == 0) ||
	    !expect(make_file("fs/dir/here", "read here")) ||
	    !expect(make_file("fs/dir/deleted", "no name")) ||
	    !expect(link("fs/dir/here", "fs/dir/again") == 0) || !expect(make_dir("bind")) ||
	    !expect(mount_bind("fs", "bind")) || !expect(read_only("bind")) ||
	    !expect((here = open("bind/dir/here", O_RDONLY | O_CLOEXEC)) >= 0) ||
	    !expect(inmate_start(&child, make_child)))
		return false;
	pids[0] = getpid();
	pids[1] = child.pid;
	return expect(unlink("fs/dir/lost") == 0) && expect(unlink("fs/dir/here") == 0) &&
	       expect(unlink("fs/dir/deleted") == 0) && forest_note(pids, 2);
}

static bool reads(int fd, const char *what)
{
	char text[64] = { 0 };

	return pread(fd, text, sizeof(text) - 1, 0) >= 0 && strcmp(text, what) == 0;
}

static bool is_file(int fd, const char *name)
{
	struct stat a, b;

	return expect(fstat(fd, &a) == 0) && expect(stat(name, &b) == 0) &&
	       expect(a.st_ino == b.st_ino && a.st_dev == b.st_dev) && expect(a.st_nlink == 1);
}

static bool leads_to(int fd, const char *end)
{
	char link[64], path[4096] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return expect(readlink(link, path, sizeof(path) - 1) > 0) &&
	       expect(strlen(path) > strlen(end) &&
		      strcmp(path + strlen(path) - strlen(end), end) == 0);
}

static bool has(const char *dir, int files)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		files -= e->d_name[0] != '.';
	if (d)
		closedir(d);
	return files == 0;
}

static bool is_same_child(void)
{
	return expect(reads(in_child, "seventeen bytes !")) && is_file(in_child, "fs/other") &&
	       leads_to(in_child, "/own/lost (deleted)") && expect(reads(deleted, "no name")) &&
	       expect(!make_file("own/new", "") && errno == EROFS);
}

static bool same(void)
{
	return forest_is_same(pids, 2) && expect(ask(&child, is_same_child)) &&
	       expect(reads(here, "read here")) && is_file(here, "fs/dir/again") &&
	       leads_to(here, "/bind/dir/here (deleted)") && expect(has("fs/dir", 1)) &&
	       expect(has("fs", 2)) && expect(!make_file("bind/new", "") && errno == EROFS);
}

VICTIM(make, same)
