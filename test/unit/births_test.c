/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * core/births: trees with a random history of forks, sessions, subreapers and
 * deaths are planned, and the plan is carried out in the mind
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/births.h"
#include "core/task.h"
#include "unit/tap.h"

enum { MOST = 60, FIRST_PID = 100 };

/* A task of the history; pid - FIRST_PID is its place. */
struct past {
	pid_t parent, sid, pgid;
	bool lives, reaper;
};

static struct past past[MOST];
static int nr_past;

static struct past *of(pid_t pid)
{
	return &past[pid - FIRST_PID];
}

static pid_t any_living(void)
{
	int i;

	do
		i = rand() % nr_past;
	while (!past[i].lives);
	return i + FIRST_PID;
}

static bool has_group(pid_t pgid)
{
	for (int i = 0; i < nr_past; i++)
		if (past[i].lives && past[i].pgid == pgid)
			return true;
	return false;
}

/* The root is a subreaper, and does not die. */
static void do_exit(pid_t pid)
{
	pid_t reaper = of(pid)->parent;

	while (!of(reaper)->reaper)
		reaper = of(reaper)->parent;
	of(pid)->lives = false;
	for (int i = 0; i < nr_past; i++)
		if (past[i].lives && past[i].parent == pid)
			past[i].parent = reaper;
}

static void do_setpgid(pid_t pid)
{
	pid_t other = any_living();

	if (of(pid)->sid == pid)
		return;
	if (rand() % 2)
		of(pid)->pgid = pid;
	else if (of(other)->sid == of(pid)->sid)
		of(pid)->pgid = of(other)->pgid;
}

static void live(void)
{
	pid_t pid = any_living();

	switch (rand() % 8) {
	case 0:
	case 1:
	case 2:
		past[nr_past++] = (struct past){ pid, of(pid)->sid, of(pid)->pgid, true, false };
		break;
	case 3:
	case 4:
		if (!has_group(pid))
			of(pid)->sid = of(pid)->pgid = pid;
		break;
	case 5:
		if (pid != FIRST_PID)
			do_exit(pid);
		break;
	case 6:
		if (pid != FIRST_PID)
			of(pid)->reaper = !of(pid)->reaper;
		break;
	case 7:
		do_setpgid(pid);
		break;
	}
}

/* In any order of pids: they have been used more than once. */
static pid_t numbers[MOST];

static pid_t number(pid_t pid)
{
	return numbers[pid - FIRST_PID];
}

static void shuffle(bool really)
{
	for (int i = 0; i < MOST; i++)
		numbers[i] = i + FIRST_PID;
	for (int i = 1; really && i < MOST; i++) {
		int k = 1 + rand() % i;
		pid_t n = numbers[i];

		numbers[i] = numbers[k];
		numbers[k] = n;
	}
}

static void add_task(struct arena *a, struct tree *tree, pid_t pid)
{
	struct task *parent = pid == FIRST_PID ? NULL : task_by_pid(tree, number(of(pid)->parent));
	struct task *t = task_new(a, tree, parent);

	task_has_pid(a, tree, t, number(pid));
	t->sid = number(of(pid)->sid);
	t->pgid = number(of(pid)->pgid);
	t->state = TASK_ALIVE;
	for (int i = 0; i < nr_past; i++)
		if (past[i].lives && past[i].parent == pid)
			add_task(a, tree, i + FIRST_PID);
}

static bool has_ancestor(const struct birth *b, const struct birth *ancestor)
{
	while (b && b != ancestor)
		b = b->father;
	return b;
}

/* The session @b is in, at its birth and in the end. */
static pid_t session(const struct birth *b, bool at_birth)
{
	if (b->leads && !at_birth)
		return b->task->pid;
	return b->father ? session(b->father, b->before) : 0;
}

static bool is_right(const struct birth *b)
{
	const struct task *t = b->task;

	if (session(b, false) != t->sid)
		return false;
	if (b->is_helper || !t->parent)
		return true;
	if (!has_ancestor(b->father, t->parent->birth))
		return false;
	return b->is_adopted || b->father == t->parent->birth;
}

/* 0: good; 1: refused; 2: wrong */
static int try(struct arena *arena, struct err *err)
{
	struct tree *tree = arena_new(arena, struct tree);
	struct births *births;
	struct birth **b;

	list_init(&tree->tasks);
	add_task(arena, tree, FIRST_PID);
	if (births_plan(arena, tree, false, &births, err) < 0)
		return 1;
	vec_for_each(b, &births->all)
		if (!is_right(*b))
			return 2;
	return births->all.n == tree->nr_tasks + births->nr_helpers ? 0 : 2;
}

static void begin(unsigned int seed)
{
	srand(seed);
	memset(past, 0, sizeof(past));
	past[0] = (struct past){ 0, FIRST_PID, FIRST_PID, true, true };
	nr_past = 1;
}

static void histories(unsigned int nr, bool shuffled)
{
	int results[3] = { 0 }, shown = 0;

	for (unsigned int seed = 1; seed <= nr; seed++) {
		struct arena arena;
		struct err err = { 0 };
		int size, result;

		begin(seed);
		shuffle(shuffled);
		size = 3 + rand() % (MOST - 3);
		while (nr_past < size)
			live();
		arena_init(&arena);
		result = try(&arena, &err);
		results[result]++;
		if (result && shown++ < 5)
			printf("# seed %u, %d tasks: %s\n", seed, size,
			       result == 1 ? err.what : "wrong");
		arena_fini(&arena);
	}
	ok(results[0] == (int)nr, "%u trees with pids %s: %d refused, %d wrong", nr,
	   shuffled ? "in any order" : "in order", results[1], results[2]);
}

int main(void)
{
	histories(20000, false);
	histories(20000, true);
	return tap_done();
}
