/* SPDX-License-Identifier: GPL-2.0-only */
/* open files of /proc: one's own, a child's, one of nobody */
#include <sys/wait.h>

#include "victim.h"

static int own, of_child, of_all, exe;
static pid_t child;

static bool make(void)
{
	char path[64];

	child = fork();
	if (child == 0)
		for (;;)
			pause();
	snprintf(path, sizeof(path), "/proc/%d/stat", child);
	return expect(child > 0) && expect((own = open("/proc/self/stat", O_RDONLY)) >= 0) &&
	       expect((of_child = open(path, O_RDONLY)) >= 0) &&
	       expect((of_all = open("/proc/sys/kernel/ostype", O_RDONLY)) >= 0) &&
	       expect((exe = open("/proc/self/exe", O_PATH | O_NOFOLLOW)) >= 0);
}

static bool begins_with(int fd, pid_t want)
{
	char buf[64] = "";

	return expect(pread(fd, buf, sizeof(buf) - 1, 0) > 0) && expect(atoi(buf) == want);
}

static bool same(void)
{
	char buf[64] = "", target[4096] = "", want[4096] = "";

	return begins_with(own, getpid()) && begins_with(of_child, child) &&
	       expect(read(of_all, buf, 63) == 6) && expect(strcmp(buf, "Linux\n") == 0) &&
	       expect(readlinkat(exe, "", target, sizeof(target)) > 0) &&
	       expect(readlink("/proc/self/exe", want, sizeof(want)) > 0) &&
	       expect(strcmp(target, want) == 0);
}

VICTIM(make, same)
