/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What comes out is what went in: registers, memory map, descriptors and
 * signals of victims that are taken over and let go; and what can be done with
 * them meanwhile.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "compel_victim.h"

/* -- what the kernel shows of a victim --------------------------------------- */

struct snapshot {
	struct compel_regs regs;
	uint64_t sigmask;
	size_t xstate_len;
	unsigned char xstate[COMPEL_XSTATE_MAX];
	char maps[16384];
	char status[4096];
	char fds[4096];
};

static void list_fds(pid_t pid, char *buf, size_t size)
{
	char path[64], target[256];
	struct dirent *e;
	size_t len = 0;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while ((e = readdir(dir))) {
		n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		if (n > 0)
			len += (size_t)snprintf(buf + len, size - len, "%s %.*s\n", e->d_name,
						(int)n, target);
	}
	closedir(dir);
}

/* Of status, the lines about signals, seccomp and threads. */
static void keep_lines(char *status)
{
	static const char *const keep[] = { "SigPnd:", "ShdPnd:",  "SigBlk:",  "SigIgn:",
					    "SigCgt:", "Threads:", "Seccomp:", "NoNewPrivs:" };
	char out[4096] = "", *line, *save;
	size_t i;

	for (line = strtok_r(status, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		for (i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
			if (!strncmp(line, keep[i], strlen(keep[i])))
				strcat(strcat(out, line), "\n");
	strcpy(status, out);
}

static bool snapshot(pid_t pid, struct snapshot *snap)
{
	struct compel_task *task;
	struct err err = { 0 };

	memset(snap, 0, sizeof(*snap));
	if (!fine(compel_seize(pid, 1000, &task, &err), &err))
		return false;
	snap->regs = task->threads[0].regs;
	snap->sigmask = task->threads[0].sigmask;
	compel_get_xstate(pid, snap->xstate, sizeof(snap->xstate), &snap->xstate_len, &err);
	read_text(pid, "maps", snap->maps, sizeof(snap->maps));
	read_text(pid, "status", snap->status, sizeof(snap->status));
	keep_lines(snap->status);
	list_fds(pid, snap->fds, sizeof(snap->fds));
	return fine(compel_release(task, COMPEL_RUN, &err), &err);
}

static void run_signals_pending(struct shared *s)
{
	sigset_t set;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 5);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigqueue(getpid(), SIGRTMIN + 5, (union sigval){ .sival_int = 15 });
	raise(SIGUSR1);
	s->ready = 1;
	while (!s->stop)
		sleep_ms(1000);

	s->result = sigwaitinfo(&set, NULL) == SIGUSR1 &&
		    sigwaitinfo(&set, &info) == SIGRTMIN + 5 && info.si_value.sival_int == 15;
}

static void test_same_before_and_after(void)
{
	struct victim v = victim_start(run_sleeper);
	struct snapshot *a = calloc(2, sizeof(*a)), *b = a + 1;

	ok(snapshot(v.pid, a) && round_trip(v.pid) && snapshot(v.pid, b), "a sleeper, seen twice");
	ok(!memcmp(&a->regs, &b->regs, sizeof(a->regs)), "the same registers");
	ok(a->xstate_len && !memcmp(a->xstate, b->xstate, sizeof(a->xstate)),
	   "the same vector state");
	ok(!strcmp(a->maps, b->maps), "the same memory map");
	ok(!strcmp(a->fds, b->fds), "the same descriptors");
	ok(!strcmp(a->status, b->status) && a->sigmask == b->sigmask, "the same signals");
	victim_kill(&v);

	v = victim_start(run_signals_pending);
	ok(snapshot(v.pid, a) && round_trip(v.pid) && snapshot(v.pid, b),
	   "pending signals, seen twice");
	ok(!strcmp(a->status, b->status) && a->sigmask == b->sigmask, "the same signals");
	v.s->stop = 1;
	ok(victim_until(&v, &v.s->result), "they are delivered with their values, in order");
	victim_wait(&v);
	free(a);
}

/* -- calls --------------------------------------------------------------------- */

static void test_calls(void)
{
	struct victim v = victim_start(run_sleeper);
	struct blob_args args = { { 41 } };
	struct compel_task *task;
	struct err err = { 0 };
	char fds[4096], before[4096];
	int pipe_fds[2], remote = -1;
	char buf[9];
	long ret = 0;

	list_fds(v.pid, before, sizeof(before));
	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err) && task->nr_threads == 1 &&
		   !task->stop_signal,
	   "seize");
	ok(fine(compel_syscall(task, &task->threads[0], SYS_getpid, (unsigned long[6]){ 0 }, &ret,
			       &err),
		&err) &&
		   ret == v.pid,
	   "a system call before there is a blob");
	ok(inject(task, &err), "inject");
	ok(fine(compel_call(task, &task->threads[0], CMD_ADD, &args, sizeof(args), &ret, &err),
		&err) &&
		   ret == 5 && args.numbers[1] == 42,
	   "arguments go in and come out");
	ok(fine(compel_syscall(task, &task->threads[0], SYS_close, (unsigned long[6]){ 999 }, &ret,
			       &err),
		&err) &&
		   ret == -EBADF,
	   "a system call between commands, and its error");

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return;
	ok(fine(compel_send_fd(task, pipe_fds[1], &remote, &err), &err) && remote > 2,
	   "give a descriptor");
	args.numbers[0] = (uint64_t)remote;
	ok(fine(compel_call(task, &task->threads[0], CMD_WRITE, &args, sizeof(args), &ret, &err),
		&err) &&
		   ret == 3 && read(pipe_fds[0], buf, sizeof(buf)) == 3,
	   "the victim writes into it");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	ok(fine(compel_call(task, &task->threads[0], CMD_WRITE, &args, sizeof(args), &ret, &err),
		&err) &&
		   ret == -EPIPE,
	   "nobody reads any more");

	ok(fine(compel_cure(task, &err), &err), "cure");
	list_fds(v.pid, fds, sizeof(fds));
	ok(!strcmp(before, fds), "no descriptor is left");
	ok(inject(task, &err) && call_all(task, &err), "inject again");
	ok(fine(compel_release(task, COMPEL_RUN, &err), &err), "release cures");
	sleep_ms(20);
	ok(waitpid(v.pid, NULL, WNOHANG) == 0, "SIGPIPE of ours has not killed it");
	victim_kill(&v);
}

