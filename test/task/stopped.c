/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stopped children stay stopped, by the same signal, and go on where they were; their parent is
 * told again only of what it has not asked for; what they were sent meanwhile still waits
 */
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

static struct child {
	int signal;
	bool unseen;	/* the parent has not asked */
	bool threads;	/* it has some */
	int pending;	/* sent while it was stopped, */
	bool to_thread; /* to its thread alone, */
	int stop_too;	/* and another stop signal */
	pid_t pid;
} children[] = {
	{ .signal = SIGSTOP },
	{ .signal = SIGTSTP },
	{ .signal = SIGTTIN, .threads = true },
	{ .signal = SIGSTOP, .pending = SIGTERM },
	{ .signal = SIGSTOP, .pending = SIGUSR2, .to_thread = true },
	{ .signal = SIGTSTP, .pending = SIGALRM, .stop_too = SIGTTIN },
	{ .signal = SIGSTOP, .stop_too = SIGTSTP },
	{ .signal = SIGSTOP, .stop_too = SIGSTOP },
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
	if (c->stop_too && !expect(kill(c->pid, c->stop_too) == 0))
		return false;
	if (c->to_thread)
		return expect(syscall(SYS_tgkill, c->pid, c->pid, c->pending) == 0);
	return !c->pending || expect(kill(c->pid, c->pending) == 0);
}

/* What waits for @pid as a whole ("ShdPnd") or for its thread ("SigPnd"). */
static uint64_t pending_of(pid_t pid, const char *key)
{
	char path[64], line[256];
	uint64_t set = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			set = strtoull(line + strlen(key) + 1, NULL, 16);
	if (f)
		fclose(f);
	return set;
}

static uint64_t bit(int sig)
{
	return sig ? 1ull << (sig - 1) : 0;
}

/* SIGSTOP does nothing to a stopped task, and whoever traces one may make it vanish. */
static bool waits_for_it(const struct child *c)
{
	uint64_t one = bit(c->pending), other = bit(c->stop_too),
		 shared = pending_of(c->pid, "ShdPnd") & ~bit(SIGSTOP);

	return expect(shared == ((c->to_thread ? 0 : one) | (other & ~bit(SIGSTOP)))) &&
	       expect(pending_of(c->pid, "SigPnd") == (c->to_thread ? one : 0));
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

	if (!expect(state_is(c->pid, 'T')) || !waits_for_it(c))
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
