/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cpu - on which CPUs a thread may run, its I/O priority, its timer slack
 *
 * collect   from outside; what is usual is not written down
 * resume    set from outside, as the last thing, when the task is complete; what
 *	     is usual too, for criu-lite's own would be inherited otherwise
 *
 * not kept  utilization clamps, core scheduling cookies
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "core/kind.h"

enum {
	MASK_BYTES = 1024, /* for 8192 CPUs, more than kernels can have */
	WHO_PROCESS = 1,
	USUAL_SLACK = 50000,
};

/* The slack of real-time threads is 0, whatever one sets. */
static uint64_t slack_of(struct arena *a, int proc, pid_t tid)
{
	struct err ignored = { 0 };
	uint64_t slack = USUAL_SLACK;
	struct text t;
	char path[32], *s;
	size_t len;

	snprintf(path, sizeof(path), "%d/timerslack_ns", tid);
	if (proc_slurp(proc, path, a, &s, &len, &ignored) < 0)
		return USUAL_SLACK;
	t = text_of(s, len);
	return text_u64(&t, &slack) && slack ? slack : USUAL_SLACK;
}

static bool has_all_cpus(const unsigned char *mask, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += (size_t)__builtin_popcount(mask[i]);
	return n >= (size_t)sysconf(_SC_NPROCESSORS_ONLN);
}

/* ---- dump ---- */

static int collect_thread(struct dump *d, const struct thread *th, struct err *err)
{
	ThreadCoreEntry *e = th->core->thread_core;
	unsigned char mask[MASK_BYTES];
	long len, ioprio;

	len = syscall(SYS_sched_getaffinity, th->host_tid, sizeof(mask), mask);
	if (len < 0)
		return err_sys(err, "cannot ask for the CPUs of thread %d", th->host_tid);
	ioprio = syscall(SYS_ioprio_get, WHO_PROCESS, th->host_tid);
	if (ioprio < 0)
		return err_sys(err, "cannot ask for the I/O priority of thread %d", th->host_tid);

	if (!has_all_cpus(mask, (size_t)len)) {
		e->has_cpus = true;
		e->cpus.len = (size_t)len;
		e->cpus.data = arena_dup(d->arena, mask, (size_t)len);
	}
	e->has_ioprio = ioprio != 0;
	e->ioprio = (uint32_t)ioprio;
	e->timer_slack = slack_of(d->arena, d->proc, th->host_tid);
	e->has_timer_slack = e->timer_slack != USUAL_SLACK;
	return 0;
}

static int collect_cpu(struct dump *d, struct task *t, struct err *err)
{
	for (size_t i = 0; t->state != TASK_DEAD && i < t->nr_threads; i++)
		if (collect_thread(d, &t->threads[i], err) < 0)
			return -err->code;
	return 0;
}

/* ---- restore ---- */

static int read_cpu(struct restore *r, struct task *t, struct err *err)
{
	for (size_t i = 0; t->state != TASK_DEAD && i < t->nr_threads; i++)
		if (t->threads[i].core->thread_core->cpus.len > MASK_BYTES) {
			err_set(err, EBADMSG, "cannot use the CPUs of thread %d",
				t->threads[i].tid);
			return err_hint(err, "the checkpoint is damaged; take it again");
		}
	return 0;
}

/* A machine that has none of these CPUs is no reason not to run at all. */
static void set_cpus(const struct thread *th, const ThreadCoreEntry *e)
{
	unsigned char now[MASK_BYTES] = { 0 }, mask[MASK_BYTES] = { 0 };
	long len = syscall(SYS_sched_getaffinity, th->host_tid, sizeof(now), now);

	if (!e->has_cpus && len > 0 && has_all_cpus(now, (size_t)len))
		return;
	memset(mask, 0xff, e->has_cpus ? 0 : sizeof(mask));
	if (e->has_cpus)
		memcpy(mask, e->cpus.data, e->cpus.len);
	if (syscall(SYS_sched_setaffinity, th->host_tid, sizeof(mask), mask) < 0)
		log_warn("thread %d runs on any CPU: %s", th->tid, strerror(errno));
}

static int set_slack(struct restore *r, const struct thread *th, uint64_t slack, struct err *err)
{
	char path[32], text[24];
	int len;

	if (slack_of(r->arena, r->proc, th->host_tid) == slack)
		return 0;
	snprintf(path, sizeof(path), "%d/timerslack_ns", th->host_tid);
	len = snprintf(text, sizeof(text), "%llu", (unsigned long long)slack);

	scoped_fd fd = openat(r->proc, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || io_write(fd, text, (size_t)len) < 0)
		return err_sys(err, "cannot set the timer slack of thread %d", th->tid);
	return 0;
}

static int resume_thread(struct restore *r, const struct thread *th, struct err *err)
{
	const ThreadCoreEntry *e = th->core->thread_core;
	long ioprio = e->has_ioprio ? (long)e->ioprio : 0;

	set_cpus(th, e);
	if (syscall(SYS_ioprio_get, WHO_PROCESS, th->host_tid) != ioprio &&
	    syscall(SYS_ioprio_set, WHO_PROCESS, th->host_tid, ioprio) < 0)
		return err_sys(err, "cannot set the I/O priority of thread %d", th->tid);
	return set_slack(r, th, e->has_timer_slack ? e->timer_slack : USUAL_SLACK, err);
}

static int resume_cpu(struct restore *r, struct task *t, struct err *err)
{
	for (size_t i = 0; i < t->nr_threads; i++)
		if (resume_thread(r, &t->threads[i], err) < 0)
			return -err->code;
	return 0;
}

const struct task_kind cpu_kind = {
	.name = "cpu",
	.collect = collect_cpu,
	.read = read_cpu,
	.resume = resume_cpu,
};
