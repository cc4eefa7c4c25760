/* SPDX-License-Identifier: GPL-2.0-only */
/* seccomp strict mode of one thread, and of a whole child: they may read, write and end, and nothing else */
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

static pthread_t thread;
static int to[2], from[2], child_to[2], child_from[2];
static pid_t child;
static volatile int strict;
static volatile long tid;

static void *run(void *arg)
{
	char c;

	tid = syscall(SYS_gettid);
	strict = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0 ? 1 : -1;
	while (read(to[0], &c, 1) == 1) {
		c++;
		if (write(from[1], &c, 1) != 1)
			break;
	}
	syscall(SYS_exit, 0);
	return NULL;
}

static bool answers(const int ask[2], const int answer[2], char c)
{
	char wanted = (char)(c + 1);

	return expect(write(ask[1], &c, 1) == 1) && expect(read(answer[0], &c, 1) == 1) &&
	       expect(c == wanted);
}

static void be_strict(void)
{
	char c;

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
		_exit(1);
	while (read(child_to[0], &c, 1) == 1) {
		c++;
		if (write(child_from[1], &c, 1) != 1)
			break;
	}
	syscall(SYS_exit, 1);
}

static bool make(void)
{
	if (pipe(child_to) || pipe(child_from))
		return false;
	child = fork();
	if (child == 0)
		be_strict();
	if (!answers(child_to, child_from, '3'))
		return false;
	if (pipe(to) || pipe(from) || pthread_create(&thread, NULL, run, NULL))
		return false;
	while (!strict)
		victim_sleep(1);
	return strict > 0;
}

static int mode_of(const char *task)
{
	char path[64], line[256];
	int mode = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/status", task);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Seccomp: %d", &mode);
	if (f)
		fclose(f);
	return mode;
}

static bool same(void)
{
	char task[64], number[16];
	int status;

	snprintf(task, sizeof(task), "self/task/%ld", tid);
	snprintf(number, sizeof(number), "%d", child);
	return answers(to, from, 'x') && expect(mode_of(task) == 1) &&
	       expect(mode_of(number) == 1) && answers(child_to, child_from, '5') &&
	       expect(kill(child, SIGKILL) == 0) && expect(waitpid(child, &status, 0) == child) &&
	       expect(WTERMSIG(status) == SIGKILL);
}

VICTIM(make, same)
