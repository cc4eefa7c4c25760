/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * main - finds the command, runs it, prints the one error
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "console.h"
#include "lazy_pages.h"
#include "move.h"
#include "options.h"
#include "page_server.h"
#include "rpc.h"
#include "run.h"
#include "service.h"
#include "show.h"

/* ---- the place of a run ---- */

/*
 * Whoever started us may have left us odd things.  Missing ones of 0, 1, 2 would
 * be taken by files of ours, and then written to by messages.  With SIGCHLD
 * ignored, children could not be waited for.
 */
static void normalize(void)
{
	int fd;

	signal(SIGCHLD, SIG_DFL);
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* ---- commands ---- */

/* Besides failure. */
struct outcome {
	struct refusals refused;
	int status; /* exit status of success */
};

/* Children are the restored tasks: the root, and what it leaves to us. */
static void wait_for_children(void)
{
	while (wait(NULL) >= 0 || errno == EINTR)
		;
}

static int restore(struct options *o, struct err *err)
{
	const struct restore_opts *r = &o->restore;
	struct console console;
	pid_t root;

	if (r->console && console_connect(&console, r->console, err) < 0)
		return -err->code;
	if (r->console) {
		o->common.orphan_pts_master = true;
		o->common.listener = &console.listener;
	}
	if (run_restore(o, &root, err) < 0)
		return -err->code;
	if (r->dry_run)
		return 0;
	if (r->exec_cmd) {
		signal(SIGPIPE, SIG_DFL);
		execvp(r->exec_cmd[0], r->exec_cmd);
		err_sys(err, "cannot execute %s", r->exec_cmd[0]);
		return err_hint(err, "the tasks are restored; see whether that command exists");
	}
	if (!r->detach)
		wait_for_children();
	return 0;
}

static int run_check_tree(struct options *o, struct outcome *out, struct err *err)
{
	bool works;

	o->dump.common = o->common;
	o->dump.common.leave_stopped = false;
	o->dump.leave_running = true;
	if (check_tree(&o->dump, o->check.json, &out->refused, &works, err) < 0)
		return -err->code;
	out->status = works ? 0 : 1;
	return 0;
}

static int run_check(struct options *o, struct outcome *out, struct err *err)
{
	if (o->common.log_file && run_enter(o, err) < 0)
		return -err->code;
	if (run_open_log(o, err) < 0)
		return -err->code;
	if (o->dump.pid && !o->check.feature)
		return run_check_tree(o, out, err);
	return check_run(&o->check, err);
}

static int run_other(struct options *o, struct err *err)
{
	bool removed = strcmp(o->command_name, "exec") == 0 || strcmp(o->command_name, "show") == 0;

	err_set(err, EOPNOTSUPP, "cannot run command %s", o->command_name);
	err_why(err, removed ? "it was removed from CRIU" : "it is not available yet");
	err->exit_status = removed ? 255 : 1;
	return err_hint(err, "the commands are dump, restore, check and show");
}

static int run(struct options *o, struct outcome *out, struct err *err)
{
	if (geteuid() != 0 && !o->unprivileged) {
		printf("Running as non-root requires '--unprivileged'\n");
		err_set(err, EPERM, "cannot %s without being root", o->command_name);
		return err_hint(err, "start it as root; --unprivileged needs "
				     "CAP_CHECKPOINT_RESTORE");
	}

	switch (o->command) {
	case COMMAND_CHECK:
		return run_check(o, out, err);
	case COMMAND_SWRK:
		out->status = rpc_serve(o->swrk_fd, o);
		return 0;
	case COMMAND_SERVICE:
		return service_run(o, err);
	case COMMAND_PAGE_SERVER:
		if (run_enter(o, err) < 0 || run_open_log(o, err) < 0)
			return -err->code;
		return page_server_run(o, err);
	case COMMAND_LAZY_PAGES:
		if (run_enter(o, err) < 0 || run_open_log(o, err) < 0)
			return -err->code;
		return lazy_pages_run(o, err);
	case COMMAND_PRE_DUMP:
	case COMMAND_DUMP:
	case COMMAND_DEDUP:
	case COMMAND_RESTORE:
		if (run_enter(o, err) < 0 || run_open_log(o, err) < 0)
			return -err->code;
		if (o->command == COMMAND_DEDUP)
			return run_dedup(o, err);
		if (o->command == COMMAND_PRE_DUMP)
			return run_predump(o, &out->refused, err);
		return o->command == COMMAND_DUMP ? run_dump(o, &out->refused, err)
						  : restore(o, err);
	default:
		return run_other(o, err);
	}
}

/* The error goes to stderr for the user, and into the log for whoever reads that later. */
static void say(const struct options *o, const char *who, const struct err *err)
{
	run_log_error(&o->common, err);
	err_print(err, who);
}

static int fail(const struct options *o, const struct refusals *refused, const struct err *err)
{
	const struct refusal *r;
	char who[64];

	snprintf(who, sizeof(who), "criu-lite%s%s", o->command ? ": " : "",
		 o->command ? o->command_name : "");
	if (refused->list.n < 2) {
		say(o, who, err);
	} else {
		vec_for_each(r, &refused->list)
			say(o, who, &r->err);
		fprintf(stderr, "%s: %zu obstacles\n", who, refused->list.n);
	}
	return err->exit_status ? err->exit_status : 1;
}

/*
 * Commands that CRIU has not, with options of their own: they must be the first
 * word.  For those who call us criu they do not exist.  Our show is not the one
 * that CRIU had once.
 */
static bool is_ours(int argc, char **argv, const char *command)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;

	return argc > 1 && strcmp(argv[1], command) == 0 &&
	       strcmp(slash ? slash + 1 : argv[0], "criu") != 0;
}

static int run_show(struct arena *a, int argc, char **argv, struct err *err)
{
	return show_run(argc, argv, err);
}

static const struct {
	const char *name, *who;
	int (*run)(struct arena *a, int argc, char **argv, struct err *err);
} commands[] = {
	{ "show", "criu-lite: show", run_show },
	{ "migrate", "criu-lite: migrate", migrate_run },
	{ "agent", "criu-lite: agent", agent_run },
};

static int command(struct arena *a, int argc, char **argv)
{
	struct outcome out = { .refused.arena = a };
	struct options o;
	struct err err = { 0 };

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (is_ours(argc, argv, commands[i].name)) {
			if (commands[i].run(a, argc - 1, argv + 1, &err) == 0)
				return 0;
			err_print(&err, commands[i].who);
			return err.exit_status ? err.exit_status : 1;
		}
	if (argc < 2)
		options_usage();
	if (options_read(&o, a, argc, argv, &err) < 0)
		return fail(&o, &out.refused, &err);
	if (o.version) {
		printf("Version: %s\ncriu-lite %s\n", CRIU_VERSION, CRIU_LITE_VERSION);
		return 0;
	}
	if (o.help) {
		options_usage();
		return 0;
	}
	return run(&o, &out, &err) < 0 ? fail(&o, &out.refused, &err) : out.status;
}

int main(int argc, char **argv)
{
	struct arena arena;
	int status;

	normalize();
	arena_init(&arena);
	status = command(&arena, argc, argv);
	arena_fini(&arena);
	return status;
}
