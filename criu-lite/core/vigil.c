/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vigil - newborn tasks are waited for, but not for ever
 *
 * The kernel has no waitpid() with a timeout, so a timer interrupts it.  What a
 * task does is seen in /proc/PID/io and statm: a large memory that is being read
 * takes its time and may take it.  CPU time is no sign of life, as one that
 * loops has it too.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/guard.h"
#include "core/proc.h"
#include "core/task.h"
#include "core/vigil.h"

enum { TICK_US = 100000, LOOK_AT_TASKS = 10 /* every that many ticks */ };

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void interrupt(int sig)
{
}

void vigil_begin(struct vigil *v)
{
	struct sigaction sa = { .sa_handler = interrupt }; /* without SA_RESTART */
	struct itimerval tick = { { 0, TICK_US }, { 0, TICK_US } };

	*v = (struct vigil){ .since = now_ms() };
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &tick, NULL);
}

void vigil_end(void)
{
	struct itimerval none = { 0 };

	setitimer(ITIMER_REAL, &none, NULL);
}

static uint64_t add_text(uint64_t hash, struct restore *r, pid_t pid, const char *name)
{
	char path[32], text[512];
	ssize_t n;

	snprintf(path, sizeof(path), "%d/%s", pid, name);
	scoped_fd fd = openat(r->proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text));
	for (ssize_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ull;
	return hash;
}

static bool is_in(const pid_list *pids, pid_t pid)
{
	const pid_t *p;

	vec_for_each(p, pids)
		if (*p == pid)
			return true;
	return false;
}

/* The numbers that change when somebody does something, as one. */
static uint64_t look_of(struct restore *r, const pid_list *born)
{
	uint64_t hash = born->n + 1;
	const pid_t *pid;

	vec_for_each(pid, born)
		hash = add_text(add_text(hash, r, *pid, "io"), r, *pid, "statm");
	return hash;
}

/* Is it @pid that the others wait for? */
static bool is_awaited(struct restore *r, pid_t pid, const pid_list *parked, char *state_ret)
{
	struct proc_stat stat;
	struct err e;

	if (is_in(parked, pid) || proc_read_stat(r->proc, pid, 0, &stat, &e) < 0 ||
	    strchr("tZX", stat.state))
		return false;
	*state_ret = stat.state;
	return true;
}

static int is_stuck(struct restore *r, const pid_list *born, const pid_list *parked,
		    struct err *err)
{
	const pid_t *pid;
	char state = '?';
	pid_t who = 0;

	vec_for_each(pid, born)
		if (!who && is_awaited(r, *pid, parked, &state))
			who = *pid;
	err_set(err, ETIMEDOUT, "cannot restore task %d: it has done nothing for %u s", who,
		r->opts->common.timeout);
	err_why(err, "it neither reads, writes nor takes memory (state %c)", state);
	return err_hint(err,
			"if this machine is that slow, allow for more: --timeout SECONDS; else "
			"the checkpoint is damaged, take it again");
}

static int look_at_tasks(struct restore *r, struct vigil *v, const pid_list *born,
			 const pid_list *parked, struct err *err)
{
	uint64_t seen = look_of(r, born), now = now_ms(), limit = r->opts->common.timeout;

	if (seen != v->seen) {
		v->seen = seen;
		v->since = now;
	}
	if (limit && now - v->since >= limit * 1000)
		return is_stuck(r, born, parked, err);
	return 0;
}

int vigil_look(struct restore *r, struct vigil *v, const pid_list *born, const pid_list *parked,
	       struct err *err)
{
	if (guard_check(err) < 0)
		return -err->code;
	if (++v->looks % LOOK_AT_TASKS)
		return 0;
	return look_at_tasks(r, v, born, parked, err);
}
