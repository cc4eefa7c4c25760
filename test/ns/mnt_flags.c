/* SPDX-License-Identifier: GPL-2.0-only */
/* who may write: mounts and file systems that are read-only from the start or since; deleted files there */
#include "forest.h"

static pid_t me;
static int open_fd, deleted_fd, through_bind;

static bool read_only(const char *dir, unsigned long flags)
{
	return mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY | flags, NULL) == 0;
}

static bool make_tmpfs(void)
{
	return expect(mount_tmpfs("fs", 0, NULL)) && expect(make_file("fs/file", "content")) &&
	       expect(make_file("fs/deleted", "deleted content")) &&
	       expect(make_file("fs/also", "also deleted")) && expect(make_dir("writer")) &&
	       expect(mount_bind("fs", "writer")) && expect(make_dir("reader")) &&
	       expect(mount_bind("fs", "reader"));
}

static bool open_files(void)
{
	open_fd = open("fs/file", O_RDONLY | O_CLOEXEC);
	deleted_fd = open("fs/deleted", O_RDONLY | O_CLOEXEC);
	through_bind = open("reader/also", O_RDONLY | O_CLOEXEC);
	return expect(open_fd >= 0) && expect(deleted_fd >= 0) && expect(through_bind >= 0) &&
	       expect(unlink("fs/deleted") == 0) && expect(unlink("fs/also") == 0);
}

static bool make_others(void)
{
	return expect(mount_tmpfs("once", 0, NULL)) && expect(make_file("once/file", "once")) &&
	       expect(read_only("once", 0)) && expect(mount_tmpfs("never", MS_RDONLY, NULL)) &&
	       expect(make_dir("p")) && expect(mount("p", "p", "proc", 0, NULL) == 0) &&
	       expect(mount_bind("p/sys", "p/sys")) &&
	       expect(read_only("p/sys", MS_BIND | MS_NOSUID)) &&
	       expect(mount_bind("p/sys/kernel", "p/sys/kernel")) &&
	       expect(mount(NULL, "p/sys/kernel", NULL, MS_REMOUNT | MS_BIND | MS_NOEXEC, NULL) ==
		      0) &&
	       expect(mount_tmpfs("times", MS_NOATIME | MS_NODIRATIME, NULL)) &&
	       expect(mount_tmpfs("strict", MS_STRICTATIME, NULL));
}

static bool make(void)
{
	me = getpid();
	return own_mounts() && make_tmpfs() && open_files() && expect(read_only("fs", MS_BIND)) &&
	       expect(read_only("reader", MS_BIND)) && make_others() && forest_note(&me, 1);
}

static bool reads(int fd, const char *what)
{
	char text[64] = { 0 };

	return pread(fd, text, sizeof(text) - 1, 0) >= 0 && strcmp(text, what) == 0;
}

static bool same(void)
{
	return forest_is_same(&me, 1) && expect(reads(open_fd, "content")) &&
	       expect(reads(deleted_fd, "deleted content")) &&
	       expect(reads(through_bind, "also deleted")) &&
	       expect(access("fs/deleted", F_OK) < 0) && expect(access("fs/also", F_OK) < 0) &&
	       expect(!make_file("fs/new", "") && errno == EROFS) &&
	       expect(!make_file("reader/new", "") && errno == EROFS) &&
	       expect(make_file("writer/new", "new")) && expect(file_is("fs/new", "new")) &&
	       expect(!make_file("once/new", "") && errno == EROFS) &&
	       expect(file_is("once/file", "once")) &&
	       expect(!make_file("never/new", "") && errno == EROFS);
}

VICTIM(make, same)
