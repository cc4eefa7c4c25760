/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Group stops, signals and seccomp filters of victims; and whom compel refuses
 * to seize.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "compel_victim.h"

/* -- group stops ----------------------------------------------------------------- */

static bool is_stopped(pid_t pid)
{
	char stat[512];
	int i;

	for (i = 0; i < 100; i++, sleep_ms(1)) {
		read_text(pid, "stat", stat, sizeof(stat));
		if (strrchr(stat, ')') && strrchr(stat, ')')[2] == 'T')
			return true;
	}
	return false;
}

/* What wait() tells its parent, and takes note of. */
static bool parent_hears(pid_t pid, int flags)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, flags | WNOHANG) == 0 && info.si_pid == pid;
}

static void test_group_stop(void)
{
	struct victim v = victim_start(run_sleeper);
	struct compel_task *task;
	struct err err = { 0 };

	/* The kernel ignores SIGTSTP in an orphaned process group, as ours may be. */
	setpgid(v.pid, v.pid);
	kill(v.pid, SIGTSTP);
	ok(is_stopped(v.pid) && parent_hears(v.pid, WSTOPPED), "a stopped victim");
	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err) && task->stop_signal == SIGTSTP,
	   "seize knows its signal");
	ok(inject(task, &err) && call_all(task, &err), "it runs commands");
	ok(fine(compel_release(task, COMPEL_RUN, &err), &err) && is_stopped(v.pid),
	   "it is stopped after release");
	ok(!parent_hears(v.pid, WSTOPPED | WCONTINUED), "its parent has not noticed");
	kill(v.pid, SIGCONT);
	sleep_ms(20);
	ok(parent_hears(v.pid, WCONTINUED) && !is_stopped(v.pid), "it continues by SIGCONT");

	compel_seize(v.pid, 1000, &task, &err);
	kill(v.pid, SIGSTOP);
	ok(inject(task, &err) && call_all(task, &err), "SIGSTOP while we are at work");
	ok(fine(compel_release(task, COMPEL_RUN, &err), &err) && is_stopped(v.pid) &&
		   parent_hears(v.pid, WSTOPPED),
	   "stops it afterwards");

	compel_seize(v.pid, 1000, &task, &err);
	inject(task, &err);
	kill(v.pid, SIGCONT);
	ok(call_all(task, &err), "SIGCONT while we are at work");
	ok(fine(compel_release(task, COMPEL_RUN, &err), &err) && parent_hears(v.pid, WCONTINUED) &&
		   !is_stopped(v.pid),
	   "continues it afterwards");

	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err) && round_trip(v.pid) == false &&
		   fine(compel_release(task, COMPEL_STOP, &err), &err) && is_stopped(v.pid),
	   "release to a stop");
	kill(v.pid, SIGCONT);
	ok(round_trip(v.pid), "and go on");
	victim_kill(&v);
}

/* -- signals ------------------------------------------------------------------- */

static struct shared *ticking;

static void tick(int sig)
{
	ticking->count++;
}

static void usr1(int sig)
{
	ticking->more[0]++;
	ticking->more[1] = 1;
}

static void run_ticking(struct shared *s)
{
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } };
	volatile double x = 1.5;

	ticking = s;
	signal(SIGALRM, tick);
	signal(SIGUSR1, usr1);
	setitimer(ITIMER_REAL, &every, NULL);
	s->ready = 1;
	while (!s->stop) {
		x = x * 1.0000001;
		if (rand() % 1000 == 0)
			usleep(500);
	}
	s->result = 1;
}

static void test_ticking(void)
{
	struct victim v = victim_start(run_ticking);
	struct compel_task *task;
	struct err err = { 0 };
	bool good = true;
	long i, ms, n = 200, last;

	for (i = 0; i < n && good; i++) {
		good = fine(compel_seize(v.pid, 1000, &task, &err), &err);
		v.s->more[1] = 0;
		kill(v.pid, SIGUSR1);
		good = good && inject(task, &err) && call_all(task, &err) && v.s->more[0] == i;
		last = v.s->count;
		good = fine(compel_release(task, COMPEL_RUN, &err), &err) && good;
		good = good && victim_until(&v, &v.s->more[1]);
		for (ms = 0; ms < 1000 && v.s->count == last; ms++)
			sleep_ms(1);
		good = good && v.s->count > last;
	}
	ok(good && v.s->more[0] == n, "1000 ticks a second: they go on, %ld of %ld signals arrive",
	   v.s->more[0], n);
	v.s->stop = 1;
	victim_until(&v, &v.s->result);
	ok(victim_wait(&v) == 0, "and it ends well");
}

