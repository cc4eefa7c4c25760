/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * in a pid namespace whose init reaps nobody: zombies that init has got, of a
 * session whose leader is no more; sessions and groups without their leader, or
 * with a dead one; who was adopted by a subreaper that is none any more
 * (process-tree-2 7 11 12 20)
 *
 * inside: pz */
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "victim.h"

enum {
	CHILD,	  /* ours, in a group of its own */
	MEMBER,	  /* its session's leader is gone */
	MATE,	  /* and so is the leader of its group in that session */
	DEAD,	  /* a zombie of that session, with init */
	DEAD_OWN, /* a zombie that began its own session, with init */
	LEFT,	  /* lives on in a session whose leader is our zombie */
	LEFT_TOO, /* as does one in another group of it */
	LEADER,	  /* that zombie */
	ADOPTED,  /* by a subreaper, which is none any more */
	REAPER,
	NR
};

static struct who {
	char state;
	int ppid, pgid, sid, code;
} before[NR];

/* Everybody below us writes his own pid at his number. */
static pid_t *pids;
static int told[2];

/* That at /proc may be one of an outer pid namespace. */
static int open_proc(void)
{
	char self[16] = "";
	int fs, fd;

	if (readlink("/proc/self", self, sizeof(self) - 1) > 0 && atoi(self) == getpid())
		return open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fs = fsopen("proc", FSOPEN_CLOEXEC);
	fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	return fd;
}

static bool look(pid_t pid, struct who *w)
{
	char path[32], text[1024] = "", *p;
	int proc = open_proc(), fd, field;
	bool ok;

	snprintf(path, sizeof(path), "%d/stat", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	ok = fd >= 0 && read(fd, text, sizeof(text) - 1) > 0;
	close(fd);
	close(proc);
	p = strrchr(text, ')');
	if (!ok || !p || sscanf(p + 1, " %c %d %d %d", &w->state, &w->ppid, &w->pgid, &w->sid) != 4)
		return false;
	/* exit_code is the last one, number 52 */
	for (field = 2; p && field < 52; field++)
		p = strchr(p + 1, ' ');
	w->code = p ? atoi(p) : -1;
	if (w->state == 'R' || w->state == 'D')
		w->state = 'S';
	return true;
}

static bool become(int number, char state, pid_t parent)
{
	struct who w = { 0 };

	for (int i = 0; i < 4000; i++) {
		if (look(pids[number], &w) && w.state == state && w.ppid == parent)
			return true;
		victim_sleep(1);
	}
	fprintf(stderr, "number %d: state %c, parent %d\n", number, w.state, w.ppid);
	return false;
}

static void say(int number)
{
	pid_t news[2] = { number, getpid() };

	if (write(told[1], news, sizeof(news)) != sizeof(news))
		_exit(1);
}

static void stay(int number)
{
	say(number);
	for (;;)
		pause();
}

/* A session of which only some are left, and its leader is gone at once. */
static void begin_session(void)
{
	setsid();
	if (fork() == 0)
		stay(MEMBER);
	if (fork() == 0) {
		setpgid(0, 0);
		if (fork() == 0)
			stay(MATE);
		_exit(0);
	}
	if (fork() == 0) {
		say(DEAD);
		_exit(41);
	}
	if (fork() == 0) {
		setsid();
		say(DEAD_OWN);
		raise(SIGUSR2);
	}
	_exit(0);
}

static void begin_leader(void)
{
	setsid();
	say(LEADER);
	if (fork() == 0)
		stay(LEFT);
	if (fork() == 0) {
		setpgid(0, 0);
		stay(LEFT_TOO);
	}
	_exit(43);
}

static void begin_reaper(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (fork() == 0) {
		if (fork() == 0)
			stay(ADOPTED);
		_exit(0);
	}
	wait(NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	stay(REAPER);
}

static pid_t child_that(void (*begin)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		begin();
	return pid;
}

static void begin_child(void)
{
	setpgid(0, 0);
	stay(CHILD);
}

static bool hear_of_all(void)
{
	pid_t news[2];

	for (int i = 0; i < NR; i++) {
		if (read(told[0], news, sizeof(news)) != sizeof(news) || news[0] >= NR)
			return false;
		pids[news[0]] = news[1];
	}
	return true;
}

static bool make(void)
{
	pid_t session;

	pids = calloc(NR, sizeof(*pids));
	if (!pids || !expect(pipe(told) == 0))
		return false;
	child_that(begin_child);
	session = child_that(begin_session);
	child_that(begin_leader);
	child_that(begin_reaper);
	if (!expect(waitpid(session, NULL, 0) == session) || !expect(hear_of_all()) ||
	    !expect(become(MEMBER, 'S', 1)) || !expect(become(MATE, 'S', 1)) ||
	    !expect(become(DEAD, 'Z', 1)) || !expect(become(DEAD_OWN, 'Z', 1)) ||
	    !expect(become(LEFT, 'S', 1)) || !expect(become(LEFT_TOO, 'S', 1)) ||
	    !expect(become(LEADER, 'Z', getpid())) || !expect(become(REAPER, 'S', getpid())) ||
	    !expect(become(ADOPTED, 'S', pids[REAPER])) || !expect(become(CHILD, 'S', getpid())))
		return false;
	for (int i = 0; i < NR; i++)
		if (!expect(look(pids[i], &before[i])))
			return false;
	return expect(before[DEAD].sid == session) && expect(before[MATE].sid == session) &&
	       expect(before[MATE].pgid != session) && expect(before[DEAD].code == 41 << 8) &&
	       expect(before[DEAD_OWN].code == SIGUSR2) &&
	       expect(before[DEAD_OWN].sid == pids[DEAD_OWN]) &&
	       expect(before[LEFT].sid == pids[LEADER]) &&
	       expect(before[LEFT_TOO].pgid == pids[LEFT_TOO]);
}

static bool is_as_before(int number)
{
	const struct who *was = &before[number];
	struct who now;

	if (expect(look(pids[number], &now)) && expect(now.state == was->state) &&
	    expect(now.ppid == was->ppid) && expect(now.pgid == was->pgid) &&
	    expect(now.sid == was->sid) && expect(now.code == was->code))
		return true;
	fprintf(stderr, "number %d, pid %d\n", number, pids[number]);
	return false;
}

static bool same(void)
{
	int status;

	for (int i = 0; i < NR; i++)
		if (!is_as_before(i))
			return false;
	/* who is orphaned now goes to init: nobody between is a subreaper */
	return expect(waitpid(pids[LEADER], &status, 0) == pids[LEADER]) &&
	       expect(WIFEXITED(status) && WEXITSTATUS(status) == 43) &&
	       expect(getsid(pids[LEFT]) == pids[LEADER]) &&
	       expect(kill(pids[REAPER], SIGKILL) == 0) &&
	       expect(waitpid(pids[REAPER], &status, 0) == pids[REAPER]) &&
	       expect(become(ADOPTED, 'S', 1)) &&
	       expect(kill(-before[MEMBER].pgid, SIGKILL) == 0) && expect(become(MEMBER, 'Z', 1)) &&
	       expect(is_as_before(MATE)) && expect(kill(pids[CHILD], SIGKILL) == 0) &&
	       expect(wait(&status) == pids[CHILD]) && expect(wait(&status) < 0 && errno == ECHILD);
}

VICTIM(make, same)
