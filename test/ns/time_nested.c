/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time namespaces within a tree: one that a task has made for its children, with a child in
 * it and one that was born before; one that nobody is in yet; one whose maker is gone.
 */
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

enum { AHEAD = 5000, EMPTY_AHEAD = 70000, ORPHAN_AHEAD = 900000, NR_TASKS = 5 };

/* What a task is asked, and says: its own clock, and that of a new child. */
enum { BEFORE, MAKER, INSIDE, PREPARED, ORPHAN };
struct said {
	int64_t own, child;
};

static int ask[NR_TASKS][2], answer[NR_TASKS][2];
static struct said first[NR_TASKS];

static int64_t now(void)
{
	struct timespec t, vdso;

	if (syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t) < 0 ||
	    clock_gettime(CLOCK_MONOTONIC, &vdso) < 0 || vdso.tv_sec < t.tv_sec ||
	    vdso.tv_sec > t.tv_sec + 5)
		return -1;
	return t.tv_sec;
}

static int64_t childs_now(void)
{
	int64_t t = -1;
	int p[2];
	pid_t pid;

	if (pipe(p) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		t = now();
		_exit(write(p[1], &t, sizeof(t)) != sizeof(t));
	}
	if (read(p[0], &t, sizeof(t)) != sizeof(t))
		t = -1;
	waitpid(pid, NULL, 0);
	close(p[0]);
	close(p[1]);
	return t;
}

/* @children: it may have some without changing what it has prepared. */
static void serve(int i, bool children)
{
	struct said s;
	char c;

	while (read(ask[i][0], &c, 1) == 1) {
		s.own = now();
		s.child = children || c == 'l' ? childs_now() : 0;
		if (write(answer[i][1], &s, sizeof(s)) != sizeof(s))
			break;
	}
	_exit(0);
}

static struct said look(int i, char c)
{
	struct said s = { -1, -1 };

	if (write(ask[i][1], &c, 1) != 1 || read(answer[i][0], &s, sizeof(s)) != sizeof(s))
		s.own = -1;
	return s;
}

/* Offsets are those from the clocks of the machine, wherever one is. */
static long own_offset(void)
{
	FILE *f = fopen("/proc/self/timens_offsets", "r");
	long offset = 0;

	if (!f || fscanf(f, "monotonic %ld", &offset) != 1)
		offset = 0;
	if (f)
		fclose(f);
	return offset;
}

static bool prepare(int ahead)
{
	long from = own_offset();
	FILE *f;
	bool ok;

	if (unshare(CLONE_NEWTIME) < 0)
		return false;
	f = fopen("/proc/self/timens_offsets", "w");
	ok = f && fprintf(f, "monotonic %ld 5\n", from + ahead) > 0;
	return f && fclose(f) == 0 && ok;
}

static void maker_main(void)
{
	if (fork() == 0)
		serve(BEFORE, true);
	if (!prepare(AHEAD))
		_exit(1);
	if (fork() == 0)
		serve(INSIDE, true);
	serve(MAKER, true);
}

static void orphan_main(void)
{
	if (!prepare(ORPHAN_AHEAD))
		_exit(1);
	if (fork() == 0)
		serve(ORPHAN, true);
	_exit(0);
}

/* In whole seconds: each may just have begun. */
static bool is_about(int64_t a, int64_t b)
{
	return a >= b - 1 && a < b + 100;
}

static bool is_right(const struct said s[NR_TASKS], int64_t base, char last)
{
	return expect(is_about(s[BEFORE].own, base) && is_about(s[BEFORE].child, base)) &&
	       expect(is_about(s[MAKER].own, base)) &&
	       expect(is_about(s[MAKER].child, base + AHEAD)) &&
	       expect(is_about(s[INSIDE].own, base + AHEAD)) &&
	       expect(is_about(s[INSIDE].child, base + AHEAD)) &&
	       expect(is_about(s[PREPARED].own, base)) &&
	       expect(last != 'l' || is_about(s[PREPARED].child, base + EMPTY_AHEAD)) &&
	       expect(is_about(s[ORPHAN].own, base + ORPHAN_AHEAD)) &&
	       expect(is_about(s[ORPHAN].child, base + ORPHAN_AHEAD));
}

static bool make(void)
{
	int64_t base;

	if (access("/proc/self/ns/time", F_OK) < 0)
		skip("this kernel has no time namespaces");
	if (!expect(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0))
		return false;
	for (int i = 0; i < NR_TASKS; i++)
		if (pipe(ask[i]) < 0 || pipe(answer[i]) < 0)
			return false;
	base = now();
	if (fork() == 0)
		maker_main();
	if (fork() == 0) {
		if (!prepare(EMPTY_AHEAD))
			_exit(1);
		serve(PREPARED, false);
	}
	if (fork() == 0)
		orphan_main();
	for (int i = 0; i < NR_TASKS; i++)
		first[i] = look(i, 'f');
	while (waitpid(-1, NULL, WNOHANG) == 0)
		victim_sleep(1);
	return is_right(first, base, 'f');
}

static bool same(void)
{
	struct said s[NR_TASKS];
	int64_t base = now();

	for (int i = 0; i < NR_TASKS; i++) {
		s[i] = look(i, 'l');
		if (!expect(s[i].own >= first[i].own))
			return false;
	}
	return is_right(s, base, 'l');
}

VICTIM(make, same)
