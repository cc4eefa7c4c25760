/* SPDX-License-Identifier: GPL-2.0-only */
/* a removed directory, held open and as working directory, and a deleted file that was in it */
#include <sys/stat.h>

#include "victim.h"

static int outer, inner, file;
static char dir_link[4096], file_link[4096];

static void link_of(int fd, char *text, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, text, size - 1);
	text[n < 0 ? 0 : n] = '\0';
}

static bool make(void)
{
	char here[4096];

	/* whoever has no working directory needs an absolute one to talk */
	if (!expect(realpath(victim_dir, here)))
		return false;
	strcpy(victim_dir, here);
	return expect(mkdir("outer", 0751) == 0) && expect(mkdir("outer/inner", 0700) == 0) &&
	       expect((outer = open("outer", O_RDONLY | O_DIRECTORY)) >= 0) &&
	       expect((inner = open("outer/inner", O_RDONLY | O_DIRECTORY)) >= 0) &&
	       expect((file = open("outer/inner/file", O_RDWR | O_CREAT, 0600)) >= 0) &&
	       expect(write(file, "lost", 4) == 4) && expect(chdir("outer/inner") == 0) &&
	       expect(unlink("file") == 0) && expect(rmdir("../inner") == 0) &&
	       expect(rmdir("../../outer") == 0) &&
	       (link_of(inner, dir_link, sizeof(dir_link)),
		link_of(file, file_link, sizeof(file_link)), true);
}

static bool same(void)
{
	char text[4096], buf[5] = "";
	struct stat st, cwd;

	link_of(inner, text, sizeof(text));
	if (!expect(strcmp(text, dir_link) == 0))
		return false;
	link_of(file, text, sizeof(text));
	return expect(strcmp(text, file_link) == 0) && expect(pread(file, buf, 4, 0) == 4) &&
	       expect(strcmp(buf, "lost") == 0) && expect(fstat(outer, &st) == 0) &&
	       expect(st.st_mode == (S_IFDIR | 0751)) && expect(st.st_nlink == 0) &&
	       expect(fstat(inner, &st) == 0 && stat(".", &cwd) == 0) &&
	       expect(st.st_ino == cwd.st_ino) &&
	       expect(open("new", O_WRONLY | O_CREAT, 0600) == -1 && errno == ENOENT) &&
	       expect(!getcwd(text, sizeof(text)) && errno == ENOENT);
}

VICTIM(make, same)
