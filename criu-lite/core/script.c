/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * script - action scripts between stages
 *
 * A script is a command for sh, as in CRIU.  It gets no descriptors of ours: the
 * images are named through /proc, where it can open them as long as we wait.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/vec.h"
#include "core/program.h"
#include "core/script.h"

/* Our environment and, behind it, what the script is told. */
static char **script_environ(struct arena *a, const char *action, int images_dirfd, pid_t root_pid)
{
	vec(char *) env = { 0 };

	for (char **e = environ; e && *e; e++)
		if (strncmp(*e, "CRTOOLS_", 8) != 0)
			*vec_add(a, &env) = *e;

	*vec_add(a, &env) = arena_printf(a, "CRTOOLS_SCRIPT_ACTION=%s", action);
	*vec_add(a, &env) =
		arena_printf(a, "CRTOOLS_IMAGE_DIR=/proc/%d/fd/%d", getpid(), images_dirfd);
	if (root_pid)
		*vec_add(a, &env) = arena_printf(a, "CRTOOLS_INIT_PID=%d", root_pid);
	*vec_add(a, &env) = NULL;
	return env.items;
}

static int run_one(const char *script, const char *action, char **env, struct err *err)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	int status, ret;
	pid_t pid;

	log_info("Running %s script \"%s\"", action, script);
	ret = program_spawn(argv, env, NULL, &pid);
	if (ret < 0)
		return err_set(err, -ret, "cannot start action script \"%s\"", script);

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, "cannot wait for action script \"%s\"", script);
	if (status == 0)
		return 0;

	err_set(err, ECANCELED, "cannot pass action %s: script \"%s\" failed", action, script);
	if (WIFEXITED(status)) {
		err_why(err, "its exit status is %d", WEXITSTATUS(status));
		if (strcmp(action, "post-dump") == 0)
			err->exit_status = WEXITSTATUS(status);
	} else {
		err_why(err, "signal %d ended it", WTERMSIG(status));
	}
	return err_hint(err, "see what the script says, or leave out --action-script");
}

static int tell(const struct common_opts *opts, const char *action, pid_t root_pid, int fd,
		struct err *err)
{
	const struct script_listener *l = opts->listener;

	return l ? l->tell(l->self, action, root_pid, fd, err) : 0;
}

int script_tell(const struct common_opts *opts, const char *action, int fd, struct err *err)
{
	return tell(opts, action, 0, fd, err);
}

int script_run(const struct common_opts *opts, const char *action, int images_dirfd, pid_t root_pid,
	       struct err *err)
{
	struct arena a;
	char **env;
	int ret = tell(opts, action, root_pid, -1, err);

	if (ret < 0 || opts->action_scripts.n == 0)
		return ret;

	arena_init(&a);
	env = script_environ(&a, action, images_dirfd, root_pid);
	for (size_t i = opts->action_scripts.n; i > 0 && ret == 0; i--)
		ret = run_one(opts->action_scripts.items[i - 1], action, env, err);
	arena_fini(&a);
	return ret;
}