/* -- seccomp ------------------------------------------------------------------- */

/* Any call but a few kills. */
static void run_filtered(struct shared *s)
{
#define ALLOW(nr) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	static struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_clock_nanosleep),
		ALLOW(SYS_restart_syscall),
		ALLOW(SYS_exit_group),
		ALLOW(SYS_rt_sigreturn),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = { sizeof(rules) / sizeof(rules[0]), rules };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
	s->ready = 1;
	while (!s->stop) {
		struct timespec ts = { 0, 5000000 };

		nanosleep(&ts, NULL);
		s->count++;
	}
	syscall(SYS_exit_group, 7);
}

static void drop_cap(cap_value_t cap)
{
	cap_t caps = cap_get_proc();

	cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_CLEAR);
	cap_set_proc(caps);
	cap_free(caps);
}

static void raise_cap(cap_value_t cap)
{
	cap_t caps = cap_get_proc();

	cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_SET);
	cap_set_proc(caps);
	cap_free(caps);
}

static void test_seccomp(void)
{
	struct victim v = victim_start(run_filtered);
	struct compel_task *task;
	struct err err = { 0 };
	long before;
	int i;

	for (i = 0; i < 20; i++)
		if (!round_trip(v.pid))
			break;
	ok(i == 20, "a victim under a filter that kills");

	drop_cap(CAP_SYS_ADMIN);
	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err), "seize without CAP_SYS_ADMIN");
	ok(compel_inject(task, &(struct compel_image){ compel_blob_start, 16 }, 0, &err) ==
			   -EPERM &&
		   err.hint[0],
	   "inject refuses: %s", err.what);
	ok(fine(compel_release(task, COMPEL_RUN, &err), &err), "release");
	raise_cap(CAP_SYS_ADMIN);

	before = v.s->count;
	sleep_ms(50);
	ok(v.s->count > before, "the victim goes on");
	v.s->stop = 1;
	ok(victim_wait(&v) == 7 << 8, "and ends well");
}

/* -- refusals and ends ------------------------------------------------------------ */

static void run_vfork(struct shared *s)
{
	s->ready = 1;
	if (vfork() == 0) {
		sleep_ms(1500);
		_exit(0);
	}
	s->result = 1;
	for (;;)
		pause();
}

static void run_tracer(struct shared *s)
{
	ptrace(PTRACE_SEIZE, (pid_t)s->more[0], 0, 0);
	s->ready = 1;
	for (;;)
		pause();
}

static void test_traced(void)
{
	struct victim v = victim_start(run_sleeper), tracer;
	struct compel_task *task;
	struct err err = { 0 };
	char who[32];
	int ret;

	tracer.s = mmap(NULL, sizeof(*tracer.s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	tracer.s->more[0] = v.pid;
	tracer.pid = fork();
	if (tracer.pid == 0)
		run_tracer(tracer.s);
	while (!tracer.s->ready)
		sleep_ms(1);

	ret = compel_seize(v.pid, 1000, &task, &err);
	snprintf(who, sizeof(who), "process %d (compel_", tracer.pid);
	ok(ret == -EBUSY && strstr(err.what, who) && err.hint[0], "refused: %s", err.what);
	victim_kill(&tracer);
	sleep_ms(10);
	ok(round_trip(v.pid), "not refused when the tracer is gone");
	victim_kill(&v);
}

static void test_refusals(void)
{
	struct victim v = victim_start(run_vfork);
	struct compel_task *task;
	struct err err = { 0 };
	double start = now_ms();
	pid_t dead;

	ok(compel_seize(v.pid, 100, &task, &err) == -EBUSY && strstr(err.what, "state D") &&
		   err.hint[0] && now_ms() - start < 1200,
	   "refused: %s", err.what);
	while (!v.s->result && now_ms() - start < 5000)
		sleep_ms(1);
	victim_kill(&v);

	dead = fork();
	if (dead == 0)
		_exit(0);
	sleep_ms(20);
	ok(compel_seize(dead, 100, &task, &err) == -ESRCH && err.hint[0], "refused: %s", err.what);
	waitpid(dead, NULL, 0);
	ok(compel_seize(dead, 100, &task, &err) == -ESRCH, "refused: %s", err.what);
}

int main(void)
{
	test_group_stop();
	test_ticking();
	test_seccomp();
	test_traced();
	test_refusals();
	return tap_done();
}
