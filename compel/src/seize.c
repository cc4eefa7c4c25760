/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * seize - stopping a task in a known state, and letting go of it
 *
 * All threads are interrupted before any is waited for.  They may create and
 * lose threads until the last has stopped, so the list is read again until it
 * shows nothing new.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "internal.h"
#include "stop.h"

enum {
	O_SUSPEND_SECCOMP = 1 << 21, /* PTRACE_O_SUSPEND_SECCOMP, not in every libc */
	OPTIONS = PTRACE_O_TRACESYSGOOD,
	PID_MAX = 1 << 22, /* the kernel's PID_MAX_LIMIT */
	UNDO_TIMEOUT_MS = 100,
	DYING_TIMEOUT_MS = 5000,
	KILL_TIMEOUT_MS = 30000,
	ROUNDS_MAX = 100,
};

struct compel_seizing {
	struct compel_task *task;
	struct patience patience;
	size_t max;	   /* room in task->threads */
	size_t nr_stopped; /* the first of task->threads */
	uint64_t *seen;	   /* a bit for every tid; untouched pages of it cost nothing */
	DIR *dir;
};

static struct compel_thread *thread_add(struct compel_seizing *s, pid_t tid)
{
	struct compel_task *task = s->task;

	if (task->nr_threads == s->max) {
		size_t max = s->max ? s->max * 2 : 16;
		void *more = realloc(task->threads, max * sizeof(*task->threads));

		if (!more)
			return NULL;
		task->threads = more;
		s->max = max;
	}

	task->threads[task->nr_threads] = (struct compel_thread){ .tid = tid };
	return &task->threads[task->nr_threads++];
}

static bool seen_before(struct compel_seizing *s, pid_t tid)
{
	uint64_t bit = 1ull << (tid % 64), *word = &s->seen[tid / 64];
	bool seen = *word & bit;

	*word |= bit;
	return seen;
}

/* A number from /proc/TID/status, or 0. */
static pid_t status_number(pid_t tid, const char *key)
{
	char path[64], buf[4096];
	struct text value;
	uint64_t number;
	ssize_t n;

	snprintf(path, sizeof(path), "%d/status", tid);
	scoped_fd fd = proc_open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return 0;

	buf[n] = '\0';
	return text_find(buf, key, &value) && text_u64(&value, &number) ? (pid_t)number : 0;
}

static int err_refused(struct err *err, pid_t tid)
{
	char comm[32], tracer_comm[32];
	pid_t tracer = status_number(tid, "TracerPid:");

	thread_text(tid, "comm", comm, sizeof(comm));
	if (tracer) {
		err_set(err, EBUSY, "cannot seize thread %d (%s), it is traced by process %d (%s)",
			tid, comm, tracer,
			thread_text(tracer, "comm", tracer_comm, sizeof(tracer_comm)));
		return err_hint(err, "end the debugger or tracer %d", tracer);
	}

	err_set(err, EPERM, "cannot seize thread %d (%s)", tid, comm);
	return err_hint(err,
			"run as root, or with CAP_SYS_PTRACE in the user namespace of the task");
}

static int err_stuck(struct err *err, pid_t tid)
{
	char comm[32], wchan[64];
	char state = thread_state(tid);

	err_set(err, EBUSY, "cannot stop thread %d (%s), it is in state %c at %s", tid,
		thread_text(tid, "comm", comm, sizeof(comm)), state ? state : '?',
		thread_text(tid, "wchan", wchan, sizeof(wchan)));
	err_why(err, "it sleeps in the kernel and cannot be interrupted");
	return err_hint(err, "try again when it is done, or allow more time with --timeout");
}

static pid_t task_parent(pid_t pid)
{
	return status_number(pid, "PPid:");
}

/* Without CAP_SYS_ADMIN, or under a filter ourselves, filters of others stay in force. */
static int attach(struct compel_task *task, pid_t tid)
{
	if (!task->seccomp_in_force &&
	    ptrace(PTRACE_SEIZE, tid, 0, OPTIONS | O_SUSPEND_SECCOMP) == 0)
		return 0;
	if ((task->seccomp_in_force || errno == EPERM) &&
	    ptrace(PTRACE_SEIZE, tid, 0, OPTIONS) == 0) {
		task->seccomp_in_force = true;
		return 0;
	}
	return -errno;
}

