/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late DIR: three tasks that get signals while a dump is nearly done: the root SIGUSR1 and
 * SIGRTMIN + 5, twice, with values; "waiting", which sleeps in epoll_wait(), SIGUSR2; and
 * "stopped", which is stopped, SIGCONT.  Each must have found its own, once.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "victim.h"

static volatile sig_atomic_t nr_usr1, nr_usr2, nr_rt, values[5];
static int said[2];
static pid_t waiting, stopped;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	if (sig == SIGUSR1)
		nr_usr1++;
	else if (sig == SIGUSR2)
		nr_usr2++;
	else if (nr_rt < 5)
		values[nr_rt++] = info->si_value.sival_int;
}

static void wait_main(void)
{
	struct epoll_event ev;
	int epoll = epoll_create1(0);

	victim_say("waiting", "%d", getpid());
	if (epoll_wait(epoll, &ev, 1, -1) < 0 && errno == EINTR && nr_usr2 == 1 &&
	    write(said[1], "e", 1) == 1)
		for (;;)
			pause();
	_exit(1);
}

static void stop_main(void)
{
	raise(SIGSTOP);
	if (write(said[1], "c", 1) == 1)
		for (;;)
			pause();
	_exit(1);
}

static bool make(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	int status;

	if (pipe(said) < 0 || sigaction(SIGUSR1, &sa, NULL) < 0 ||
	    sigaction(SIGUSR2, &sa, NULL) < 0 || sigaction(SIGRTMIN + 5, &sa, NULL) < 0)
		return false;
	waiting = fork();
	if (waiting == 0)
		wait_main();
	while (access(victim_path("waiting"), F_OK) < 0)
		victim_sleep(1);
	stopped = fork();
	if (stopped == 0)
		stop_main();
	if (waitpid(stopped, &status, WUNTRACED) != stopped || !WIFSTOPPED(status))
		return false;
	victim_say("stopped", "%d", stopped);
	return true;
}

static bool said_it(void)
{
	struct pollfd p = { .fd = said[0], .events = POLLIN };
	char both[2] = { 0 };

	for (int i = 0; i < 2; i++)
		if (poll(&p, 1, 5000) != 1 || read(said[0], &both[i], 1) != 1)
			return false;
	return (both[0] == 'e' && both[1] == 'c') || (both[0] == 'c' && both[1] == 'e');
}

static bool same(void)
{
	int status;

	return expect(nr_usr1 == 1) && expect(nr_rt == 2 && values[0] == 55 && values[1] == 56) &&
	       expect(said_it()) &&
	       expect(waitpid(stopped, &status, WCONTINUED | WNOHANG) == stopped) &&
	       expect(WIFCONTINUED(status)) && expect(waitpid(-1, &status, WNOHANG) == 0);
}

VICTIM(make, same)
