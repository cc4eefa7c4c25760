/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inject - makes things go wrong at named places, in test builds
 */
#include "core/inject.h"

#ifdef CRIU_LITE_INJECT

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Is @name what comes behind "ACTION:" in @wish? */
static const char *wished_action(const char *wish, const char *name)
{
	const char *colon = wish ? strchr(wish, ':') : NULL;

	return colon && strcmp(colon + 1, name) == 0 ? wish : NULL;
}

int inject_point(struct err *err, const char *fmt, ...)
{
	const char *action;
	char name[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);

	action = wished_action(getenv("CRIU_LITE_INJECT"), name);
	if (!action)
		return 0;
	if (strncmp(action, "kill:", 5) == 0)
		kill(getpid(), SIGKILL);
	if (strncmp(action, "stop:", 5) == 0)
		kill(getpid(), SIGSTOP);
	if (strncmp(action, "fail:", 5) != 0)
		return 0;

	err_set(err, ECANCELED, "cannot pass \"%s\"", name);
	return err_hint(err, "unset CRIU_LITE_INJECT");
}

#else

int inject_point(struct err *err, const char *fmt, ...)
{
	return 0;
}

#endif
