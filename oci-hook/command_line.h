/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OCI_HOOK_COMMAND_LINE_H
#define OCI_HOOK_COMMAND_LINE_H

#include "base/err.h"

/* What of a runtime's command line concerns us.  All is borrowed from argv. */
struct command_line {
	const char *runtime; /* --runtime, NULL: not given */
	const char *log, *log_format, *root;
	const char *verb; /* "checkpoint", NULL: there is none */
	char **rest;	  /* what follows it */
};

/*
 * Find the verb behind the global options, and take --runtime out of @argv,
 * which else stays as it is: it is what the runtime gets.  Options that nobody
 * knows here are left to the runtime, too, as options without a value.
 */
int command_line_read(char **argv, struct command_line *c, struct err *err);

#endif
