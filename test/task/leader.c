/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * threads whose first one has exited: they go on with their memory, descriptors and children;
 * the parent hears of the end when the last one ends
 */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

static pid_t child, tid;
static int asks[2], says[2], fd;
static int local = 17;

static _Thread_local int mine = 23;
static volatile sig_atomic_t killed;

static void note(int sig)
{
	killed++;
}

/* A grandchild that minds the end of its parent. */
static void be_a_grandchild(void)
{
	signal(SIGUSR2, note);
	prctl(PR_SET_PDEATHSIG, SIGUSR2);
	for (;;) {
		char c;
		int sig = -1;

		if (read(asks[0], &c, 1) != 1)
			continue;
		prctl(PR_GET_PDEATHSIG, &sig);
		c = !killed && sig == SIGUSR2 ? 'y' : 'n';
		if (write(says[1], &c, 1) == 1)
			_exit(5);
	}
}

static char state_of(pid_t pid)
{
	char path[64], text[512] = "";
	int stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	stat = open(path, O_RDONLY);
	if (read(stat, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(stat);
	return strrchr(text, ')') ? strrchr(text, ')')[2] : '?';
}

/* Before and after, in the thread that lives: "1" makes the grandchild, "2" looks. */
static void *live_on(void *arg)
{
	pid_t grandchild = 0;
	char c;
	int status;

	mine = 42;
	while (state_of(getpid()) != 'Z')
		victim_sleep(1);
	grandchild = fork();
	if (grandchild == 0)
		be_a_grandchild();
	while (read(asks[0], &c, 1) != 1)
		;
	c = 'n';
	if (expect(mine == 42) && expect(local == 17) && expect(syscall(SYS_gettid) == tid) &&
	    expect(lseek(fd, 0, SEEK_CUR) == 3) && expect(state_of(getpid()) == 'Z') &&
	    expect(waitpid(grandchild, &status, __WALL) == grandchild) &&
	    expect(WEXITSTATUS(status) == 5))
		c = 'y';
	if (write(says[1], &c, 1) != 1)
		_exit(1);
	syscall(SYS_exit, 9);
	return NULL;
}

static void *start(void *arg)
{
	tid = (pid_t)syscall(SYS_gettid);
	if (write(says[1], &tid, sizeof(tid)) != sizeof(tid))
		_exit(1);
	return live_on(arg);
}

static void be_a_child(void)
{
	pthread_t thread;

	prctl(PR_SET_NAME, "firstone");
	fd = open("file", O_RDWR | O_CREAT, 0600);
	if (write(fd, "abc", 3) != 3 || pthread_create(&thread, NULL, start, NULL) != 0)
		_exit(1);
	syscall(SYS_exit, 37);
}

static bool make(void)
{
	if (pipe(asks) < 0 || pipe(says) < 0)
		return false;
	child = fork();
	if (child == 0)
		be_a_child();
	if (!expect(read(says[0], &tid, sizeof(tid)) == sizeof(tid)))
		return false;
	while (state_of(child) != 'Z')
		victim_sleep(1);
	victim_sleep(20);
	return true;
}

static bool same(void)
{
	char comm[64] = "", path[64], c[2] = "";
	int status, file;

	snprintf(path, sizeof(path), "/proc/%d/comm", child);
	file = open(path, O_RDONLY);
	if (!expect(read(file, comm, sizeof(comm) - 1) > 0) ||
	    !expect(strcmp(comm, "firstone\n") == 0) ||
	    !expect(waitpid(child, &status, WNOHANG) == 0) || !expect(state_of(child) == 'Z'))
		return false;
	if (!expect(write(asks[1], "22", 2) == 2) || !expect(read(says[0], c, 1) == 1) ||
	    !expect(read(says[0], c + 1, 1) == 1))
		return false;
	return expect(memcmp(c, "yy", 2) == 0) && expect(waitpid(child, &status, 0) == child) &&
	       expect(WIFEXITED(status)) && expect(WEXITSTATUS(status) == 9);
}

VICTIM(make, same)
