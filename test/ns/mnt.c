/* SPDX-License-Identifier: GPL-2.0-only */
/* mounts of many sorts in a namespace of its own: binds, tmpfs with content, flags, stacks */
#include "forest.h"

static pid_t me;
static int fd, bound;

static bool make_tmpfs(void)
{
	return expect(mount_tmpfs("full", MS_NOSUID | MS_NODEV, "size=1m,mode=751")) &&
	       expect(make_file("full/file", "in a tmpfs")) &&
	       expect(link("full/file", "full/other") == 0) &&
	       expect(symlink("nowhere", "full/link") == 0) &&
	       expect(mkfifo("full/fifo", 0640) == 0) && expect(make_dir("full/dir")) &&
	       expect(chown("full/dir", 5, 7) == 0) && expect(chmod("full/dir", 01753) == 0) &&
	       expect(make_file("full/odd \"name\"\n\\", "x"));
}

static bool make_binds(void)
{
	return expect(make_dir("dir")) && expect(make_file("dir/inside", "below")) &&
	       expect(make_dir("bound")) && expect(mount_bind("dir", "bound")) &&
	       expect(make_file("plain", "plain")) && expect(make_file("over", "")) &&
	       expect(mount_bind("plain", "over")) && expect(make_dir("part")) &&
	       expect(mount_bind("full/dir", "part")) &&
	       expect(mount(NULL, "part", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOEXEC,
			    NULL) == 0);
}

static bool make_kernels(void)
{
	return expect(make_dir("sys")) &&
	       expect(mount("s", "sys", "sysfs", MS_RDONLY, NULL) == 0) &&
	       expect(make_dir("pts")) &&
	       expect(mount("devpts", "pts", "devpts", MS_NOSUID,
			    "newinstance,mode=620,ptmxmode=666,gid=5") == 0) &&
	       expect(make_dir("p")) && expect(mount("p", "p", "proc", 0, "hidepid=2") == 0) &&
	       expect(make_dir("mq")) && expect(mount("mq", "mq", "mqueue", MS_NOEXEC, NULL) == 0);
}

static bool make(void)
{
	me = getpid();
	if (!own_mounts() || !make_tmpfs() || !make_binds() || !make_kernels())
		return false;
	fd = open("full/file", O_RDWR | O_CLOEXEC);
	bound = open("bound/inside", O_RDONLY | O_CLOEXEC);
	return expect(fd >= 0) && expect(bound >= 0) && expect(lseek(fd, 3, SEEK_SET) == 3) &&
	       forest_note(&me, 1);
}

static bool content_is_same(void)
{
	struct stat a, b;

	return expect(file_is("full/file", "in a tmpfs")) && expect(stat("full/file", &a) == 0) &&
	       expect(stat("full/other", &b) == 0) && expect(a.st_ino == b.st_ino) &&
	       expect(a.st_nlink == 2) && expect(lstat("full/link", &a) == 0) &&
	       expect(S_ISLNK(a.st_mode)) && expect(stat("full/fifo", &a) == 0) &&
	       expect(a.st_mode == (S_IFIFO | 0640)) && expect(stat("full/dir", &a) == 0) &&
	       expect(a.st_uid == 5 && a.st_gid == 7) && expect(a.st_mode == (S_IFDIR | 01753)) &&
	       expect(stat("full", &a) == 0) && expect(a.st_mode == (S_IFDIR | 0751)) &&
	       expect(file_is("full/odd \"name\"\n\\", "x"));
}

static bool files_are_same(void)
{
	char text[16] = { 0 };
	struct stat a, b;

	return expect(read(fd, text, 15) == 7) && expect(strcmp(text, "a tmpfs") == 0) &&
	       expect(fstat(fd, &a) == 0) && expect(stat("full/file", &b) == 0) &&
	       expect(a.st_ino == b.st_ino && a.st_dev == b.st_dev) &&
	       expect(file_is("bound/inside", "below")) && expect(file_is("over", "plain"));
}

static bool same(void)
{
	return forest_is_same(&me, 1) && content_is_same() && files_are_same() &&
	       expect(!make_file("part/new", "")) &&
	       expect(umount("bound") < 0 && errno == EBUSY) && expect(umount("over") == 0) &&
	       expect(file_is("over", ""));
}

VICTIM(make, same)
