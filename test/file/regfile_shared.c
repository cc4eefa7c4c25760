/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * deleted files that change when their name has gone: one written by parent and child
 * in turn, one cut and grown; their directory may not be written to.  And a program's
 * own file, half read
 */
#include <elf.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

static int shared, changed, unnamed, elf, ask[2], answer[2];
static pid_t child;

static void child_main(void)
{
	char c;

	while (read(ask[0], &c, 1) == 1)
		if (write(shared, "child", 5) != 5 || write(answer[1], &c, 1) != 1)
			_exit(1);
	_exit(0);
}

static bool child_writes(void)
{
	char c = 'x';

	return expect(write(ask[1], &c, 1) == 1) && expect(read(answer[0], &c, 1) == 1);
}

static bool make_child(void)
{
	if (!expect(pipe(ask) == 0) || !expect(pipe(answer) == 0))
		return false;
	child = fork();
	if (child == 0)
		child_main();
	return expect(child > 0);
}

static bool make(void)
{
	char magic[SELFMAG];

	unnamed = -1;
	return expect(mkdir("dir", 0700) == 0) &&
	       expect((shared = open("dir/sha\"red\n", O_RDWR | O_CREAT, 0400)) >= 0) &&
	       expect((changed = open("dir/changed", O_RDWR | O_CREAT, 0600)) >= 0) &&
	       expect(write(changed, "this goes", 9) == 9) &&
	       expect((unnamed = open("dir", O_TMPFILE | O_RDWR, 0600)) >= 0 ||
		      errno == EOPNOTSUPP) &&
	       expect(unnamed < 0 || write(unnamed, "nameless", 8) == 8) && make_child() &&
	       expect(write(shared, "parent", 6) == 6) && child_writes() &&
	       expect(unlink("dir/sha\"red\n") == 0) && expect(unlink("dir/changed") == 0) &&
	       expect(chmod("dir", 0500) == 0) && expect(ftruncate(changed, 5) == 0) &&
	       expect(ftruncate(changed, 70007) == 0) &&
	       expect(pwrite(changed, "end", 3, 70010) == 3) &&
	       expect((elf = open("/proc/self/exe", O_RDONLY)) >= 0) &&
	       expect(read(elf, magic, SELFMAG) == SELFMAG);
}

static bool elf_goes_on(void)
{
	unsigned char class;
	char exe[4096], link[4096];
	char path[64];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe)), m;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", elf);
	m = readlink(path, link, sizeof(link));
	return expect(n > 0 && n == m) && expect(memcmp(exe, link, (size_t)n) == 0) &&
	       expect(read(elf, &class, 1) == 1) && expect(class == ELFCLASS64);
}

static bool same(void)
{
	char buf[64] = "";
	struct stat st;

	return expect(write(shared, "PARENT", 6) == 6) && child_writes() &&
	       expect(pread(shared, buf, sizeof(buf), 0) == 22) &&
	       expect(strcmp(buf, "parentchildPARENTchild") == 0) &&
	       expect(fstat(shared, &st) == 0 && st.st_nlink == 0 && st.st_size == 22) &&
	       expect(fstat(changed, &st) == 0 && st.st_size == 70013) &&
	       expect(pread(changed, buf, 6, 0) == 6) && expect(memcmp(buf, "this \0", 6) == 0) &&
	       expect(pread(changed, buf, 6, 70007) == 6) &&
	       expect(memcmp(buf, "\0\0\0end", 6) == 0) &&
	       expect(unnamed < 0 || pread(unnamed, buf, 9, 0) == 8) &&
	       expect(stat("dir", &st) == 0 && (st.st_mode & 0777) == 0500) && elf_goes_on();
}

VICTIM(make, same)