/* A thread that ends while we look at it is no failure. */
static int thread_seize(struct compel_seizing *s, pid_t tid, struct err *err)
{
	struct compel_thread *t;
	int ret = attach(s->task, tid);
	char state;

	if (ret == -ESRCH)
		return 0;
	if (ret < 0) {
		state = thread_state(tid);
		if (state && state != 'Z' && state != 'X')
			return err_refused(err, tid);
		if (!state || tid != s->task->pid)
			return 0;
	}

	t = thread_add(s, tid);
	if (!t)
		return err_set(err, ENOMEM, "cannot seize thread %d", tid);
	t->dead = ret < 0;
	if (!t->dead)
		ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	return 0;
}

/* Seize what has appeared in the list since the last time. */
static int list_threads(struct compel_seizing *s, struct err *err)
{
	struct dirent *entry;
	int ret;

	rewinddir(s->dir);
	while ((entry = readdir(s->dir))) {
		pid_t tid = atoi(entry->d_name);

		if (tid <= 0 || tid >= PID_MAX || seen_before(s, tid))
			continue;
		ret = thread_seize(s, tid, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/*
 * The kernel counts a task's threads in the links of its directory.  When that
 * many have been stopped there is nobody left who could start another; and it
 * is more reliable than reading the list again, where a thread that ends can
 * make readdir() skip one that lives.
 */
static bool all_stopped(const struct compel_seizing *s)
{
	struct stat st;

	return fstat(dirfd(s->dir), &st) == 0 && st.st_nlink == s->task->nr_threads + 2;
}

/*
 * A thread inside a restartable sequence (rseq) has its abort coming: the
 * kernel would do it when the thread runs.  Running other code there first
 * would make the kernel forget it, so it is done now.
 */
static int rseq_abort(struct compel_thread *t)
{
	struct __ptrace_rseq_configuration conf = { 0 };
	struct {
		uint32_t version, flags;
		uint64_t start, length, abort;
	} cs;
	uint64_t address = 0;
	struct iovec local = { &address, sizeof(address) };
	struct iovec remote = { NULL, sizeof(address) };

	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, t->tid, sizeof(conf), &conf) < 0 ||
	    !conf.rseq_abi_pointer)
		return 0;
	remote.iov_base = (void *)(conf.rseq_abi_pointer + 8); /* struct rseq.rseq_cs */
	if (process_vm_readv(t->tid, &local, 1, &remote, 1, 0) != sizeof(address) || !address)
		return 0;

	struct iovec local_cs = { &cs, sizeof(cs) }, remote_cs = { (void *)address, sizeof(cs) };
	if (process_vm_readv(t->tid, &local_cs, 1, &remote_cs, 1, 0) != sizeof(cs) ||
	    arch_ip(&t->regs) - cs.start >= cs.length)
		return 0;

	arch_set_ip(&t->regs, cs.abort);
	address = 0;
	process_vm_writev(t->tid, &local, 1, &remote, 1, 0);
	return thread_set_regs(t->tid, &t->regs);
}

static int thread_read_state(struct compel_thread *t, int group_signal)
{
	int ret = thread_get_regs(t->tid, &t->regs);

	if (ret == 0)
		ret = thread_get_sigmask(t->tid, &t->sigmask);
	if (ret < 0)
		return ret;

	if (arch_in_user(&t->regs))
		return rseq_abort(t);
	/* One that SIGSTOP has interrupted is due to see it. */
	if (!group_signal && arch_hide_eintr(&t->regs))
		return thread_set_regs(t->tid, &t->regs);
	return 0;
}

static int thread_collect(struct compel_seizing *s, struct compel_thread *t, struct err *err)
{
	int status, sig = 0, ret;

	if (t->dead)
		return 0;

	patience_renew(&s->patience);
	ret = thread_wait_parked(t->tid, &s->patience, &status);
	if (ret == -ETIMEDOUT)
		return err_stuck(err, t->tid);
	if (ret == 0) {
		sig = stop_group_signal(status);
		if (sig)
			s->task->stop_signal = sig;
		ret = thread_dispatch_off(t);
	}
	if (ret == 0)
		ret = thread_read_state(t, sig);
	if (ret == -EOPNOTSUPP) {
		err_set(err, EOPNOTSUPP, "cannot seize thread %d, it runs 32-bit code", t->tid);
		return err_hint(err, "use a 64-bit build of that program");
	}
	if (ret < 0 && ret != -ESRCH)
		return thread_err(err, -ret, t, "seize");

	t->dead = ret == -ESRCH;
	return 0;
}

/* Drop the dead; only a leader stays, as long as others live. */
static void drop_dead(struct compel_seizing *s)
{
	struct compel_task *task = s->task;
	size_t i, n = 0;

	for (i = 0; i < task->nr_threads; i++)
		if (!task->threads[i].dead || task->threads[i].tid == task->pid)
			task->threads[n++] = task->threads[i];
	s->nr_stopped = task->nr_threads = n;
}

static bool is_alive(const struct compel_task *task)
{
	size_t n = task->nr_threads;

	return n && task->threads[0].tid == task->pid && !task->threads[n - 1].dead;
}

static int err_no_task(struct err *err, pid_t pid)
{
	err_set(err, ESRCH, "cannot seize process %d", pid);
	return err_hint(err, "check that it is running, and that %d is a process and not a thread",
			pid);
}

static int open_mem(struct compel_task *task, struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "%d/mem", task_thread(task)->tid);
	task->mem = proc_open(path, O_RDWR);
	if (task->mem < 0)
		return err_sys(err, "cannot open the memory of process %d", task->pid);
	return 0;
}

