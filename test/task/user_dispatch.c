/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * system call user dispatch: calls of this program, but not of libc, come to a handler of its own,
 * in the thread that has asked for it, as long as its selector says so
 */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "victim.h"

enum { SET_DISPATCH = 59, ON = 1, ALLOW = 0, BLOCK = 1, ANSWER = 4711 };

static volatile char selector = BLOCK;
static volatile int caught;
static pthread_t thread;
static volatile bool made, look;

/* From here, not from libc. */
static __attribute__((noinline)) long ask_pid(void)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(SYS_getpid) : "rcx", "r11", "memory");
	return ret;
}

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	caught += info->si_code == 2; /* SYS_USER_DISPATCH */
	c->uc_mcontext.gregs[REG_RAX] = ANSWER;
}

static bool find_libc(unsigned long *start, unsigned long *end)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], may_execute;
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "libc.so") &&
			sscanf(line, "%lx-%lx %*2c%c", start, end, &may_execute) == 3 &&
			may_execute == 'x';
	if (f)
		fclose(f);
	return found;
}

static bool works(void)
{
	int before = caught;

	selector = BLOCK;
	if (!expect(ask_pid() == ANSWER) || !expect(ask_pid() == ANSWER) ||
	    !expect(caught == before + 2))
		return false;
	selector = ALLOW;
	if (!expect(ask_pid() == getpid()) || !expect(caught == before + 2))
		return false;
	selector = BLOCK;
	return true;
}

static void *run(void *arg)
{
	unsigned long start, end;
	bool good = find_libc(&start, &end) &&
		    expect(prctl(SET_DISPATCH, ON, start, end - start, &selector) == 0) && works();

	made = true;
	while (!look)
		victim_sleep(1);
	return good && works() ? arg : NULL;
}

static bool make(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };

	if (prctl(SET_DISPATCH, 0, 0, 0, 0) < 0)
		skip("this kernel has no system call user dispatch");
	if (sigaction(SIGSYS, &sa, NULL) < 0 || pthread_create(&thread, NULL, run, (void *)&made))
		return false;
	while (!made)
		victim_sleep(1);
	return true;
}

/* The other thread is as it was. */
static bool same(void)
{
	void *good = NULL;

	look = true;
	return expect(pthread_join(thread, &good) == 0) && expect(good == &made) &&
	       expect(ask_pid() == getpid());
}

VICTIM(make, same)
