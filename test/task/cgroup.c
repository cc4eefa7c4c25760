/* SPDX-License-Identifier: GPL-2.0-only */
/* a task, a thread and a child that are in control groups of their own */
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

static char top[128]; /* a group of version 1, and what it is called in /proc */
static const char *called;
static pthread_t thread;
static pid_t tid, child;
static volatile bool end;
static int asks[2];

static const char *below(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s%s", top, name);
	return path;
}

static bool enter(const char *group, const char *file, pid_t who)
{
	char path[256], number[16];
	int fd;

	snprintf(path, sizeof(path), "%s%s/%s", top, group, file);
	snprintf(number, sizeof(number), "%d", who);
	fd = open(path, O_WRONLY);
	return expect(fd >= 0) && expect(write(fd, number, strlen(number)) > 0) && close(fd) == 0;
}

/* "/group/thread" of a line "8:pids:/group/thread" */
static bool is_in(pid_t pid, pid_t thread, const char *group)
{
	char path[64], line[512], wanted[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/cgroup", pid, thread);
	snprintf(wanted, sizeof(wanted), ":%s:%s%s\n", called, strrchr(top, '/'), group);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		found = found || strstr(line, wanted);
	if (f)
		fclose(f);
	return expect(found);
}

static void *idle(void *arg)
{
	tid = (pid_t)syscall(SYS_gettid);
	while (!end)
		victim_sleep(1);
	return NULL;
}

static void be_a_child(void)
{
	char c;

	_exit(read(asks[0], &c, 1) == 1 ? 41 : 42);
}

static bool make(void)
{
	struct stat ns;

	called = "pids";
	if (access("/sys/fs/cgroup/pids/cgroup.procs", W_OK) < 0 ||
	    stat("/proc/self/ns/pid", &ns) < 0)
		skip("/sys/fs/cgroup/pids is not there");
	snprintf(top, sizeof(top), "/sys/fs/cgroup/pids/criu-lite-victim-%lu",
		 (unsigned long)ns.st_ino);
	if (!expect(mkdir(top, 0755) == 0 || errno == EEXIST))
		return false;
	mkdir(below("/thread"), 0755);
	mkdir(below("/child"), 0755);
	if (pipe(asks) < 0 || pthread_create(&thread, NULL, idle, NULL))
		return false;
	child = fork();
	if (child == 0)
		be_a_child();
	while (!tid)
		victim_sleep(1);
	return enter("", "cgroup.procs", 0) && enter("/thread", "tasks", tid) &&
	       enter("/child", "cgroup.procs", child);
}

/* Whoever has just left it may keep a group busy for a moment. */
static bool remove_group(const char *path)
{
	for (int i = 0; i < 1000 && rmdir(path) < 0; i++)
		victim_sleep(2);
	return expect(access(path, F_OK) < 0);
}

static bool leave(void)
{
	int fd = open("/sys/fs/cgroup/pids/cgroup.procs", O_WRONLY);

	return write(fd, "0", 1) == 1 && close(fd) == 0 && remove_group(below("/thread")) &&
	       remove_group(below("/child")) && remove_group(top);
}

static bool same(void)
{
	int status;

	return is_in(getpid(), getpid(), "") && is_in(getpid(), tid, "/thread") &&
	       is_in(child, child, "/child") && expect(write(asks[1], "x", 1) == 1) &&
	       expect(waitpid(child, &status, 0) == child) && expect(WEXITSTATUS(status) == 41) &&
	       expect(leave());
}

VICTIM(make, same)
