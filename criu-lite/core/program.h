/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_PROGRAM_H
#define CORE_PROGRAM_H

#include <spawn.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"

/*
 * Programs of the system, for what has no interface but theirs (iptables, nft).
 */

/* The first of @names (ended by NULL) that is installed: its path, or NULL. */
const char *program_find(struct arena *a, const char *const *names);

/*
 * Run it and wait.  Its standard input is @input (borrowed, from its beginning;
 * -1: nothing); what it says is at *output_ret, in @a, if that is not NULL.
 * Anything but the status 0 is an error with the last line of its complaints.
 */
int program_run(struct arena *a, const char *const argv[], int input, char **output_ret,
		struct err *err);

/*
 * Start argv[0] (a path) with @env and with signals as a program expects them,
 * whatever we have blocked.  @files, NULL: descriptors are ours.  A negative errno if it fails.
 */
int program_spawn(const char *const argv[], char *const env[],
		  const posix_spawn_file_actions_t *files, pid_t *pid_ret);

/* A file in memory with @text in it; the caller closes it. */
int program_input(const char *text, struct err *err);

#endif
