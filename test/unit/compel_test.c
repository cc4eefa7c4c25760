/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What comes out is what went in: threads, registers, memory map, descriptors,
 * signals and group stops of victims that are taken over and let go.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "compel_victim.h"

static void run_sleeper(struct shared *s)
{
	s->ready = 1;
	for (;;)
		pause();
}

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

static void read_text(pid_t pid, const char *name, char *buf, size_t size)
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
			len += (size_t)snprintf(buf + len, size - len, "%s %.*s\n", e->d_name, (int)n,
						target);
	}
	closedir(dir);
}

/* Of status, the lines about signals, seccomp and threads. */
static void keep_lines(char *status)
{
	static const char *const keep[] = { "SigPnd:", "ShdPnd:",  "SigBlk:", "SigIgn:",
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
	ok(a->xstate_len && !memcmp(a->xstate, b->xstate, sizeof(a->xstate)), "the same vector state");
	ok(!strcmp(a->maps, b->maps), "the same memory map");
	ok(!strcmp(a->fds, b->fds), "the same descriptors");
	ok(!strcmp(a->status, b->status) && a->sigmask == b->sigmask, "the same signals");
	victim_kill(&v);

	v = victim_start(run_signals_pending);
	ok(snapshot(v.pid, a) && round_trip(v.pid) && snapshot(v.pid, b), "pending signals, seen twice");
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
	ok(fine(compel_syscall(task, &task->threads[0], SYS_getpid, (unsigned long[6]){ 0 }, &ret, &err),
		&err) &&
		   ret == v.pid,
	   "a system call before there is a blob");
	ok(inject(task, &err), "inject");
	ok(fine(compel_call(task, &task->threads[0], CMD_ADD, &args, sizeof(args), &ret, &err), &err) &&
		   ret == 5 && args.numbers[1] == 42,
	   "arguments go in and come out");
	ok(fine(compel_syscall(task, &task->threads[0], SYS_close, (unsigned long[6]){ 999 }, &ret, &err),
		&err) &&
		   ret == -EBADF,
	   "a system call between commands, and its error");

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return;
	ok(fine(compel_send_fd(task, pipe_fds[1], &remote, &err), &err) && remote > 2,
	   "give a descriptor");
	args.numbers[0] = (uint64_t)remote;
	ok(fine(compel_call(task, &task->threads[0], CMD_WRITE, &args, sizeof(args), &ret, &err), &err) &&
		   ret == 3 && read(pipe_fds[0], buf, sizeof(buf)) == 3,
	   "the victim writes into it");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	ok(fine(compel_call(task, &task->threads[0], CMD_WRITE, &args, sizeof(args), &ret, &err), &err) &&
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
	ok(fine(compel_call_start(task, &task->threads[0], CMD_READ, &args, sizeof(args), &err), &err),
	   "start a command that waits");
	sleep_ms(50);
	if (write(pipe_fds[1], "q", 1) != 1)
		return;
	ok(fine(compel_call_finish(task, &args, sizeof(args), &ret, &err), &err) && ret == 1 &&
		   (char)args.numbers[1] == 'q',
	   "finish it");
	ok(fine(compel_call_start(task, &task->threads[0], CMD_READ, &args, sizeof(args), &err), &err) &&
		   fine(compel_cure(task, &err), &err),
	   "cure while a command waits");
	ok(fine(compel_release(task, COMPEL_RUN, &err), &err) && round_trip(v.pid), "and once more");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	victim_kill(&v);
}

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
	ok(fine(compel_syscall(task, &task->threads[1], SYS_gettid, (unsigned long[6]){ 0 }, &ret, &err),
		&err) &&
		   ret == task->threads[1].tid,
	   "and a system call");
	ok(fine(compel_release(task, COMPEL_RUN, &err), &err), "release");
	v.s->stop = 1;
	ok(WIFEXITED(victim_wait(&v)), "it ends well");
}

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
	long i, n = 200, last;

	for (i = 0; i < n && good; i++) {
		good = fine(compel_seize(v.pid, 1000, &task, &err), &err);
		v.s->more[1] = 0;
		kill(v.pid, SIGUSR1);
		good = good && inject(task, &err) && call_all(task, &err) && v.s->more[0] == i;
		last = v.s->count;
		good = fine(compel_release(task, COMPEL_RUN, &err), &err) && good;
		good = good && victim_until(&v, &v.s->more[1]);
		sleep_ms(2);
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
#define ALLOW(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), \
		  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	static struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_clock_nanosleep), ALLOW(SYS_restart_syscall), ALLOW(SYS_exit_group),
		ALLOW(SYS_rt_sigreturn), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
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
	ok(compel_inject(task, &(struct compel_image){ compel_blob_start, 16 }, 0, &err) == -EPERM &&
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
		sleep_ms(500);
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

	tracer.s = mmap(NULL, sizeof(*tracer.s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	tracer.s->more[0] = v.pid;
	tracer.pid = fork();
	if (tracer.pid == 0)
		run_tracer(tracer.s);
	while (!tracer.s->ready)
		sleep_ms(1);

	ret = compel_seize(v.pid, 1000, &task, &err);
	snprintf(who, sizeof(who), "process %d (compel_test", tracer.pid);
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

	ok(compel_seize(v.pid, 100, &task, &err) == -EBUSY && strstr(err.what, "state D") && err.hint[0] &&
		   now_ms() - start < 400,
	   "refused: %s", err.what);
	while (!v.s->result && now_ms() - start < 2000)
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
	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err) && inject(task, &err), "seize and inject");
	kill(v.pid, SIGKILL);
	ok(!call_all(task, &err) && err.code == ESRCH, "killed by somebody else: %s", err.what);
	ok(fine(compel_release(task, COMPEL_RUN, &err), &err), "release of a dead task");
	victim_wait(&v);

	v = victim_start(run_churn);
	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err) && inject(task, &err), "seize and inject");
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

