/* SPDX-License-Identifier: GPL-2.0-only */
/* tasks whose session or group was begun by one who is no more, and who were adopted */
#include <sys/prctl.h>
#include <sys/wait.h>

#include "victim.h"

enum { DAEMON, DEEP, ZOMBIE, GROUP, OF_CHILD, NR };

static struct who {
	pid_t pid, pgid, sid, ppid;
} before[NR];

static pid_t zombie, subreaper;

/* What is written is the pid of the one that stays. */
static void stay(int fd)
{
	pid_t pid = getpid();

	if (write(fd, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	close(fd);
	for (;;)
		pause();
}

/* begin() runs in a child and exits; somebody it has left behind writes its pid. */
static pid_t left_by(void (*begin)(int fd), pid_t *child_ret)
{
	pid_t pid = 0, child;
	int ends[2];

	if (pipe(ends) < 0)
		return 0;
	child = fork();
	if (child == 0) {
		close(ends[0]);
		begin(ends[1]);
		_exit(9);
	}
	close(ends[1]);
	if (read(ends[0], &pid, sizeof(pid)) != sizeof(pid))
		pid = 0;
	close(ends[0]);
	if (child_ret)
		*child_ret = child;
	else
		waitpid(child, NULL, 0);
	return pid;
}

/* as daemons begin: the leader of the session is gone */
static void begin_daemon(int fd)
{
	setsid();
	if (fork() == 0)
		stay(fd);
}

/* a group of its own in that session, whose leader is gone as well */
static void begin_deep(int fd)
{
	setsid();
	if (fork() == 0) {
		setpgid(0, 0);
		if (fork() == 0)
			stay(fd);
		_exit(0);
	}
	wait(NULL);
}

/* a pipeline whose first process has ended */
static void begin_group(int fd)
{
	setpgid(0, 0);
	if (fork() == 0)
		stay(fd);
}

/* adopted by a subreaper below us */
static void begin_subreaper(int fd)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (fork() == 0) {
		begin_daemon(fd);
		_exit(0);
	}
	wait(NULL);
	for (;;)
		pause();
}

static pid_t parent_of(pid_t pid)
{
	char path[32];
	int ppid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%*d %*s %*c %d", &ppid) != 1 || fclose(f))
		return 0;
	return ppid;
}

static struct who look(pid_t pid)
{
	return (struct who){ pid, getpgid(pid), getsid(pid), parent_of(pid) };
}

static bool adopted(pid_t pid, pid_t by)
{
	for (int i = 0; parent_of(pid) != by && i < 2000; i++)
		victim_sleep(1);
	return parent_of(pid) == by;
}

static bool make(void)
{
	pid_t pids[NR];

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pids[DAEMON] = left_by(begin_daemon, NULL);
	pids[DEEP] = left_by(begin_deep, NULL);
	pids[ZOMBIE] = left_by(begin_daemon, &zombie);
	pids[GROUP] = left_by(begin_group, NULL);
	pids[OF_CHILD] = left_by(begin_subreaper, &subreaper);
	prctl(PR_SET_CHILD_SUBREAPER, 0);

	for (int i = 0; i < NR; i++) {
		if (!expect(adopted(pids[i], i == OF_CHILD ? subreaper : getpid())))
			return false;
		before[i] = look(pids[i]);
	}
	return expect(before[DAEMON].sid != getsid(0)) &&
	       expect(before[DEEP].pgid != before[DEEP].sid) &&
	       expect(before[GROUP].pgid != getpgid(0));
}

static bool same(void)
{
	int status, reaper = 1;

	for (int i = 0; i < NR; i++) {
		struct who now = look(before[i].pid);

		if (!expect(memcmp(&now, &before[i], sizeof(now)) == 0))
			return false;
	}
	prctl(PR_GET_CHILD_SUBREAPER, &reaper);
	if (!expect(reaper == 0) || !expect(waitpid(zombie, &status, WNOHANG) == zombie) ||
	    !expect(WEXITSTATUS(status) == 9) || !expect(waitpid(-1, &status, WNOHANG) == 0))
		return false;
	kill(before[OF_CHILD].pid, SIGKILL);
	kill(subreaper, SIGKILL);
	for (int i = 0; i < OF_CHILD; i++)
		if (kill(before[i].pid, SIGKILL) < 0 ||
		    waitpid(before[i].pid, NULL, 0) != before[i].pid)
			return expect(false);
	return true;
}

VICTIM(make, same)
