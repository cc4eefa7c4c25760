/* SPDX-License-Identifier: GPL-2.0-only */
/* open files of /proc of processes that have gone, and a working directory there */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

static int stat_file, status_file, dir, task_stat, other_stat, path;
static pid_t dead, other;

static int open_of(pid_t pid, const char *name, int flags)
{
	char text[64];

	snprintf(text, sizeof(text), "/proc/%d%s", pid, name);
	return open(text, flags);
}

static pid_t start(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static bool end(pid_t pid)
{
	return expect(kill(pid, SIGKILL) == 0) && expect(waitpid(pid, NULL, 0) == pid);
}

static bool make(void)
{
	char task[64];

	dead = start();
	other = start();
	snprintf(task, sizeof(task), "/task/%d/stat", dead);
	return expect(getcwd(victim_dir, sizeof(victim_dir))) &&
	       expect((stat_file = open_of(dead, "/stat", O_RDONLY)) >= 0) &&
	       expect((status_file = open_of(dead, "/status", O_RDONLY)) >= 0) &&
	       expect((dir = open_of(dead, "", O_RDONLY | O_DIRECTORY)) >= 0) &&
	       expect((path = open_of(dead, "/attr", O_PATH)) >= 0) &&
	       expect((task_stat = open_of(dead, task, O_RDONLY)) >= 0) &&
	       expect((other_stat = open_of(other, "/stat", O_RDONLY)) >= 0) &&
	       expect(fchdir(dir) == 0) && end(dead) && end(other);
}

static bool leads_to(const char *link, pid_t pid, const char *name)
{
	char want[64], text[128] = "";

	snprintf(want, sizeof(want), "/proc/%d%s%s", pid, name, *name ? "" : " (deleted)");
	return expect(readlink(link, text, sizeof(text) - 1) > 0) &&
	       expect(strcmp(text, want) == 0);
}

static bool is_dead_file(int fd, pid_t pid, const char *name)
{
	char link[64], byte;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return leads_to(link, pid, name) && expect(read(fd, &byte, 1) < 0) &&
	       expect(errno == (fd == dir ? EISDIR : ESRCH));
}

static bool same(void)
{
	char fd_path[64];

	snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", path);
	return is_dead_file(stat_file, dead, "/stat") &&
	       is_dead_file(status_file, dead, "/status") && is_dead_file(dir, dead, "") &&
	       is_dead_file(other_stat, other, "/stat") &&
	       expect(read(task_stat, fd_path + 32, 1) < 0) && leads_to(fd_path, dead, "/attr") &&
	       leads_to("/proc/self/cwd", dead, "") && expect(chdir(".") < 0 && errno == ESRCH) &&
	       expect(kill(dead, 0) < 0 && errno == ESRCH) &&
	       expect(kill(other, 0) < 0 && errno == ESRCH);
}

VICTIM(make, same)
