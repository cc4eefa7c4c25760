/* SPDX-License-Identifier: GPL-2.0-only */
/* stopped children stay stopped, their parent is not told once more, and they go on where they were */
#include <sys/wait.h>

#include "victim.h"

enum { NR = 3 };

static const int signals[NR] = { SIGSTOP, SIGTSTP, SIGTTIN };
static pid_t children[NR];
static int fds[2];
static volatile int told;

static void child_changed(int sig)
{
	told++;
}

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

static pid_t make_child(int sig)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	setpgid(0, 0); /* the group of its parent is orphaned: terminal stops do not work there */
	raise(sig);
	if (write(fds[1], "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static bool make(void)
{
	int status;

	if (pipe(fds))
		return false;
	for (int i = 0; i < NR; i++) {
		children[i] = make_child(signals[i]);
		if (!expect(waitpid(children[i], &status, WUNTRACED) == children[i]) ||
		    !expect(WIFSTOPPED(status)) || !expect(WSTOPSIG(status) == signals[i]))
			return false;
	}
	signal(SIGCHLD, child_changed);
	return true;
}

static bool goes_on(pid_t child)
{
	char c = 0;
	int status;

	return expect(state_is(child, 'T')) && expect(kill(child, SIGCONT) == 0) &&
	       expect(read(fds[0], &c, 1) == 1) && expect(c == 'x') && expect(kill(child, SIGKILL) == 0) &&
	       expect(waitpid(child, &status, 0) == child) && expect(WTERMSIG(status) == SIGKILL);
}

static bool same(void)
{
	victim_sleep(20);
	if (!expect(told == 0) || !expect(waitpid(-1, NULL, WNOHANG | WUNTRACED) == 0))
		return false;
	for (int i = 0; i < NR; i++)
		if (!goes_on(children[i]))
			return false;
	return true;
}

VICTIM(make, same)
