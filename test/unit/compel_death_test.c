/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host is killed at every moment of its work, and its victims go on as if
 * nothing had been: their sleep ends on time, every register is as it was.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "compel_victim.h"

enum {
	SLEEP_MS = 617,
	SLACK_MS = 150,
	KILLS = 200,
};

/* -- victims --------------------------------------------------------------------- */

static long mask_changed(const sigset_t *before)
{
	sigset_t after;
	int sig;

	sigprocmask(SIG_SETMASK, NULL, &after);
	for (sig = 1; sig < 65; sig++)
		if (sigismember(before, sig) != sigismember(&after, sig))
			return sig;
	return 0;
}

static void run_nanosleep(struct shared *s)
{
	struct timespec ts = { 0, SLEEP_MS * 1000000 };
	double start = now_ms();
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	s->ready = 1;
	s->error = nanosleep(&ts, NULL) < 0 ? errno : 0;
	s->ms = now_ms() - start;
	s->more[0] = mask_changed(&mask);
	s->result = 1;
}

static void run_epoll(struct shared *s)
{
	struct itimerspec when = { .it_value = { 0, SLEEP_MS * 1000000 } };
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
	double start = now_ms();
	sigset_t mask;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	epoll_ctl(ep, EPOLL_CTL_ADD, timer, &ev);
	timerfd_settime(timer, 0, &when, NULL);
	s->ready = 1;
	s->error = epoll_wait(ep, &ev, 1, -1) == 1 ? 0 : errno;
	s->ms = now_ms() - start;
	s->more[0] = mask_changed(&mask);
	s->result = 1;
}

/*
 * Spins with a value of its own in every register until @control[1] is set;
 * counts in @control[0].  Returns whether a register has changed.
 * The vector registers are stored in @vector at the end.
 */
long spin(volatile long *control, unsigned char *vector);
__asm__(".text\n.globl spin\n.hidden spin\nspin:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rsi\n"
	"mov $0x11, %ebx; movq %rbx, %xmm0; punpcklqdq %xmm0, %xmm0\n"
	".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"movdqa %xmm0, %xmm\\n; psllq $\\n, %xmm\\n\n"
	".endr\n"
	".macro each what\n"
	"\\what 1 rax; \\what 2 rbx; \\what 3 rcx; \\what 4 rdx; \\what 5 rsi; \\what 6 rbp; \\what 7 r8\n"
	"\\what 8 r9; \\what 9 r10; \\what 10 r11; \\what 11 r12; \\what 12 r13; \\what 13 r14; \\what 14 r15\n"
	".endm\n"
	".macro fill n reg\n mov $(0x5a5a5a00 + \\n), %\\reg\n .endm\n"
	".macro test_one n reg\n cmp $(0x5a5a5a00 + \\n), %\\reg\n jne 2f\n .endm\n"
	"each fill\n"
	"movl $0x5a5a5aff, -100(%rsp)\n" /* in the red zone */
	"1: each test_one\n"
	"cmpl $0x5a5a5aff, -100(%rsp)\n jne 2f\n"
	"incq (%rdi)\n cmpq $0, 8(%rdi)\n je 1b\n"
	"xor %eax, %eax\n jmp 3f\n"
	"2: mov $1, %eax\n"
	"3: pop %rsi\n"
	".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"movdqu %xmm\\n, 16*\\n(%rsi)\n"
	".endr\n"
	"pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n");

static void run_spin(struct shared *s)
{
	uint64_t vector[32];
	sigset_t mask;
	long i, bad;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	s->ready = 1;
	bad = spin(s->more + 8, (unsigned char *)vector);
	for (i = 0; i < 32; i++)
		bad |= vector[i] != 0x11ull << (i / 2);
	s->error = (int)bad;
	s->more[0] = mask_changed(&mask);
	s->result = 1;
}

/* -- hosts ----------------------------------------------------------------------- */

struct host {
	struct compel_task *task;
	struct err err;
	int pipe_fds[2];
	volatile long *busy; /* set when the work begins */
};

static void die(void)
{
	raise(SIGKILL);
}

static void host_seized(struct host *h)
{
	die();
}

static void host_injected(struct host *h)
{
	inject(h->task, &h->err);
	die();
}

static void host_between_calls(struct host *h)
{
	inject(h->task, &h->err);
	call_all(h->task, &h->err);
	die();
}

/* A command waits for a pipe that ends with us. */
static void host_in_call(struct host *h)
{
	struct blob_args args = { { 0 } };
	int remote = -1;

	inject(h->task, &h->err);
	compel_send_fd(h->task, h->pipe_fds[0], &remote, &h->err);
	args.numbers[0] = (uint64_t)remote;
	compel_call_start(h->task, &h->task->threads[0], CMD_READ, &args, sizeof(args), &h->err);
	sleep_ms(20);
	die();
}

/* A system call that ends when we do, with and without a blob. */
static void host_in_syscall(struct host *h)
{
	long ret;
	int remote = -1;

	inject(h->task, &h->err);
	compel_send_fd(h->task, h->pipe_fds[0], &remote, &h->err);
	if (fork() == 0) {
		sleep_ms(20);
		kill(getppid(), SIGKILL);
		_exit(0);
	}
	fcntl(h->pipe_fds[1], F_SETFD, FD_CLOEXEC);
	compel_syscall(h->task, &h->task->threads[0], SYS_read,
		       (unsigned long[6]){ (unsigned long)remote, 0, 1 }, &ret, &h->err);
}

