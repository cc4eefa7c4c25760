/* SPDX-License-Identifier: GPL-2.0-only */
/* O_PATH descriptors, also of a symbolic link and of one that was deleted */
#include <sys/stat.h>

#include "victim.h"

static int file, dir, to_link, gone_link, fifo;

static bool make(void)
{
	int fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0600);

	return expect(fd >= 0) && expect(close(fd) == 0) && expect(mkdir("dir", 0700) == 0) &&
	       expect(symlink("target", "link") == 0) && expect(symlink("lost", "gone") == 0) &&
	       expect(mkfifo("fifo", 0600) == 0) && expect((file = open("file", O_PATH)) >= 0) &&
	       expect((dir = open("dir", O_PATH | O_DIRECTORY)) >= 0) &&
	       expect((fifo = open("fifo", O_PATH)) >= 0) &&
	       expect((to_link = open("link", O_PATH | O_NOFOLLOW)) >= 0) &&
	       expect((gone_link = open("gone", O_PATH | O_NOFOLLOW)) >= 0) &&
	       expect(unlink("gone") == 0);
}

static bool leads_to(int fd, const char *want)
{
	char text[64] = "";

	return expect(readlinkat(fd, "", text, sizeof(text) - 1) == (ssize_t)strlen(want)) &&
	       expect(strcmp(text, want) == 0);
}

static bool same(void)
{
	struct stat st;
	char c;

	return expect(read(file, &c, 1) == -1 && errno == EBADF) &&
	       expect(fcntl(file, F_GETFL) & O_PATH) && expect(mkdirat(dir, "inner", 0700) == 0) &&
	       expect(access("dir/inner", F_OK) == 0) && leads_to(to_link, "target") &&
	       leads_to(gone_link, "lost") && expect(fstat(fifo, &st) == 0) &&
	       expect(S_ISFIFO(st.st_mode)) && expect(access("gone", F_OK) < 0);
}

VICTIM(make, same)