static void test_crash(void)
{
	struct victim v = victim_start(run_sleeper);
	struct blob_args args = { { 8 } };
	struct compel_task *task;
	struct err err = { 0 };
	long ret;

	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err) && inject(task, &err), "seize and inject");
	ok(compel_call(task, &task->threads[0], CMD_CRASH, &args, sizeof(args), &ret, &err) == -EFAULT,
	   "a command that crashes: %s", err.what);
	ok(fine(compel_cure(task, &err), &err) && fine(compel_release(task, COMPEL_RUN, &err), &err),
	   "the victim can be cured");
	ok(round_trip(v.pid), "and taken over again");
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
					      (uintptr_t)(rseq_end - rseq_start), (uintptr_t)rseq_abort };

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
	ok(i == 50 && !inside && aborts > 10, "a restartable sequence is aborted (%d), never resumed (%d)",
	   aborts, inside);
	v.s->more[0] = 1;
	ok(victim_until(&v, &v.s->result), "and ends well");
	victim_wait(&v);
}

/* -- for restore -------------------------------------------------------------------- */

static void run_counter(struct shared *s)
{
	s->ready = 1;
	while (!s->stop)
		s->count++;
	s->result = 1;
}

static void test_raw(void)
{
	static unsigned char xstate[COMPEL_XSTATE_MAX];
	struct victim v = victim_start(run_counter);
	const unsigned char *insn = (const unsigned char *)syscall;
	struct compel_task *task;
	struct compel_thread *t;
	struct err err = { 0 };
	long ret = 0, before;
	size_t len = 0;

	while (insn[0] != 0x0f || insn[1] != 0x05)
		insn++;
	if (!fine(compel_seize(v.pid, 1000, &task, &err), &err))
		return;
	t = &task->threads[0];
	ok(fine(compel_get_xstate(t->tid, xstate, sizeof(xstate), &len, &err), &err) && len > 512,
	   "%zu bytes of vector state", len);
	ok(fine(compel_raw_syscall(t->tid, (unsigned long)insn, SYS_getpid, (unsigned long[6]){ 0 }, &ret,
				   &err),
		&err) &&
		   ret == v.pid,
	   "a raw system call");
	ok(fine(compel_raw_syscall(t->tid, (unsigned long)insn, SYS_close, (unsigned long[6]){ 999 }, &ret,
				   &err),
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

	ok(fine(compel_seize(v.pid, 1000, &task, &err), &err) && inject(task, &err), "seize and inject");
	ok(compel_call(task, &task->threads[1], CMD_GETTID, NULL, 0, &ret, &err) == -EOPNOTSUPP,
	   "refused: %s", err.what);
	ok(fine(compel_call(task, &task->threads[0], CMD_GETTID, NULL, 0, &ret, &err), &err) &&
		   fine(compel_release(task, COMPEL_RUN, &err), &err),
	   "the other thread is fine");
	victim_kill(&v);
}

int main(void)
{
	test_rseq();
	test_raw();
	test_unshared_files();
	test_same_before_and_after();
	test_calls();
	test_two_halves();
	test_churn();
	test_leader_gone();
	test_group_stop();
	test_ticking();
	test_seccomp();
	test_traced();
	test_refusals();
	test_kill();
	test_kill_child_of_other();
	test_crash();
	return tap_done();
}