static void test_two_halves(void)
{
	struct victim v = victim_start(run_sleeper);
	struct blob_args args = { { 0 } };
	struct compel_task *task;
	struct err err = { 0 };
	int pipe_fds[2], remote = -1;
	long ret = 0;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0 || compel_seize(v.pid, 1000, &task, &err) < 0)
		return;
	inject(task, &err);
	compel_send_fd(task, pipe_fds[0], &remote, &err);
	args.numbers[0] = (uint64_t)remote;
	ok(fine(compel_call_start(task, &task->threads[0], CMD_READ, &args, sizeof(args), &err),
		&err),
	   "start a command that waits");
	sleep_ms(50);
	if (write(pipe_fds[1], "q", 1) != 1)
		return;
	ok(fine(compel_call_finish(task, &args, sizeof(args), &ret, &err), &err) && ret == 1 &&
		   (char)args.numbers[1] == 'q',
	   "finish it");
	ok(fine(compel_call_start(task, &task->threads[0], CMD_READ, &args, sizeof(args), &err),
		&err) &&
		   fine(compel_cure(task, &err), &err),
	   "cure while a command waits");
	ok(fine(compel_release(task, COMPEL_RUN, &err), &err) && round_trip(v.pid),
	   "and once more");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	victim_kill(&v);
}

/* -- for restore -------------------------------------------------------------------- */

static void run_counter(struct shared *s)
{
	s->ready = 1;
	while (!s->stop)
		s->count++;
	s->result = 1;
}

/* In libc, at the same place in all our children. */
static unsigned long syscall_insn(void)
{
	const unsigned char *insn = (const unsigned char *)syscall;

	while (insn[0] != 0x0f || insn[1] != 0x05)
		insn++;
	return (unsigned long)insn;
}

