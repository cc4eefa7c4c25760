/* SPDX-License-Identifier: GPL-2.0-only */
/* deleted files keep content, holes, owner, mode, times and name; one inode stays one */
#include <sys/stat.h>
#include <sys/uio.h>

#include "victim.h"

static const char odd_name[] = "a \"b\"\n'c'";

static int plain, reader, holes, at_end, odd, taken, second_name;
static struct stat was;
static char plain_link[4096];

static int new_file(const char *name, mode_t mode)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, mode);

	return fd >= 0 && fchmod(fd, mode) == 0 ? fd : -1;
}

/* Data at 5000, a hole of 1 GiB, data, a hole at the end. */
static bool make_holes(void)
{
	return expect((holes = new_file("holes", 0600)) >= 0) &&
	       expect(pwrite(holes, "near", 4, 5000) == 4) &&
	       expect(pwrite(holes, "far", 3, 1 << 30) == 3) &&
	       expect(ftruncate(holes, (1ll << 31) + 77) == 0) &&
	       expect(lseek(holes, (1ll << 31) + 5, SEEK_SET) == (1ll << 31) + 5) &&
	       expect((at_end = new_file("empty", 0600)) >= 0) &&
	       expect(ftruncate(at_end, 70001) == 0);
}

static const char *link_of(int fd)
{
	static char text[4096];
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static bool make_plain(void)
{
	struct timespec times[2] = { { 1000000007, 123456789 }, { 1234567891, 654321987 } };

	return expect((plain = new_file("plain", 0604)) >= 0) &&
	       expect(write(plain, "secret", 6) == 6) &&
	       expect((reader = open("plain", O_RDONLY)) >= 0) &&
	       expect(lseek(reader, 2, SEEK_SET) == 2) && expect(link("plain", "plain2") == 0) &&
	       expect((second_name = open("plain2", O_RDWR)) >= 0) &&
	       expect(fchown(plain, 1234, 4321) == 0) && expect(fchmod(plain, 04604) == 0) &&
	       expect(futimens(plain, times) == 0) && expect(unlink("plain") == 0) &&
	       expect(unlink("plain2") == 0) && expect(fstat(plain, &was) == 0);
}

static bool make(void)
{
	if (!make_plain() || !make_holes())
		return false;
	strcpy(plain_link, link_of(plain));
	return expect((odd = new_file(odd_name, 0400)) >= 0) && expect(write(odd, "odd", 3) == 3) &&
	       expect(unlink(odd_name) == 0) && expect(unlink("holes") == 0) &&
	       expect(unlink("empty") == 0) && expect((taken = new_file("taken", 0600)) >= 0) &&
	       expect(write(taken, "old", 3) == 3) && expect(unlink("taken") == 0) &&
	       expect(close(new_file("taken", 0600)) == 0);
}

static bool attributes_are_kept(void)
{
	struct stat st;

	return expect(fstat(plain, &st) == 0) && expect(st.st_uid == 1234 && st.st_gid == 4321) &&
	       expect(st.st_mode == was.st_mode) && expect(st.st_nlink == 0) &&
	       expect(st.st_size == 6) &&
	       expect(st.st_mtim.tv_sec == 1234567891 && st.st_mtim.tv_nsec == 654321987) &&
	       expect(st.st_atim.tv_sec == 1000000007 && st.st_atim.tv_nsec == 123456789) &&
	       expect(strcmp(link_of(plain), plain_link) == 0) &&
	       expect(strstr(link_of(second_name), "/plain2 (deleted)")) &&
	       expect(strstr(link_of(odd), "/a \"b\"\n'c' (deleted)"));
}

static bool inode_is_shared(void)
{
	char buf[16] = "";

	return expect(pwrite(plain, "S", 1, 2) == 1) && expect(read(reader, buf, 9) == 4) &&
	       expect(memcmp(buf, "Sret", 4) == 0) && expect(pread(second_name, buf, 9, 0) == 6) &&
	       expect(memcmp(buf, "seSret", 6) == 0) && expect(write(reader, "x", 1) == -1);
}

static bool holes_are_kept(void)
{
	char buf[16] = "";
	struct stat st;

	return expect(fstat(holes, &st) == 0) && expect(st.st_size == (1ll << 31) + 77) &&
	       expect(st.st_blocks * 512 < 65536) && expect(pread(holes, buf, 6, 4999) == 6) &&
	       expect(memcmp(buf, "\0near\0", 6) == 0) &&
	       expect(pread(holes, buf, 5, (1 << 30) - 1) == 5) &&
	       expect(memcmp(buf, "\0far\0", 5) == 0) &&
	       expect(lseek(holes, 0, SEEK_CUR) == (1ll << 31) + 5) &&
	       expect(fstat(at_end, &st) == 0) && expect(st.st_size == 70001 && st.st_blocks == 0);
}

static bool same(void)
{
	char buf[16] = "";

	return attributes_are_kept() && inode_is_shared() && holes_are_kept() &&
	       expect(pread(odd, buf, 9, 0) == 3) && expect(pread(taken, buf, 9, 0) == 3) &&
	       expect(memcmp(buf, "old", 3) == 0) && expect(access("taken", F_OK) == 0) &&
	       expect(access("plain", F_OK) < 0) && expect(access(odd_name, F_OK) < 0) &&
	       expect(access("holes", F_OK) < 0);
}

VICTIM(make, same)
