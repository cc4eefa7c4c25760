/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * again DIR: the same pid, the same addresses, other memory; for test/mem/precopy.bats
 *
 *	SIGUSR1	it executes itself
 *	SIGUSR2	its child ends, and another one is born with the pid of that
 *
 * After each of both there is a file "generation.N", N from 1.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

enum { PAGE = 4096, PAGES = 61 };

static unsigned char *const area = (unsigned char *)0x7000000000;
static char **args;
static pid_t child;
static int generation;

static unsigned char wanted(int who, int i)
{
	return (unsigned char)(100 * who + 7 * generation + i);
}

static void fill(int who)
{
	for (int i = 0; i < PAGES; i++)
		area[i * PAGE + 5] = wanted(who, i);
}

static bool is_right(int who)
{
	for (int i = 0; i < PAGES; i++)
		if (!expect(area[i * PAGE + 5] == wanted(who, i))) {
			fprintf(stderr, "who %d page %d: %d\n", who, i, area[i * PAGE + 5]);
			return false;
		}
	return true;
}

static void tell(void)
{
	char name[32];

	snprintf(name, sizeof(name), "generation.%d", generation);
	victim_say(name, "%d", getpid());
}

static void have_child(void)
{
	child = fork();
	if (child != 0)
		return;
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	fill(2);
	victim_say("child", "%d", generation);
	while (access(victim_path("look"), F_OK) < 0)
		victim_sleep(5);
	_exit(!is_right(2));
}

static void end_child(void)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void want_pid(pid_t pid)
{
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);

	dprintf(fd, "%d", pid - 1);
	close(fd);
}

static void on_signal(int sig)
{
	pid_t old = child;
	char text[16];

	end_child();
	generation++;
	if (sig == SIGUSR1) {
		snprintf(text, sizeof(text), "%d", generation);
		setenv("GENERATION", text, 1);
		execv("/proc/self/exe", args);
		_exit(1);
	}
	for (int i = 0; i < 100 && (i == 0 || child != old); i++) {
		if (i)
			end_child();
		want_pid(old);
		have_child();
	}
	if (child != old)
		_exit(2);
	fill(1);
	tell();
}

static bool make(void)
{
	sigset_t none;

	generation = getenv("GENERATION") ? atoi(getenv("GENERATION")) : 0;
	if (mmap(area, PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != area)
		return false;
	fill(1);
	have_child();
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (generation)
		tell();
	return child > 0;
}

static bool same(void)
{
	int status;

	return expect(waitpid(child, &status, 0) == child) && expect(status == 0) && is_right(1);
}

int main(int argc, char **argv)
{
	args = argv;
	return victim_main(argc, argv, make, same);
}
