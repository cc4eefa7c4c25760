/* SPDX-License-Identifier: GPL-2.0-only */
/* a pipe between two processes: the reader sleeps in read(), the end of the writer wakes it */
#include <sys/wait.h>

#include "victim.h"

static int to_child[2], from_child[2];
static pid_t child;

/* Echo until end of file. */
static void echo(void)
{
	char buf[100];
	ssize_t n;

	close(to_child[1]);
	close(from_child[0]);
	while ((n = read(to_child[0], buf, sizeof(buf))) > 0)
		if (write(from_child[1], buf, (size_t)n) != n)
			_exit(2);
	_exit(n == 0 ? 17 : 3);
}

static bool make(void)
{
	if (!expect(pipe(to_child) == 0) || !expect(pipe(from_child) == 0))
		return false;
	child = fork();
	if (child == 0)
		echo();
	close(to_child[0]);
	close(from_child[1]);
	return expect(child > 0);
}

static bool same(void)
{
	char buf[100];
	int status;

	return expect(write(to_child[1], "over and back", 13) == 13) &&
	       expect(read(from_child[0], buf, sizeof(buf)) == 13) &&
	       expect(memcmp(buf, "over and back", 13) == 0) && expect(close(to_child[1]) == 0) &&
	       expect(waitpid(child, &status, 0) == child) && expect(status == 17 << 8) &&
	       expect(read(from_child[0], buf, 1) == 0);
}

VICTIM(make, same)
