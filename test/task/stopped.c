/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stopped children stay stopped, by the same signal, and go on where they were; their parent is
 * told again only of what it has not asked for; what they were sent meanwhile still waits
 */
#include <pthread.h>
#include <sys/wait.h>

#include "victim.h"

static struct child {
	int signal;
	bool unseen;  /* the parent has not asked */
	bool threads; /* it has some */
	int pending;  /* sent while it was stopped */
	pid_t pid;
} children[] = {
	{ .signal = SIGSTOP },
	{ .signal = SIGTSTP },
	{ .signal = SIGTTIN, .threads = true },
	{ .signal = SIGSTOP, .pending = SIGTERM },
	{ .signal = SIGTTOU, .unseen = true },
};

enum { NR = sizeof(children) / sizeof(children[0]) };

static int fds[2];
static volatile int told;

static void child_changed(int sig)
{
	told++;
}

static bool state_is(pid_t pid, char wanted)
{
	char path[64], text[512];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[n] = '\0';
	if (f)
		fclose(f);
	return n && strrchr(text, ')')[2] == wanted;
}

static void *idle(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static void be_child(const struct child *c)
{
	pthread_t t;

	setpgid(0, 0); /* the group of our parent is orphaned: terminal stops do not work there */
	if (c->threads &&
	    (pthread_create(&t, NULL, idle, NULL) || pthread_create(&t, NULL, idle, NULL)))
		_exit(1);
	kill(getpid(), c->signal);
	if (write(fds[1], "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static bool make_child(struct child *c)
{
	int status;

	c->pid = fork();
	if (c->pid == 0)
		be_child(c);
	if (!c->unseen && (!expect(waitpid(c->pid, &status, WUNTRACED) == c->pid) ||
			   !expect(WIFSTOPPED(status)) || !expect(WSTOPSIG(status) == c->signal)))
		return false;
	while (!state_is(c->pid, 'T'))
		victim_sleep(1);
	return !c->pending || expect(kill(c->pid, c->pending) == 0);
}

static bool make(void)
{
	if (pipe(fds))
		return false;
	for (int i = 0; i < NR; i++)
		if (!make_child(&children[i]))
			return false;
	signal(SIGCHLD, child_changed);
	return true;
}

static bool is_stopped(const struct child *c)
{
	int status;

	if (!expect(state_is(c->pid, 'T')))
		return false;
	if (!c->unseen)
		return expect(waitpid(c->pid, NULL, WNOHANG | WUNTRACED) == 0);
	return expect(waitpid(c->pid, &status, WNOHANG | WUNTRACED) == c->pid) &&
	       expect(WIFSTOPPED(status)) && expect(WSTOPSIG(status) == c->signal);
}

static bool goes_on(const struct child *c)
{
	char said = 0;
	int status;

	if (!expect(kill(c->pid, SIGCONT) == 0))
		return false;
	if (c->pending)
		return expect(waitpid(c->pid, &status, 0) == c->pid) &&
		       expect(WTERMSIG(status) == c->pending);
	return expect(read(fds[0], &said, 1) == 1) && expect(said == 'x') &&
	       expect(kill(c->pid, SIGKILL) == 0) &&
	       expect(waitpid(c->pid, &status, 0) == c->pid) && expect(WTERMSIG(status) == SIGKILL);
}

static bool same(void)
{
	victim_sleep(20);
	if (!expect(told == 0))
		return false;
	for (int i = 0; i < NR; i++)
		if (!is_stopped(&children[i]) || !goes_on(&children[i]))
			return expect(i < 0);
	return true;
}

VICTIM(make, same)