static void test_raw(void)
{
	static unsigned char xstate[COMPEL_XSTATE_MAX];
	struct victim v = victim_start(run_counter);
	unsigned long insn = syscall_insn();
	struct compel_task *task;
	struct compel_thread *t;
	struct err err = { 0 };
	long ret = 0, before;
	size_t len = 0;

	if (!fine(compel_seize(v.pid, 1000, &task, &err), &err))
		return;
	t = &task->threads[0];
	ok(fine(compel_get_xstate(t->tid, xstate, sizeof(xstate), &len, &err), &err) && len > 512,
	   "the vector state can be read");
	ok(fine(compel_raw_syscall(t->tid, insn, SYS_getpid, (unsigned long[6]){ 0 }, &ret, &err),
		&err) &&
		   ret == v.pid,
	   "a raw system call");
	ok(fine(compel_raw_syscall(t->tid, insn, SYS_close, (unsigned long[6]){ 999 }, &ret, &err),
		&err) &&
		   ret == -EBADF,
	   "and its error");
	ok(fine(compel_set_state(t->tid, &t->regs, xstate, len, t->sigmask, &err), &err),
	   "a state is given back");
	before = v.s->count;
	ok(fine(compel_release(task, COMPEL_RUN, &err), &err), "release");
	sleep_ms(20);
	ok(v.s->count > before, "the victim goes on");
	v.s->stop = 1;
	ok(victim_until(&v, &v.s->result), "and ends well");
	victim_wait(&v);
}

static void test_interrupted(void)
{
	struct victim v = victim_start(run_counter);
	unsigned long insn = syscall_insn();
	struct compel_task *task;
	struct compel_thread *t;
	struct err err = { 0 };
	double start = now_ms();
	long ret = 0;

	if (!fine(compel_seize(v.pid, 1000, &task, &err), &err))
		return;
	t = &task->threads[0];
	ok(fine(compel_interrupt_syscall(t->tid, insn, SYS_pause, (unsigned long[6]){ 0 }, &ret,
					 &err),
		&err) &&
		   ret == -514 && now_ms() - start < 200,
	   "a call that would wait is interrupted: %ld", ret);
	ok(fine(compel_set_state(t->tid, &t->regs, NULL, 0, t->sigmask, &err), &err) &&
		   fine(compel_release(task, COMPEL_RUN, &err), &err),
	   "release");
	v.s->stop = 1;
	ok(victim_until(&v, &v.s->result), "the victim goes on");
	victim_wait(&v);
}

static void *unshared(void *arg)
{
	struct shared *s = arg;

	syscall(SYS_unshare, 0x400 /* CLONE_FILES */);
	s->ready = 1;
	while (!s->stop)
		pause();
	return NULL;
}

static void run_unshared(struct shared *s)
{
	pthread_t t;

	pthread_create(&t, NULL, unshared, s);
	for (;;)
		pause();
}

static void test_unshared_files(void)
{
	struct victim v = victim_start(run_unshared);
	struct compel_task *task;
	struct err err = { 0 };
	long ret;

	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err) && inject(task, &err),
	   "seize and inject");
	ok(compel_call(task, &task->threads[1], CMD_GETTID, NULL, 0, &ret, &err) == -EOPNOTSUPP,
	   "refused: %s", err.what);
	ok(fine(compel_call(task, &task->threads[0], CMD_GETTID, NULL, 0, &ret, &err), &err) &&
		   fine(compel_release(task, COMPEL_RUN, &err), &err),
	   "the other thread is fine");
	victim_kill(&v);
}

/* -- crashes ------------------------------------------------------------------ */

static void test_crash(void)
{
	struct victim v = victim_start(run_sleeper);
	struct blob_args args = { { 8 } };
	struct compel_task *task;
	struct err err = { 0 };
	long ret;

	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err) && inject(task, &err),
	   "seize and inject");
	ok(compel_call(task, &task->threads[0], CMD_CRASH, &args, sizeof(args), &ret, &err) ==
		   -EFAULT,
	   "a command that crashes: %s", err.what);
	ok(fine(compel_cure(task, &err), &err) &&
		   fine(compel_release(task, COMPEL_RUN, &err), &err),
	   "the victim can be cured");
	ok(round_trip(v.pid), "and taken over again");
	victim_kill(&v);
}

int main(void)
{
	test_same_before_and_after();
	test_calls();
	test_two_halves();
	test_raw();
	test_interrupted();
	test_unshared_files();
	test_crash();
	return tap_done();
}
