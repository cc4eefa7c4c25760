/* SPDX-License-Identifier: GPL-2.0-only */
/* tasks that have every descriptor their soft limit allows, and the highest of the hard one */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

enum { LIMIT = 64, FREE = 5 };

static int file, ready[2], go[2];
static pid_t full, highest;

static int nr_open(void)
{
	struct stat st;
	int n = 0;

	for (int fd = 0; fd < 2 * LIMIT; fd++)
		n += fstat(fd, &st) == 0;
	return n;
}

/* It lives until it is told to look; then its status says how many descriptors it has. */
static void live(const struct rlimit *limit)
{
	struct rlimit now;
	char byte;

	if (write(ready[1], "r", 1) != 1 || read(go[0], &byte, 1) != 1)
		_exit(200);
	if (getrlimit(RLIMIT_NOFILE, &now) < 0 || now.rlim_cur != limit->rlim_cur ||
	    now.rlim_max != limit->rlim_max)
		_exit(201);
	_exit(dup(file) >= 0 ? nr_open() - 1 : nr_open());
}

static pid_t start_full(struct rlimit limit)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	limit.rlim_cur = LIMIT;
	setrlimit(RLIMIT_NOFILE, &limit);
	while (dup(file) >= 0)
		;
	live(&limit);
	return -1;
}

static pid_t start_highest(void)
{
	const struct rlimit limit = { LIMIT, LIMIT };
	pid_t pid = fork();

	if (pid)
		return pid;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = 2 * FREE; fd < LIMIT; fd++)
		dup2(file, fd);
	live(&limit);
	return -1;
}

static bool make(void)
{
	struct rlimit limit;
	char bytes[2];

	return expect((file = open("file", O_RDWR | O_CREAT, 0600)) >= 0) &&
	       expect(pipe(ready) == 0) && expect(pipe(go) == 0) &&
	       expect(getrlimit(RLIMIT_NOFILE, &limit) == 0) &&
	       expect((full = start_full(limit)) > 0) && expect((highest = start_highest()) > 0) &&
	       expect(read(ready[0], bytes, 1) == 1) && expect(read(ready[0], bytes, 1) == 1);
}

static int status_of(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool same(void)
{
	int mine = nr_open();

	return expect(write(go[1], "gg", 2) == 2) && expect(status_of(full) == LIMIT) &&
	       expect(status_of(highest) == LIMIT - 2 * FREE + mine);
}

VICTIM(make, same)
