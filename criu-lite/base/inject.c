/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inject - makes things go wrong at named places, in test builds
 */
#include "base/inject.h"

#ifdef CRIU_LITE_INJECT

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *action;
	int code;
} codes[] = {
	{ "fail:", ECANCELED },
	{ "ENOSPC:", ENOSPC },
	{ "EIO:", EIO },
	{ "ENOMEM:", ENOMEM },
};

static pid_t main_pid;

static bool begins_with(const char *s, const char *begin)
{
	return strncmp(s, begin, strlen(begin)) == 0;
}

/* The first who asks is criu-lite itself: newborn tasks come later. */
static const char *wish_of_user(void)
{
	if (!main_pid)
		main_pid = getpid();
	return getenv("CRIU_LITE_INJECT");
}

static int code_of(const char *wish)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (begins_with(wish, codes[i].action))
			return codes[i].code;
	return 0;
}

static void count(const char *file, const char *name)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	char line[160];
	int n = snprintf(line, sizeof(line), "%s %s\n", getpid() == main_pid ? "main" : "task",
			 name);

	/* in one piece: others write too */
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		abort();
	close(fd);
}

/* What is to happen at @name, or NULL. */
static const char *wished_here(const char *name)
{
	const char *wish = wish_of_user();
	const char *colon = wish ? strchr(wish, ':') : NULL;

	return colon && strcmp(colon + 1, name) == 0 ? wish : NULL;
}

static void hang(void) __attribute__((noreturn));
static void hang(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (;;)
		pause();
}

/* and we with it */
static void end_main(void)
{
	kill(main_pid, SIGKILL);
	hang();
}

int inject_point(struct err *err, const char *fmt, ...)
{
	const char *wish;
	char name[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);

	if (inject_counts())
		count(strchr(wish_of_user(), ':') + 1, name);
	wish = wished_here(name);
	if (!wish)
		return 0;
	if (begins_with(wish, "kill:"))
		kill(getpid(), SIGKILL);
	if (begins_with(wish, "main:"))
		end_main();
	if (begins_with(wish, "behead:"))
		kill(main_pid, SIGKILL);
	if (begins_with(wish, "stop:"))
		kill(getpid(), SIGSTOP);
	if (begins_with(wish, "hang:"))
		hang();
	if (!code_of(wish))
		return 0;

	err_set(err, code_of(wish), "cannot pass \"%s\"", name);
	return err_hint(err, "unset CRIU_LITE_INJECT");
}

bool inject_wished(struct inject_wish *wish_ret, const char *fmt, ...)
{
	const char *wish;
	char name[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);

	*wish_ret = (struct inject_wish){ 0 };
	wish = wished_here(name);
	if (!wish)
		return false;
	wish_ret->code = code_of(wish);
	wish_ret->hang = begins_with(wish, "hang:");
	if (begins_with(wish, "kill:"))
		wish_ret->kill = -1;
	if (begins_with(wish, "main:"))
		wish_ret->kill = main_pid;
	return true;
}

bool inject_counts(void)
{
	const char *wish = wish_of_user();

	return wish && begins_with(wish, "count:");
}

#else

int inject_point(struct err *err, const char *fmt, ...)
{
	return 0;
}

bool inject_wished(struct inject_wish *wish_ret, const char *fmt, ...)
{
	return false;
}

bool inject_counts(void)
{
	return false;
}

#endif
