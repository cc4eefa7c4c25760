/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads that sleep in system calls: whatever is done to them, they sleep as
 * long as they would have, and never see EINTR.
 */
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "compel_victim.h"

enum {
	LONG_MS = 617, /* how long they sleep */
	ROUNDS = 4,    /* and what happens meanwhile */
	EVERY_MS = 100,
	SLACK_MS = 200,
};

static const struct timespec rel = { 0, LONG_MS * 1000000 };

static struct timespec in_long(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += LONG_MS * 1000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static int timer_fd(void)
{
	struct itimerspec when = { .it_value = rel };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	timerfd_settime(fd, 0, &when, NULL);
	return fd;
}

static int epoll_of(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0);

	if (fd >= 0)
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	return ep;
}

/* Something happens later: another thread does it, which is a victim too. */
static void later(void *(*what)(void *), void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, what, arg);
}

static void nothing(int sig)
{
}

static void signal_later(void)
{
	struct itimerspec when = { .it_value = rel };
	timer_t timer;

	signal(SIGALRM, nothing);
	timer_create(CLOCK_MONOTONIC, NULL, &timer);
	timer_settime(timer, 0, &when, NULL);
}

static long do_nanosleep(void)
{
	return nanosleep(&rel, NULL);
}

static long do_nanosleep_until(void)
{
	struct timespec ts = in_long();

	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static long do_poll(void)
{
	return poll(NULL, 0, LONG_MS);
}

static long do_poll_fd(void)
{
	struct pollfd p = { timer_fd(), POLLIN, 0 };

	return poll(&p, 1, -1);
}

static long do_ppoll(void)
{
	sigset_t none;

	sigemptyset(&none);
	return ppoll(NULL, 0, &rel, &none);
}

static long do_select(void)
{
	struct timeval tv = { 0, LONG_MS * 1000 };

	return select(0, NULL, NULL, NULL, &tv);
}

static long do_pselect(void)
{
	return pselect(0, NULL, NULL, NULL, &rel, NULL);
}

static long do_epoll(void)
{
	struct epoll_event ev;

	return epoll_wait(epoll_of(-1), &ev, 1, LONG_MS);
}

static long do_epoll_fd(void)
{
	struct epoll_event ev;

	return epoll_wait(epoll_of(timer_fd()), &ev, 1, -1);
}

static long do_epoll_pwait(void)
{
	struct epoll_event ev;
	sigset_t all;

	sigfillset(&all);
	return epoll_pwait(epoll_of(timer_fd()), &ev, 1, -1, &all);
}

static long do_epoll_pwait2(void)
{
	struct epoll_event ev;

	return syscall(441, epoll_of(-1), &ev, 1, &rel, NULL, 8);
}

static void *post(void *arg)
{
	struct sembuf up = { 0, 1, 0 };

	sleep_ms(LONG_MS);
	semop(*(int *)arg, &up, 1);
	return NULL;
}

static long do_semop(void)
{
	struct sembuf down = { 0, -1, 0 };
	static int id;
	long ret;

	id = semget(IPC_PRIVATE, 1, 0600);
	later(post, &id);
	ret = semop(id, &down, 1);
	semctl(id, 0, IPC_RMID);
	return ret;
}

static long do_semtimedop(void)
{
	struct sembuf down = { 0, -1, 0 };
	int id = semget(IPC_PRIVATE, 1, 0600);
	long ret = semtimedop(id, &down, 1, &rel);
	int saved = errno;

	semctl(id, 0, IPC_RMID);
	errno = saved;
	return ret;
}

static void *message(void *arg)
{
	struct {
		long type;
		char text;
	} m = { 5, 'x' };

	sleep_ms(LONG_MS);
	msgsnd(*(int *)arg, &m, 1, 0);
	return NULL;
}

static long do_msgrcv(void)
{
	struct {
		long type;
		char text;
	} m;
	static int id;
	long ret;

	id = msgget(IPC_PRIVATE, 0600);
	later(message, &id);
	ret = msgrcv(id, &m, 1, 0, 0);
	msgctl(id, IPC_RMID, NULL);
	return ret;
}

static long do_sigtimedwait(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return sigtimedwait(&set, NULL, &rel);
}

static long do_sigwaitinfo(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_later();
	return sigwaitinfo(&set, NULL);
}

static long do_pause(void)
{
	signal_later();
	return pause();
}

static long do_sigsuspend(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_later();
	sigemptyset(&set);
	return sigsuspend(&set);
}

static long do_futex(void)
{
	int word = 5;

	return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 5, &rel, NULL, 0);
}

static void *wake(void *arg)
{
	sleep_ms(LONG_MS);
	*(volatile int *)arg = 6;
	syscall(SYS_futex, arg, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	return NULL;
}

static long do_futex_wake(void)
{
	static int word = 5;
	long ret;

	later(wake, &word);
	ret = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 5, NULL, NULL, 0);
	/* Woken while it was stopped: it has waited again, and seen that it need not. */
	return ret < 0 && errno == EAGAIN ? 0 : ret;
}

static int timed_socket(int type)
{
	struct timeval tv = { 0, LONG_MS * 1000 };
	int sv[2];

	socketpair(AF_UNIX, type, 0, sv);
	setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return sv[0];
}

static long do_recv(void)
{
	char c;

	return recv(timed_socket(SOCK_DGRAM), &c, 1, 0);
}

static long do_read_socket(void)
{
	char c;

	return read(timed_socket(SOCK_STREAM), &c, 1);
}

