/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tasks that have forked, begun sessions and groups, died and been adopted in
 * an order made by chance: each keeps its parent, session and group, and what
 * it shares with whom; the dead keep their exit codes, and subreapers are what
 * they were
 *
 *	random_tree DIR [SEED [share]]
 *
 * The root tells the others what to do through pipes, and looks at /proc.
 */
#include <linux/kcmp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

enum { MOST = 40, STEPS = 150 };

enum command { FORK = 1, SETSID, EXIT, REAPER, NO_REAPER, GROUP, JOIN, UNSHARE, CHECK };

struct place {
	pid_t pid; /* 0: free */
	char how;
	pid_t ppid, pgid, sid;
	int reaper;
};

/* All see it. */
static struct state {
	struct place places[MOST];
	int new_place, result; /* of the command that is carried out */
	unsigned long flags;   /* and what it is about: CLONE_FILES, CLONE_FS */
	pid_t group;
	volatile int done;
} * state;

static int pipes[MOST][2];
static bool files_same[MOST][MOST], dirs_same[MOST][MOST];
static unsigned int seed = 7;
static bool sharing;

static void obey(int me) __attribute__((noreturn));

static bool do_fork(int place)
{
	pid_t pid = (pid_t)syscall(SYS_clone, state->flags | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		obey(place);
	state->places[place].pid = pid;
	return pid > 0;
}

static bool has_reaper(int want)
{
	int reaper = -1;

	return prctl(PR_GET_CHILD_SUBREAPER, &reaper) == 0 && reaper == want;
}

static bool carry_out(int me, enum command c)
{
	switch (c) {
	case FORK:
		return do_fork(state->new_place);
	case SETSID:
		return setsid() > 0;
	case EXIT:
		_exit(me + 3);
	case REAPER:
	case NO_REAPER:
		return prctl(PR_SET_CHILD_SUBREAPER, c == REAPER) == 0;
	case GROUP:
		return setpgid(0, 0) == 0;
	case JOIN:
		return setpgid(0, state->group) == 0;
	case UNSHARE:
		return unshare((int)state->flags) == 0;
	case CHECK:
		return has_reaper(state->places[me].reaper) && getpid() == state->places[me].pid;
	default:
		return false;
	}
}

static void obey(int me)
{
	char c;

	while (read(pipes[me][0], &c, 1) == 1) {
		state->result = carry_out(me, (enum command)c);
		state->done = 1;
	}
	_exit(0);
}

/* What /proc says now. */
static bool look(struct place *p)
{
	char path[64], text[512] = "", *s;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", p->pid);
	f = fopen(path, "re");
	if (!f || !fgets(text, sizeof(text), f))
		text[0] = '\0';
	if (f)
		fclose(f);
	s = strrchr(text, ')');
	return s && sscanf(s + 1, " %c %d %d %d", &p->how, &p->ppid, &p->pgid, &p->sid) == 4;
}

static bool tell(int i, enum command c)
{
	struct place *p = &state->places[i];
	char byte = (char)c;

	state->done = 0;
	if (i == 0)
		return carry_out(i, c);
	if (write(pipes[i][1], &byte, 1) != 1)
		return false;
	while (!state->done && (c != EXIT || (look(p) && p->how != 'Z')))
		usleep(50);
	return state->result;
}

/* The place of one that can obey, or else a free one. */
static int any(bool lives)
{
	int i, n = rand() % MOST;

	for (i = 0; i < MOST; i++, n++) {
		const struct place *p = &state->places[n % MOST];

		if (lives ? p->pid && p->how != 'Z' : !p->pid)
			return n % MOST;
	}
	return -1;
}

/* Some of the dead are reaped, if they are ours. */
static void reap(void)
{
	pid_t pid;

	while (rand() % 3 && (pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (int i = 0; i < MOST; i++)
			if (state->places[i].pid == pid)
				state->places[i] = (struct place){ 0 };
}

static void step(void)
{
	static const enum command often[] = { FORK,   FORK,	 FORK,	SETSID, SETSID, EXIT,
					      REAPER, NO_REAPER, GROUP, JOIN,	UNSHARE };
	static const unsigned long flags[] = { 0,	    0,	      0,
					       CLONE_FILES, CLONE_FS, CLONE_FILES | CLONE_FS };
	enum command c = often[rand() % (sharing ? 11 : 10)];
	int i = any(true), new = any(false);

	if (c == FORK && new < 0)
		return;
	if (i == 0 && c != FORK)
		return;
	state->new_place = new;
	state->group = state->places[any(true)].pid;
	state->flags = sharing ? flags[rand() % 6] : 0;
	tell(i, c);
	if (c == REAPER || c == NO_REAPER)
		state->places[i].reaper = c == REAPER;
	reap();
}

static bool shares(int a, int b, int type)
{
	const struct place *p = &state->places[a], *q = &state->places[b];

	return p->pid && q->pid && p->how != 'Z' && q->how != 'Z' &&
	       syscall(SYS_kcmp, p->pid, q->pid, type, 0, 0) == 0;
}

static bool make(void)
{
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (state == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return false;
	for (int i = 0; i < MOST; i++)
		if (pipe2(pipes[i], O_CLOEXEC) < 0)
			return false;

	state->places[0] = (struct place){ .pid = getpid(), .reaper = 1 };
	srand(seed);
	for (int i = 0; i < STEPS; i++)
		step();
	for (int i = 0; i < MOST; i++)
		if (state->places[i].pid && !look(&state->places[i]))
			return false;
	for (int i = 0; i < MOST; i++)
		for (int k = 0; k < MOST; k++) {
			files_same[i][k] = shares(i, k, KCMP_FILES);
			dirs_same[i][k] = shares(i, k, KCMP_FS);
		}
	return true;
}

static bool is_same(int i)
{
	const struct place *was = &state->places[i];
	struct place now = { .pid = was->pid };

	if (!expect(look(&now)) || !expect((was->how == 'Z') == (now.how == 'Z')))
		return false;
	if (now.ppid != (i ? was->ppid : getppid()) || now.pgid != was->pgid ||
	    now.sid != was->sid) {
		fprintf(stderr, "%d: parent %d, group %d, session %d; were %d, %d, %d\n", now.pid,
			now.ppid, now.pgid, now.sid, was->ppid, was->pgid, was->sid);
		return false;
	}
	for (int k = 0; k < MOST; k++)
		if (!expect(shares(i, k, KCMP_FILES) == files_same[i][k]) ||
		    !expect(shares(i, k, KCMP_FS) == dirs_same[i][k]))
			return false;
	return now.how == 'Z' || expect(tell(i, CHECK));
}

static bool has_code(int i)
{
	const struct place *was = &state->places[i];
	int status;

	if (was->how != 'Z' || was->ppid != getpid())
		return true;
	return expect(waitpid(was->pid, &status, 0) == was->pid) &&
	       expect(WEXITSTATUS(status) == i + 3);
}

static bool same(void)
{
	bool all = true;

	for (int i = 0; i < MOST; i++)
		if (state->places[i].pid && (!is_same(i) || !has_code(i)))
			all = false;
	/* none but the living may be our children: helpers have gone */
	all = all && expect(waitpid(-1, NULL, WNOHANG | __WALL) <= 0);
	for (int i = 1; i < MOST; i++)
		if (state->places[i].pid)
			kill(state->places[i].pid, SIGKILL);
	return all;
}

int main(int argc, char **argv)
{
	if (argc > 2)
		seed = (unsigned int)strtoul(argv[2], NULL, 10);
	sharing = argc > 3;
	return victim_main(argc, argv, make, same);
}