/*
 * A dead thread of a traced task stays until its tracer has looked at it, and
 * before that the leader's parent hears of nothing.  If we are that parent, the
 * leader is left for our caller to look at.  False: it is not dead yet.
 */
static bool thread_is_reaped(struct compel_task *task, pid_t tid)
{
	int keep = tid == task->pid && task_parent(tid) == getpid() ? WNOWAIT : 0;
	siginfo_t info;

	info.si_pid = 0;
	return waitid(P_PID, (id_t)tid, &info, WEXITED | WNOHANG | __WALL | keep) < 0 ||
	       info.si_pid;
}

static bool thread_reap(struct compel_task *task, pid_t tid, struct patience *p)
{
	patience_renew(p);
	do {
		if (thread_is_reaped(task, tid))
			return true;
	} while (patience_wait(p));
	return false;
}

/*
 * The leader goes last: it is not reported as dead before the others are.
 * @dying_ms is for those that do not react because they are just dying.
 */
static void task_detach(struct compel_task *task, unsigned int dying_ms)
{
	struct patience p = patience_of(dying_ms);
	size_t i;

	for (i = task->nr_threads; i-- > 0;)
		thread_dispatch_on(&task->threads[i]);
	for (i = task->nr_threads; i-- > 0;)
		if (!task->threads[i].dead && ptrace(PTRACE_DETACH, task->threads[i].tid, 0, 0) < 0)
			thread_reap(task, task->threads[i].tid, &p);

	/* One that we saw die may have been the last but this. */
	p = patience_of(1);
	if (task->nr_threads && task->threads[0].dead)
		thread_reap(task, task->threads[0].tid, &p);
}

static void task_free(struct compel_task *task)
{
	if (task->mem >= 0)
		close(task->mem);
	free(task->threads);
	free(task);
}

static int err_undead(struct err *err, pid_t tid)
{
	err_stuck(err, tid);
	return err_in(err, "SIGKILL");
}

static int seize_all(struct compel_seizing *s, struct err *err)
{
	struct compel_task *task = s->task;
	unsigned int rounds = 0;
	int ret;

	do {
		ret = list_threads(s, err);
		while (ret == 0 && s->nr_stopped < task->nr_threads) {
			ret = thread_collect(s, &task->threads[s->nr_stopped], err);
			if (ret == 0)
				s->nr_stopped++;
		}
		if (ret < 0)
			return ret;
		drop_dead(s);
	} while (!all_stopped(s) && rounds++ < ROUNDS_MAX);

	if (!is_alive(task))
		return err_no_task(err, task->pid);
	ret = open_mem(task, err);
	if (ret < 0)
		return ret;
	if (remote_leave_stubs(task) < 0)
		return err_set(err, EIO, "cannot seize process %d", task->pid);
	return 0;
}

/* Those that we have not waited for need that, or they would stay stopped. */
static void seize_undo(struct compel_seizing *s)
{
	struct compel_task *task = s->task;
	struct err ignored;

	if (!task)
		return;
	s->patience = patience_of(UNDO_TIMEOUT_MS);
	for (; s->nr_stopped < task->nr_threads; s->nr_stopped++)
		thread_collect(s, &task->threads[s->nr_stopped], &ignored);
	task_detach(task, UNDO_TIMEOUT_MS);
	task_free(task);
}

