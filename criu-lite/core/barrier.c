/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * barrier - keeps newborn tasks in step
 */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "core/barrier.h"
#include "core/ns.h"
#include "core/proc.h"
#include "core/shared.h"
#include "core/task.h"

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

enum {
	CROWD = 16,		/* so many are waited for together */
	NEWS_NS = 10 * 1000000, /* without any, we look whether somebody has died */
};

void barrier_arrive(struct shared_page *page)
{
	if (__atomic_add_fetch(&page->arrived, 1, __ATOMIC_ACQ_REL) == page->expected)
		syscall(SYS_futex, &page->arrived, FUTEX_WAKE, 1, NULL, NULL, 0);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGTRAP);
}

int barrier_adopt(struct restore *r, struct barrier *b, pid_t pid, struct err *err)
{
	unsigned long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;

	if (ptrace(PTRACE_SEIZE, pid, 0, options | PTRACE_O_SUSPEND_SECCOMP) < 0 &&
	    ptrace(PTRACE_SEIZE, pid, 0, options) < 0)
		return err_sys(err, "cannot trace the newborn task %d", pid);
	*vec_add(r->arena, &b->born) = pid;
	return 0;
}

static int go_on(pid_t tid, int sig)
{
	return ptrace(PTRACE_CONT, tid, 0, (long)sig) < 0 && errno != ESRCH ? -errno : 0;
}

/* A zombie-to-be may die of any signal, SIGTRAP too; a living task's SIGTRAP is its arrival. */
static bool is_arrival(struct restore *r, pid_t tid, int status)
{
	const struct task *t;

	if (status >> 8 != SIGTRAP)
		return false;
	t = task_by_host_pid(r->tree, tid);
	return !t || t->state != TASK_DEAD || !r->zombies_die;
}

static int on_death(struct restore *r, struct barrier *b, pid_t tid, int status, struct err *err)
{
	const struct task *t = task_by_host_pid(r->tree, tid);

	if (t && t->state == TASK_DEAD && r->zombies_die) {
		b->nr_exited++;
		return 0;
	}
	if (shared_failure(r->shared, err))
		return -err->code;
	if (!t && r->ns->root[NS_PID] && !b->pairs.n)
		return err_set(err, ECHILD, "cannot restore: a newborn task has died");
	if (!t)
		return 0; /* a helper */
	if (WIFSIGNALED(status))
		return err_set(err, ECHILD,
			       "cannot restore task %d: it was killed by signal %d meanwhile",
			       t->pid, WTERMSIG(status));
	return err_set(err, ECHILD, "cannot restore task %d: it exited with status %d meanwhile",
		       t->pid, WEXITSTATUS(status));
}

static int on_stop(struct restore *r, struct barrier *b, pid_t tid, int status, struct err *err)
{
	int sig = WSTOPSIG(status);

	if (status >> 16) { /* the first stop of a newborn */
		*vec_add(r->arena, &b->born) = tid;
		sig = 0;
	} else if (is_arrival(r, tid, status)) {
		*vec_add(r->arena, &b->parked) = tid;
		return 0;
	}
	if (go_on(tid, sig) < 0)
		return err_sys(err, "cannot let task %d go on", tid);
	return 0;
}

static bool is_dead(const struct restore *r, pid_t pid)
{
	struct proc_stat stat;
	struct err e;

	return proc_read_stat(r->proc, pid, 0, &stat, &e) < 0 || stat.state == 'Z';
}

/*
 * Of a task that has been killed the threads are reported first and the leader
 * only then, so who waits for the leader alone would wait for ever.
 */
static int on_group_death(struct restore *r, struct barrier *b, pid_t who, struct err *err)
{
	int status;
	pid_t tid;

	while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
		if (!WIFSTOPPED(status) && on_death(r, b, tid, status, err) < 0)
			return -err->code;
	return err_set(err, ECHILD, "cannot restore task %d: it was killed meanwhile", who);
}

static int on_tick(struct restore *r, struct barrier *b, pid_t who, struct err *err)
{
	if (who > 0 && is_dead(r, who))
		return on_group_death(r, b, who, err);
	return vigil_look(r, &b->vigil, &b->born, &b->parked, err);
}

/* Wait until something happens to @who (-1: to anybody), and see to it. */
static int see_to(struct restore *r, struct barrier *b, pid_t who, struct err *err)
{
	int status;
	pid_t tid = waitpid(who, &status, __WALL);

	if (tid < 0 && errno == EINTR)
		return on_tick(r, b, who, err);
	if (tid < 0) {
		if (shared_failure(r->shared, err))
			return -err->code;
		return err_sys(err, "cannot wait for the newborn tasks");
	}
	return WIFSTOPPED(status) ? on_stop(r, b, tid, status, err)
				  : on_death(r, b, tid, status, err);
}

