/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * the root task's first thread has exited, and that of a child which is stopped; the threads have
 * timers, signals that wait and locks as others do
 *
 * dump: --file-locks
 * restore: --file-locks
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

static pid_t child;
static timer_t timer;
static volatile int *shared;
static volatile sig_atomic_t ticks;
static int lock, argc_kept;
static char **argv_kept;

static char state_of(pid_t pid, pid_t tid)
{
	char path[64], text[512] = "";
	int stat;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	stat = open(path, O_RDONLY);
	if (read(stat, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(stat);
	return strrchr(text, ')') ? strrchr(text, ')')[2] : '?';
}

static void tick(int sig)
{
	ticks++;
}

static void *count(void *arg)
{
	for (;;) {
		shared[1] = (int)syscall(SYS_gettid);
		shared[0]++;
		victim_sleep(1);
	}
	return NULL;
}

static void be_a_child(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, count, NULL))
		_exit(1);
	syscall(SYS_exit, 3);
}

static bool make(void)
{
	struct itimerspec spec = { { 0, 7000000 }, { 0, 5000000 } };
	sigset_t set;
	int status;

	while (state_of(getpid(), getpid()) != 'Z')
		victim_sleep(1);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	child = fork();
	if (child == 0)
		be_a_child();
	while (shared[0] < 3 || state_of(child, child) != 'Z')
		victim_sleep(1);
	kill(child, SIGSTOP);
	if (!expect(waitpid(child, &status, WUNTRACED) == child) || !expect(WIFSTOPPED(status)))
		return false;

	signal(SIGRTMIN + 1, tick);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	lock = open("lock", O_RDWR | O_CREAT, 0600);
	return expect(timer_create(CLOCK_MONOTONIC,
				   &(struct sigevent){ .sigev_notify = SIGEV_SIGNAL,
						       .sigev_signo = SIGRTMIN + 1 },
				   &timer) == 0) &&
	       expect(timer_settime(timer, 0, &spec, NULL) == 0) &&
	       expect(lockf(lock, F_LOCK, 5) == 0) &&
	       expect(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1) == 0) &&
	       expect(kill(getpid(), SIGUSR1) == 0);
}

static bool same(void)
{
	int before = shared[0], status;
	sig_atomic_t ticks_before = ticks;
	sigset_t set;

	victim_sleep(50);
	if (!expect(state_of(getpid(), getpid()) == 'Z') || !expect(ticks > ticks_before) ||
	    !expect(shared[0] == before) || !expect(state_of(child, shared[1]) == 'T') ||
	    !expect(state_of(child, child) == 'Z') || !expect(getpid() != syscall(SYS_gettid)))
		return false;
	sigpending(&set);
	if (!expect(sigismember(&set, SIGUSR1)) || !expect(kill(child, SIGCONT) == 0))
		return false;
	while (shared[0] < before + 3)
		victim_sleep(1);
	return expect(lockf(lock, F_ULOCK, 5) == 0) && expect(kill(child, SIGKILL) == 0) &&
	       expect(waitpid(child, &status, 0) == child) && expect(WTERMSIG(status) == SIGKILL);
}

static void *run(void *arg)
{
	_exit(victim_main(argc_kept, argv_kept, make, same));
}

int main(int argc, char **argv)
{
	pthread_t thread;

	argc_kept = argc;
	argv_kept = argv;
	if (pthread_create(&thread, NULL, run, NULL))
		return 1;
	syscall(SYS_exit, 0);
	return 1;
}