static void *put(void *arg)
{
	sleep_ms(LONG_MS);
	return write(*(int *)arg, "hello", 5) < 0 ? arg : NULL;
}

static long do_read_pipe(void)
{
	static int p[2];
	char buf[9];

	if (pipe(p) < 0)
		return -1;
	later(put, &p[1]);
	return read(p[0], buf, sizeof(buf));
}

static long do_getevents(void)
{
	struct timespec ts = rel;
	struct io_event ev;
	aio_context_t ctx = 0;

	syscall(SYS_io_setup, 1, &ctx);
	return syscall(SYS_io_getevents, ctx, 1, 1, &ev, &ts);
}

static long do_wait(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		sleep_ms(LONG_MS);
		_exit(5);
	}
	return waitpid(pid, NULL, 0) == pid;
}

static const struct sleeper {
	const char *name;
	long (*sleep)(void);
	long result;
	int error;
	bool anew; /* its timeout begins again */
} sleepers[] = {
	{ "nanosleep", do_nanosleep, 0, 0, false },
	{ "clock_nanosleep until", do_nanosleep_until, 0, 0, false },
	{ "poll", do_poll, 0, 0, false },
	{ "poll of a timer", do_poll_fd, 1, 0, false },
	{ "ppoll", do_ppoll, 0, 0, false },
	{ "select", do_select, 0, 0, false },
	{ "pselect", do_pselect, 0, 0, false },
	{ "epoll_wait", do_epoll, 0, 0, true },
	{ "epoll_wait of a timer", do_epoll_fd, 1, 0, false },
	{ "epoll_pwait of a timer", do_epoll_pwait, 1, 0, false },
	{ "epoll_pwait2", do_epoll_pwait2, 0, 0, true },
	{ "semop", do_semop, 0, 0, false },
	{ "semtimedop", do_semtimedop, -1, EAGAIN, true },
	{ "msgrcv", do_msgrcv, 1, 0, false },
	{ "sigtimedwait", do_sigtimedwait, -1, EAGAIN, true },
	{ "sigwaitinfo", do_sigwaitinfo, SIGALRM, 0, false },
	{ "pause and a handler", do_pause, -1, EINTR, false },
	{ "sigsuspend and a handler", do_sigsuspend, -1, EINTR, false },
	{ "futex", do_futex, -1, ETIMEDOUT, false },
	{ "futex and a waker", do_futex_wake, 0, 0, false },
	{ "recv with a timeout", do_recv, -1, EAGAIN, true },
	{ "read of a socket with a timeout", do_read_socket, -1, EAGAIN, true },
	{ "read of a pipe", do_read_pipe, 5, 0, false },
	{ "io_getevents", do_getevents, 0, 0, true },
	{ "waitpid", do_wait, 1, 0, false },
};

enum { NR = sizeof(sleepers) / sizeof(sleepers[0]) };

static void run_one(struct shared *s)
{
	double start = now_ms();
	sigset_t before, after;

	sigprocmask(SIG_SETMASK, NULL, &before);
	s->ready = 1;
	s->result = sleepers[s->more[0]].sleep();
	s->error = s->result < 0 ? errno : 0;
	s->ms = now_ms() - start;
	sigprocmask(SIG_SETMASK, NULL, &after);
	s->more[1] = sigismember(&after, SIGUSR1);
	s->stop = 1;
	s->more[2] = 1;
}

/* victim_start() waits for each; these have to begin together. */
static struct victim start_sleeper(long i)
{
	struct victim v;

	v.s = mmap(NULL, sizeof(*v.s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	v.s->more[0] = i;
	fflush(stdout);
	v.pid = fork();
	if (v.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_one(v.s);
		_exit(0);
	}
	return v;
}

/* What has happened to a sleeper. */
struct fate {
	struct victim v;
	bool good;	   /* all round trips were */
	double stopped_ms; /* all of them together; select() and its like do not count that */
	double last_ms;	   /* when the last one ended */
};

static void disturb(struct fate *f, double start)
{
	double before = now_ms();

	if (f->v.s->stop)
		return;
	f->good &= round_trip(f->v.pid) || f->v.s->stop;
	f->last_ms = now_ms() - start;
	f->stopped_ms += now_ms() - before;
}

static void check_sleeper(struct fate *f, const struct sleeper *sl)
{
	double most = LONG_MS + SLACK_MS + f->stopped_ms + (sl->anew ? f->last_ms : 0);
	struct shared *s = f->v.s;

	victim_until(&f->v, &s->more[2]);
	ok(f->good && s->stop && s->result == sl->result && s->error == sl->error && !s->more[1] &&
		   s->ms >= LONG_MS - 2 && s->ms <= most,
	   "%s: %ld, %s, after %.0f of %d ms", sl->name, s->result,
	   s->error ? strerrorname_np(s->error) : "no error", s->ms, LONG_MS);
	victim_kill(&f->v);
}

static void test_sleepers(void)
{
	struct fate fates[NR] = { 0 };
	double start = now_ms();
	long i, round;

	for (i = 0; i < NR; i++)
		fates[i] = (struct fate){ .v = start_sleeper(i), .good = true };
	for (round = 1; round <= ROUNDS; round++) {
		while (now_ms() < start + (double)(round * EVERY_MS))
			sleep_ms(1);
		for (i = 0; i < NR; i++)
			disturb(&fates[i], start);
	}
	for (i = 0; i < NR; i++)
		check_sleeper(&fates[i], &sleepers[i]);
}

int main(void)
{
	test_sleepers();
	return tap_done();
}
