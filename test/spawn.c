/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spawn - start a program that has nothing to do with us any more
 *
 *	spawn LOG COMMAND [ARG...]
 *
 * It leads a session of its own, has /dev/null and LOG (appended) as its only
 * descriptors, default signals, and init for a parent.  Its pid is printed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

static void become(const char *log, char **argv)
{
	sigset_t none;
	int in, out;

	setsid();
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	in = open("/dev/null", O_RDONLY);
	out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
	if (in < 0 || out < 0)
		_exit(126);
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	close_range(3, ~0U, 0);

	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: spawn LOG COMMAND [ARG...]\n");
		return 1;
	}

	pid = fork();
	if (pid < 0) {
		perror("spawn");
		return 1;
	}
	if (pid == 0)
		become(argv[1], argv + 2);
	printf("%d\n", pid);
	return 0;
}
