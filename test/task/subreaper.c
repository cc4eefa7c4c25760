/* SPDX-License-Identifier: GPL-2.0-only */
/* a subreaper is one after the restore: also for those who were born before the dump */
#include <sys/prctl.h>
#include <sys/wait.h>

#include "victim.h"

static pid_t child, grandchild, other;
static int end[2], told[2];

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512] = "";
	int fd, ppid = -1;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		sscanf(strrchr(text, ')') + 1, " %*c %d", &ppid);
	close(fd);
	return ppid;
}

/* Has a child of its own, and ends when it is told to; the grandchild lives on. */
static void be_a_child(void)
{
	pid_t pid = fork();
	char c;

	if (pid == 0)
		for (;;)
			pause();
	if (write(told[1], &pid, sizeof(pid)) != sizeof(pid) || read(end[0], &c, 1) < 0)
		_exit(1);
	_exit(7);
}

static pid_t child_new(pid_t *grandchild_ret)
{
	pid_t pid = fork();

	if (pid == 0)
		be_a_child();
	return read(told[0], grandchild_ret, sizeof(*grandchild_ret)) > 0 ? pid : -1;
}

static bool make(void)
{
	return pipe(end) == 0 && pipe(told) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 &&
	       (child = child_new(&grandchild)) > 0;
}

static bool is_adopted(pid_t parent, pid_t orphan)
{
	int status;

	return expect(parent_of(orphan) == parent) && expect(write(end[1], "x", 1) == 1) &&
	       expect(waitpid(parent, &status, 0) == parent) && expect(WEXITSTATUS(status) == 7) &&
	       expect(parent_of(orphan) == getpid()) && expect(kill(orphan, SIGKILL) == 0) &&
	       expect(waitpid(orphan, &status, 0) == orphan) && expect(WTERMSIG(status) == SIGKILL);
}

static bool same(void)
{
	pid_t orphan;
	int reaper = 0;

	return expect(prctl(PR_GET_CHILD_SUBREAPER, &reaper) == 0) && expect(reaper == 1) &&
	       is_adopted(child, grandchild) && expect((other = child_new(&orphan)) > 0) &&
	       is_adopted(other, orphan);
}

VICTIM(make, same)
