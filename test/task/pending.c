/* SPDX-License-Identifier: GPL-2.0-only */
/* signals that wait, for the process and for a thread, with what came along */
#include <pthread.h>
#include <sys/syscall.h>

#include "victim.h"

static pthread_t thread;
static volatile bool made, look;
static volatile int good = -1;

static void send_thread(int sig, int value)
{
	siginfo_t info = { .si_signo = sig, .si_code = SI_QUEUE };

	info.si_pid = getpid();
	info.si_uid = 77;
	info.si_value.sival_int = value;
	syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), sig, &info);
}

/* The next of @sig has this value. */
static bool got(int sig, int value)
{
	struct timespec none = { 0 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	return expect(sigtimedwait(&set, &info, &none) == sig) &&
	       expect(info.si_value.sival_int == value) && expect(info.si_code == SI_QUEUE) &&
	       expect(info.si_pid == getpid());
}

static bool none_left(void)
{
	struct timespec none = { 0 };
	sigset_t all;

	sigfillset(&all);
	return expect(sigtimedwait(&all, NULL, &none) < 0);
}

static void *run(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	send_thread(SIGRTMIN + 7, 1001);
	send_thread(SIGRTMIN + 7, 1002);
	send_thread(SIGUSR2, 1003);
	send_thread(SIGTRAP, 1004);
	made = true;
	while (!look)
		victim_sleep(1);
	good = got(SIGRTMIN + 7, 1001) && got(SIGRTMIN + 7, 1002) && got(SIGUSR2, 1003) &&
	       got(SIGTRAP, 1004);
	return NULL;
}

static bool make(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (int i = 0; i < 40; i++)
		if (sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 500 + i }))
			return false;
	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 7 });
	kill(getpid(), SIGTERM);
	sigqueue(getpid(), SIGTRAP, (union sigval){ .sival_int = 9 });
	send_thread(SIGRTMIN + 9, 31);
	if (pthread_create(&thread, NULL, run, NULL))
		return false;
	while (!made)
		victim_sleep(1);
	return true;
}

static bool same(void)
{
	struct timespec none = { 0 };
	siginfo_t info;
	sigset_t term;

	look = true;
	pthread_join(thread, NULL);
	if (!expect(good == 1))
		return false;
	for (int i = 0; i < 40; i++)
		if (!got(SIGRTMIN + 3, 500 + i))
			return false;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	return got(SIGTRAP, 9) && got(SIGUSR1, 7) &&
	       expect(sigtimedwait(&term, &info, &none) == SIGTERM) &&
	       expect(info.si_code == SI_USER) && expect(info.si_pid == getpid()) &&
	       got(SIGRTMIN + 9, 31) && none_left();
}

VICTIM(make, same)