/* False: somebody may have died, as for a while nobody has arrived. */
static bool has_crowd_arrived(struct shared_page *page)
{
	const struct timespec a_while = { .tv_nsec = NEWS_NS };
	uint32_t seen;

	while ((seen = __atomic_load_n(&page->arrived, __ATOMIC_ACQUIRE)) < page->expected)
		if (syscall(SYS_futex, &page->arrived, FUTEX_WAIT, seen, &a_while, NULL, 0) < 0 &&
		    errno == ETIMEDOUT && __atomic_load_n(&page->arrived, __ATOMIC_ACQUIRE) == seen)
			return false;
	return true;
}

/*
 * Waiting for anybody looks through all that we trace each time. So many are
 * counted first, by themselves, and then waited for one by one.
 */
static int wait_for_crowd(struct restore *r, struct barrier *b, struct err *err)
{
	size_t i;

	if (b->released.n < CROWD || !has_crowd_arrived(&r->shared->page))
		return 0;
	for (i = 0; i < b->released.n; i++)
		if (barrier_wait_for(r, b, b->released.items[i], err) < 0)
			return -err->code;
	return 0;
}

static int wait_for_all(struct restore *r, struct barrier *b, unsigned int n, unsigned int dead,
			struct err *err)
{
	while (b->parked.n < n || b->nr_exited < dead)
		if (see_to(r, b, -1, err) < 0)
			return -err->code;
	return shared_failure(r->shared, err) ? -err->code : 0;
}

int barrier_wait(struct restore *r, struct barrier *b, unsigned int n, unsigned int dead,
		 struct err *err)
{
	int ret;

	if (!dead && wait_for_crowd(r, b, err) < 0)
		return -err->code;
	vigil_begin(&b->vigil);
	ret = wait_for_all(r, b, n, dead, err);
	vigil_end();
	return ret;
}

int barrier_wait_for(struct restore *r, struct barrier *b, pid_t tid, struct err *err)
{
	size_t n = b->parked.n;
	int ret = 0;

	vigil_begin(&b->vigil);
	while (ret == 0 && b->parked.n == n)
		ret = see_to(r, b, tid, err);
	vigil_end();
	return ret;
}

int barrier_start(struct restore *r, pid_t tid, struct err *err)
{
	int status;
	pid_t got;

	do {
		got = waitpid(tid, &status, __WALL);
	} while (got < 0 && errno == EINTR);
	if (got == tid && WIFSTOPPED(status))
		return barrier_send_on(tid, err);
	if (shared_failure(r->shared, err))
		return -err->code;
	return err_set(err, ECHILD, "cannot restore thread %d: it is gone", tid);
}

int barrier_send_on(pid_t tid, struct err *err)
{
	return go_on(tid, 0) < 0 ? err_sys(err, "cannot let task %d go on", tid) : 0;
}

int barrier_release(struct restore *r, struct barrier *b, struct err *err)
{
	pid_list again = b->released;
	pid_t *tid;

	b->released = b->parked;
	b->parked = again;
	b->parked.n = 0;
	__atomic_store_n(&r->shared->page.arrived, 0, __ATOMIC_RELAXED);
	r->shared->page.expected = (uint32_t)b->released.n;
	vec_for_each(tid, &b->released)
		if (barrier_send_on(*tid, err) < 0)
			return -err->code;
	return 0;
}

static void forget(struct barrier *b, pid_t pid)
{
	size_t i, n = 0;

	for (i = 0; i < b->born.n; i++)
		if (b->born.items[i] != pid)
			b->born.items[n++] = b->born.items[i];
	b->born.n = n;
	for (i = n = 0; i < b->parked.n; i++)
		if (b->parked.items[i] != pid)
			b->parked.items[n++] = b->parked.items[i];
	b->parked.n = n;
}

int barrier_end(struct barrier *b, pid_t pid, struct err *err)
{
	int status;

	kill(pid, SIGKILL);
	do {
		if (waitpid(pid, &status, __WALL) < 0 && errno != EINTR)
			return err_sys(err, "cannot end helper %d", pid);
	} while (WIFSTOPPED(status));
	forget(b, pid);
	return 0;
}

void barrier_kill(struct restore *r, struct barrier *b)
{
	pid_t *pid, tid;
	int status;

	vec_for_each(pid, &b->born)
		kill(*pid, SIGKILL);
	while ((tid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR)
		if (tid > 0 && WIFSTOPPED(status))
			kill(tid, SIGKILL); /* born meanwhile */
}
