/* SPDX-License-Identifier: GPL-2.0-only */
/* dead children keep their exit codes until they are asked for; living ones can still die */
#include <sys/wait.h>

#include "victim.h"

enum { NR = 4 };

static pid_t pids[NR + 1];
static const int codes[NR] = { 0, 37, -SIGKILL, -SIGUSR1 };
static volatile int told;

static void child_died(int sig)
{
	told++;
}

static pid_t make_child(int code)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (code < 0)
		raise(-code);
	if (code == 99)
		for (;;)
			pause();
	_exit(code);
}

static bool make(void)
{
	siginfo_t info;

	for (int i = 0; i < NR; i++)
		pids[i] = make_child(codes[i]);
	pids[NR] = make_child(99);
	for (int i = 0; i < NR; i++)
		if (waitid(P_PID, (id_t)pids[i], &info, WEXITED | WNOWAIT))
			return false;
	signal(SIGCHLD, child_died);
	return true;
}

static bool died(pid_t pid, int code)
{
	int status;

	if (!expect(waitpid(pid, &status, 0) == pid))
		return false;
	return code < 0 ? expect(WIFSIGNALED(status)) && expect(WTERMSIG(status) == -code)
			: expect(WIFEXITED(status)) && expect(WEXITSTATUS(status) == code);
}

static bool same(void)
{
	if (!expect(told == 0) || !expect(waitpid(pids[NR], NULL, WNOHANG) == 0))
		return false;
	for (int i = 0; i < NR; i++)
		if (!died(pids[i], codes[i]))
			return false;
	kill(pids[NR], SIGTERM);
	return died(pids[NR], -SIGTERM) && expect(told == 1) && expect(wait(NULL) < 0) &&
	       expect(errno == ECHILD);
}

VICTIM(make, same)
