/* SPDX-License-Identifier: GPL-2.0-only */
/* a stopped child stays stopped, by the same signal, and goes on where it was */
#include <sys/wait.h>

#include "victim.h"

static pid_t child;
static int fds[2];

static bool state_is(pid_t pid, char wanted)
{
	char path[64], text[512];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[n] = '\0';
	if (f)
		fclose(f);
	return n && strrchr(text, ')')[2] == wanted;
}

static bool make(void)
{
	int status;

	if (pipe(fds))
		return false;
	child = fork();
	if (child == 0) {
		raise(SIGSTOP);
		if (write(fds[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	return expect(waitpid(child, &status, WUNTRACED) == child) && expect(WIFSTOPPED(status));
}

static bool same(void)
{
	char c = 0;
	int status;

	for (int i = 0; i < 2000 && !state_is(child, 'T'); i++)
		victim_sleep(1);
	if (!expect(state_is(child, 'T')) || !expect(kill(child, SIGCONT) == 0))
		return false;
	if (!expect(read(fds[0], &c, 1) == 1) || !expect(c == 'x'))
		return false;
	kill(child, SIGKILL);
	return expect(waitpid(child, &status, 0) == child) && expect(WTERMSIG(status) == SIGKILL);
}

VICTIM(make, same)
