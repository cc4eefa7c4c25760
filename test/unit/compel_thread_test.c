/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tasks of many threads, tasks whose leader is dead, restartable sequences, and
 * tasks that die.
 */
#include <dirent.h>
#include <pthread.h>
#include <sys/rseq.h>
#include <sys/syscall.h>

#include "compel_victim.h"

/* -- threads ------------------------------------------------------------------- */

static void *short_lived(void *arg)
{
	sleep_ms(rand() % 3);
	return NULL;
}

static void *maker(void *arg)
{
	struct shared *s = arg;
	pthread_t t;

	while (!s->stop) {
		if (pthread_create(&t, NULL, short_lived, NULL) == 0)
			pthread_join(t, NULL);
		__atomic_add_fetch(&s->count, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void run_churn(struct shared *s)
{
	pthread_t t[50];
	int i;

	for (i = 0; i < 50; i++)
		pthread_create(&t[i], NULL, maker, s);
	s->ready = 1;
	for (i = 0; i < 50; i++)
		pthread_join(t[i], NULL);
	s->result = 1;
}

static unsigned int count_running(pid_t pid)
{
	char path[64], name[64], stat[512];
	unsigned int running = 0;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "task/%.20s/stat", e->d_name);
		read_text(pid, name, stat, sizeof(stat));
		running += strrchr(stat, ')') && !strchr("tZX", strrchr(stat, ')')[2]);
	}
	closedir(dir);
	return running;
}

static void test_churn(void)
{
	struct victim v = victim_start(run_churn);
	struct compel_task *task;
	struct err err = { 0 };
	bool good = true;
	long before;
	int i;

	for (i = 0; i < 30 && good; i++) {
		good = fine(compel_seize(v.pid, 2000, &task, &err), &err);
		if (!good)
			break;
		good = count_running(v.pid) == 0 && task->nr_threads > 50 && inject(task, &err) &&
		       call_all(task, &err);
		before = v.s->count;
		sleep_ms(3);
		good &= before == v.s->count;
		good &= fine(compel_release(task, COMPEL_RUN, &err), &err);
	}
	ok(good, "50 threads that make threads are stopped, all of them, 30 times");
	v.s->stop = 1;
	ok(WIFEXITED(victim_wait(&v)), "and end well");
}

static void *lonely(void *arg)
{
	struct shared *s = arg;

	sleep_ms(50);
	s->ready = 1;
	while (!s->stop)
		sleep_ms(1);
	return NULL;
}

static void run_leader_gone(struct shared *s)
{
	pthread_t t;

	pthread_create(&t, NULL, lonely, s);
	syscall(SYS_exit, 0);
}

static void test_leader_gone(void)
{
	struct victim v = victim_start(run_leader_gone);
	struct compel_task *task;
	struct err err = { 0 };
	long ret = 0;

	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err) && task->nr_threads == 2 &&
		   task->threads[0].dead && !task->threads[1].dead,
	   "a leader that is dead");
	ok(inject(task, &err) && call_all(task, &err), "its thread runs a command");
	ok(fine(compel_syscall(task, &task->threads[1], SYS_gettid, (unsigned long[6]){ 0 }, &ret,
			       &err),
		&err) &&
		   ret == task->threads[1].tid,
	   "and a system call");
	ok(fine(compel_release(task, COMPEL_RUN, &err), &err), "release");
	v.s->stop = 1;
	ok(WIFEXITED(victim_wait(&v)), "it ends well");
}

/* -- death -------------------------------------------------------------------- */

static void test_kill(void)
{
	struct victim v = victim_start(run_churn);
	struct compel_task *task;
	struct err err = { 0 };
	int status;

	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err) && inject(task, &err) &&
		   fine(compel_release(task, COMPEL_KILL, &err), &err),
	   "kill many threads");
	status = victim_wait(&v);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "their parent learns how they died");

	v = victim_start(run_sleeper);
	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err) && inject(task, &err),
	   "seize and inject");
	kill(v.pid, SIGKILL);
	ok(!call_all(task, &err) && err.code == ESRCH, "killed by somebody else: %s", err.what);
	ok(fine(compel_release(task, COMPEL_RUN, &err), &err), "release of a dead task");
	victim_wait(&v);

	v = victim_start(run_churn);
	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err) && inject(task, &err),
	   "seize and inject");
	kill(v.pid, SIGKILL);
	sleep_ms(10);
	ok(fine(compel_release(task, COMPEL_RUN, &err), &err), "release of many dead threads");
	victim_wait(&v);
}

static void run_parent(struct shared *s)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	s->more[0] = pid;
	s->ready = 1;
	s->result = waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
}

static void test_kill_child_of_other(void)
{
	struct victim v = victim_start(run_parent);
	struct compel_task *task;
	struct err err = { 0 };
	int i;

	ok(fine(compel_seize((pid_t)v.s->more[0], 1000, &task, &err), &err) &&
		   fine(compel_release(task, COMPEL_KILL, &err), &err),
	   "kill somebody else's child");
	for (i = 0; i < 1000 && !v.s->result; i++)
		sleep_ms(1);
	ok(v.s->result, "its parent hears of it while we live");
	victim_kill(&v);
}

/* -- restartable sequences ---------------------------------------------------------- */

long rseq_spin(volatile long *stop, void *rseq, void *cs);
extern const char rseq_start[], rseq_end[], rseq_abort[];
__asm__(".text\n.globl rseq_spin, rseq_start, rseq_end, rseq_abort\n"
	"rseq_spin:\n"
	"mov %rdx, 8(%rsi)\n"
	"rseq_start: cmpq $0, (%rdi)\n je rseq_start\n"
	"rseq_end: xor %eax, %eax\n ret\n"
	".long 0x53053053\n" /* the signature that the kernel looks for */
	"rseq_abort: incq 8(%rdi)\n jmp rseq_spin\n");

static void run_rseq(struct shared *s)
{
	struct {
		uint32_t version, flags;
		uint64_t start, length, abort;
	} cs __attribute__((aligned(32))) = { 0, 0, (uintptr_t)rseq_start,
					      (uintptr_t)(rseq_end - rseq_start),
					      (uintptr_t)rseq_abort };

	s->ready = 1;
	rseq_spin(s->more, (char *)__builtin_thread_pointer() + __rseq_offset, &cs);
	s->result = 1;
}

static void test_rseq(void)
{
	struct compel_task *task;
	struct err err = { 0 };
	int aborts = 0, inside = 0, i;
	struct victim v;

	if (!__rseq_size) {
		tap_skip("a restartable sequence", "libc has not registered rseq");
		return;
	}
	v = victim_start(run_rseq);
	for (i = 0; i < 50 && compel_seize(v.pid, 1000, &task, &err) == 0; i++) {
		uint64_t ip = task->threads[0].regs.gp.rip;

		aborts += ip == (uintptr_t)rseq_abort;
		inside += ip - (uintptr_t)rseq_start < (uintptr_t)(rseq_end - rseq_start);
		inject(task, &err);
		call_all(task, &err);
		compel_release(task, COMPEL_RUN, &err);
		sleep_ms(1);
	}
	ok(i == 50 && !inside && aborts > 10,
	   "a restartable sequence is aborted (%d), never resumed (%d)", aborts, inside);
	v.s->more[0] = 1;
	ok(victim_until(&v, &v.s->result), "and ends well");
	victim_wait(&v);
}

int main(void)
{
	test_churn();
	test_leader_gone();
	test_kill();
	test_kill_child_of_other();
	test_rseq();
	return tap_done();
}
