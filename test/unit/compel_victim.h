/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef COMPEL_VICTIM_H
#define COMPEL_VICTIM_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compel.h"
#include "unit/tap.h"

/* Victims for the tests of compel, and what is done to most of them. */

extern const char compel_blob_start[], compel_blob_end[];

/* Commands of compel_blob.c. */
enum { CMD_GETTID = 1, CMD_ADD, CMD_READ, CMD_WRITE, CMD_CRASH };
struct blob_args {
	uint64_t numbers[4];
};

/* What a victim and its test share. */
struct shared {
	volatile int ready;
	volatile int stop;
	volatile long count;
	volatile long result;
	volatile int error;
	volatile double ms;
	volatile long more[64];
};

struct victim {
	pid_t pid;
	struct shared *s;
};

static inline double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static inline void sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/* A child that runs @run and has said that it is ready. */
static inline struct victim victim_start(void (*run)(struct shared *s))
{
	struct victim v;

	v.s = mmap(NULL, sizeof(*v.s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fflush(stdout);
	v.pid = fork();
	if (v.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(v.s);
		fflush(stdout);
		_exit(0);
	}
	while (!v.s->ready)
		sleep_ms(1);
	sleep_ms(10);
	return v;
}

/* Wait until @done is not 0, the victim is dead, or far too much time has passed. */
static inline bool victim_until(struct victim *v, const volatile long *done)
{
	siginfo_t info = { 0 };
	double end = now_ms() + 10000;

	while (!*done && now_ms() < end &&
	       waitid(P_PID, (id_t)v->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && !info.si_pid)
		sleep_ms(1);
	return *done;
}

/* Its wait status. */
static inline int victim_wait(struct victim *v)
{
	int status = -1;

	waitpid(v->pid, &status, 0);
	munmap(v->s, sizeof(*v->s));
	return status;
}

static inline int victim_kill(struct victim *v)
{
	kill(v->pid, SIGKILL);
	return victim_wait(v);
}

/* The call is good; if not, say why not. */
static inline bool fine(int ret, const struct err *err)
{
	if (ret < 0)
		printf("# %s: %s (%s)\n", err->what, err->why, err->hint);
	return ret >= 0;
}

static inline bool inject(struct compel_task *task, struct err *err)
{
	struct compel_image image = { compel_blob_start,
				      (size_t)(compel_blob_end - compel_blob_start) };

	return fine(compel_inject(task, &image, 4096, err), err);
}

/* A command in every living thread. */
static inline bool call_all(struct compel_task *task, struct err *err)
{
	size_t i;
	long ret;

	for (i = 0; i < task->nr_threads; i++) {
		struct compel_thread *t = &task->threads[i];

		if (t->dead)
			continue;
		if (!fine(compel_call(task, t, CMD_GETTID, NULL, 0, &ret, err), err) ||
		    ret != t->tid)
			return false;
	}
	return true;
}

/* In and out again, with everything in between. */
static inline bool round_trip(pid_t pid)
{
	struct compel_task *task;
	struct err err = { 0 };
	bool good;

	if (!fine(compel_seize(pid, 2000, &task, &err), &err))
		return false;
	good = inject(task, &err) && call_all(task, &err) && fine(compel_cure(task, &err), &err);
	return fine(compel_release(task, COMPEL_RUN, &err), &err) && good;
}

/* The plainest victim. */
static inline void run_sleeper(struct shared *s)
{
	s->ready = 1;
	for (;;)
		pause();
}

/* A file of /proc/PID. */
static inline void read_text(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n, len = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while ((n = read(fd, buf + len, size - 1 - (size_t)len)) > 0)
		len += n;
	buf[len] = '\0';
	close(fd);
}

#endif