static int seizing_init(struct compel_seizing *s, pid_t pid, struct err *err)
{
	char path[64];

	s->task = calloc(1, sizeof(*s->task));
	if (!s->task)
		return err_set(err, ENOMEM, "cannot seize process %d", pid);
	s->task->pid = pid;
	s->task->mem = -1;

	snprintf(path, sizeof(path), "%d/task", pid);
	scoped_fd fd = proc_open(path, O_RDONLY | O_DIRECTORY);
	s->dir = fd < 0 ? NULL : fdopendir(fd);
	if (s->dir) {
		take_fd(&fd);
		return 0;
	}
	return errno == ENOENT ? err_no_task(err, pid)
			       : err_sys(err, "cannot seize process %d", pid);
}

/* Who has been seized already is not news. */
static int seen_init(struct compel_seizing *s, struct err *err)
{
	s->seen = calloc(PID_MAX / 64, sizeof(*s->seen));
	if (!s->seen)
		return err_set(err, ENOMEM, "cannot seize process %d", s->task->pid);
	for (size_t i = 0; i < s->task->nr_threads; i++)
		seen_before(s, s->task->threads[i].tid);
	return 0;
}

static void seizing_fini(struct compel_seizing *s)
{
	free(s->seen);
	s->seen = NULL;
	if (s->dir)
		closedir(s->dir);
	s->dir = NULL;
}

static int seize_finish(struct compel_seizing *s, struct compel_task **task_ret, struct err *err)
{
	int ret = seen_init(s, err);

	if (ret == 0)
		ret = seize_all(s, err);
	if (ret < 0)
		seize_undo(s);
	else
		*task_ret = s->task;
	seizing_fini(s);
	return ret;
}

int compel_seize(pid_t pid, unsigned int timeout_ms, struct compel_task **task_ret, struct err *err)
{
	struct compel_seizing s = { .patience = patience_of(timeout_ms) };

	if (seizing_init(&s, pid, err) < 0) {
		seize_undo(&s);
		seizing_fini(&s);
		return -err->code;
	}
	return seize_finish(&s, task_ret, err);
}

int compel_seize_begin(pid_t pid, struct compel_seizing **ret, struct err *err)
{
	struct compel_seizing *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ENOMEM, "cannot seize process %d", pid);
	if (seizing_init(s, pid, err) < 0 || seen_init(s, err) < 0 || list_threads(s, err) < 0) {
		compel_seize_abandon(s);
		return -err->code;
	}
	free(take_ptr(s->seen));
	*ret = s;
	return 0;
}

int compel_seize_end(struct compel_seizing *s, unsigned int timeout_ms,
		     struct compel_task **task_ret, struct err *err)
{
	int ret;

	s->patience = patience_of(timeout_ms);
	ret = seize_finish(s, task_ret, err);
	free(s);
	return ret;
}

void compel_seize_abandon(struct compel_seizing *s)
{
	seize_undo(s);
	seizing_fini(s);
	free(s);
}

/* In which order they are dead is not ours to know.  The thread that is left, or 0. */
static pid_t reap_some(struct compel_task *task)
{
	pid_t left = 0;
	size_t i;

	for (i = task->nr_threads; i-- > 0;)
		if (!thread_is_reaped(task, task->threads[i].tid))
			left = task->threads[i].tid;
	return left;
}

/*
 * All die at once and none runs another instruction.  The last thread of the init of a pid
 * namespace waits there until all others are gone, also those that only we can reap.
 */
static int task_kill(struct compel_task *task, struct err *err)
{
	struct patience p = patience_of(KILL_TIMEOUT_MS);
	pid_t left;

	kill(task->pid, SIGKILL);
	while ((left = reap_some(task)))
		if (!patience_wait(&p))
			return err_undead(err, left);
	return 0;
}

int compel_release(struct compel_task *task, enum compel_end end, struct err *err)
{
	int ret = 0;

	if (end == COMPEL_KILL)
		ret = task_kill(task, err);
	else
		ret = compel_cure(task, err);
	blob_free(task);

	if (end == COMPEL_STOP)
		kill(task->pid, SIGSTOP);
	if (end != COMPEL_KILL)
		task_detach(task, DYING_TIMEOUT_MS);
	task_free(task);
	return ret == -ESRCH ? 0 : ret;
}