static void host_cured(struct host *h)
{
	inject(h->task, &h->err);
	call_all(h->task, &h->err);
	compel_cure(h->task, &h->err);
	die();
}

static const struct moment {
	const char *name;
	void (*host)(struct host *h);
} moments[] = {
	{ "seized", host_seized },
	{ "injected", host_injected },
	{ "between calls", host_between_calls },
	{ "inside a call", host_in_call },
	{ "inside a system call", host_in_syscall },
	{ "cured", host_cured },
};

static pid_t start_host(const struct victim *v, const struct moment *m)
{
	struct host h = { .busy = &v->s->more[10] };
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	if (pipe2(h.pipe_fds, O_CLOEXEC) == 0 &&
	    fine(compel_seize(v->pid, 1000, &h.task, &h.err), &h.err))
		m->host(&h);
	_exit(1);
}

static bool host_was_killed(pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* -- tests ----------------------------------------------------------------------- */

static void test_sleepers(const char *name, void (*run)(struct shared *s))
{
	enum { NR = sizeof(moments) / sizeof(moments[0]) };
	struct victim v[NR];
	pid_t host[NR];
	size_t i;

	for (i = 0; i < NR; i++)
		v[i] = victim_start(run);
	for (i = 0; i < NR; i++)
		host[i] = start_host(&v[i], &moments[i]);
	for (i = 0; i < NR; i++) {
		bool killed = host_was_killed(host[i]);

		victim_until(&v[i], &v[i].s->result);
		ok(killed && v[i].s->result && !v[i].s->error && !v[i].s->more[0] &&
			   v[i].s->ms >= SLEEP_MS - 1 && v[i].s->ms < SLEEP_MS + SLACK_MS,
		   "%s, host killed when %s: error %d after %.0f of %d ms", name, moments[i].name,
		   v[i].s->error, v[i].s->ms, SLEEP_MS);
		victim_kill(&v[i]);
	}
}

static void test_spinner(const struct moment *m)
{
	struct victim v = victim_start(run_spin);
	bool killed = host_was_killed(start_host(&v, m));
	long before = v.s->more[8];

	sleep_ms(50);
	before = v.s->more[8] - before;
	v.s->more[9] = 1;
	victim_until(&v, &v.s->result);
	ok(killed && before > 0 && v.s->result && !v.s->error && !v.s->more[0],
	   "a spinner, host killed when %s: all registers are as they were", m->name);
	victim_kill(&v);
}

/* The spinner is also a good victim for those who live. */
static void test_spinner_alive(void)
{
	struct victim v = victim_start(run_spin);
	int i;

	for (i = 0; i < 200; i++)
		if (!round_trip(v.pid))
			break;
	v.s->more[9] = 1;
	victim_until(&v, &v.s->result);
	ok(i == 200 && v.s->result && !v.s->error && !v.s->more[0],
	   "a spinner, taken over 200 times");
	victim_kill(&v);
}

/* After its host's death it can be taken over again. */
static void test_again(void)
{
	struct victim v = victim_start(run_spin);

	ok(host_was_killed(start_host(&v, &moments[2])) && round_trip(v.pid),
	   "taken over again after a host was killed");
	v.s->more[9] = 1;
	victim_until(&v, &v.s->result);
	ok(v.s->result && !v.s->error && !v.s->more[0], "and well");
	victim_kill(&v);
}

/* At any moment, once the work has begun. */
static void host_cycling(struct host *h)
{
	for (;;) {
		*h->busy = 1;
		if (!inject(h->task, &h->err) || !call_all(h->task, &h->err) ||
		    compel_cure(h->task, &h->err) < 0)
			break;
	}
}

static void host_syscalling(struct host *h)
{
	long ret;

	for (;;) {
		*h->busy = 1;
		compel_syscall(h->task, &h->task->threads[0], SYS_getpid, (unsigned long[6]){ 0 },
			       &ret, &h->err);
	}
}

static void test_odd_moments(const char *name, void (*host)(struct host *h))
{
	const struct moment m = { name, host };
	struct victim v = victim_start(run_spin);
	struct timespec odd = { 0, 0 };
	double deadline = now_ms() + 20000;
	bool alive = true;
	int i;

	for (i = 0; i < KILLS && alive; i++) {
		pid_t pid;

		v.s->more[10] = 0;
		pid = start_host(&v, &m);
		while (!v.s->more[10] && alive && now_ms() < deadline)
			usleep(100);
		odd.tv_nsec = 100000 + i * 7919;
		nanosleep(&odd, NULL);
		kill(pid, SIGKILL);
		host_was_killed(pid);
		sleep_ms(1); /* it has to get out of our code on its own */
		alive = waitpid(v.pid, NULL, WNOHANG) == 0;
	}
	v.s->more[9] = 1;
	victim_until(&v, &v.s->result);
	ok(alive && v.s->result && !v.s->error && !v.s->more[0], "%d hosts killed while %s", i,
	   name);
	victim_kill(&v);
}

int main(void)
{
	size_t i;

	test_sleepers("nanosleep", run_nanosleep);
	test_sleepers("epoll_wait", run_epoll);
	for (i = 0; i < sizeof(moments) / sizeof(moments[0]); i++)
		test_spinner(&moments[i]);
	test_spinner_alive();
	test_again();
	test_odd_moments("they inject, call and cure", host_cycling);
	test_odd_moments("they make system calls", host_syscalling);
	return tap_done();
}
