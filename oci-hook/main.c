/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * runc-ckpt - an OCI runtime in front of another one
 *
 * Every verb is the business of the runtime behind us, which takes our place:
 * by exec, so that arguments, descriptors, signals and the exit status are its
 * own.  Only "checkpoint" and "restore" are ours, with any runtime.  With
 * RUNC_CKPT_NATIVE=runc they are runc's, too; it finds criu-lite as criu.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "oci-hook/call.h"
#include "oci-hook/command_line.h"
#include "oci-hook/kept.h"
#include "oci-hook/report.h"
#include "oci-hook/runtime.h"

static bool is_ours(const char *verb)
{
	return verb && (strcmp(verb, "checkpoint") == 0 || strcmp(verb, "restore") == 0);
}

static bool is_native(void)
{
	const char *native = getenv("RUNC_CKPT_NATIVE");

	return native && strcmp(native, "runc") == 0;
}

/* Returns only if it fails. */
static int pass_on(const char *runtime, char **argv, struct err *err)
{
	argv[0] = (char *)runtime;
	execv(runtime, argv);
	err_sys(err, "cannot execute the runtime %s", runtime);
	return err_hint(err, "see what --runtime and RUNC_CKPT_RUNTIME say");
}

static void note_globals(struct command_line *l, struct call *c, char **argv)
{
	c->root = l->root;
	for (char **word = argv + 1; *word != l->verb; word++)
		*vec_add(c->arena, &c->globals) = *word;
}

static int find_criu(struct call *c, struct err *err)
{
	char criu[PATH_MAX];

	if (runtime_find_criu(criu, err) < 0)
		return -err->code;
	c->criu = arena_strdup(c->arena, criu);
	return 0;
}

static int serve(struct command_line *l, struct call *c, struct err *err)
{
	if (call_read(c, l->verb, l->rest, err) < 0)
		return -err->code;
	/* also before --help: its exit status tells engines whether it works */
	if (find_criu(c, err) < 0)
		return -err->code;
	if (c->o.help) {
		call_usage(l->verb);
		return 0;
	}
	return strcmp(l->verb, "restore") == 0 ? restore(c, err) : checkpoint(c, err);
}

/* Verbs that are more for some containers; nothing of that keeps the runtime from its work. */
static int serve_kept(struct command_line *l, struct call *c, bool *done_ret, struct err *err)
{
	static const struct {
		const char *verb;
		int (*serve)(struct call *c, char *const *argv, bool *done_ret, struct err *err);
	} verbs[] = { { "kill", kept_kill }, { "create", kept_create }, { "start", kept_start } };
	int status = 0;

	*done_ret = false;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!l->verb || strcmp(verbs[i].verb, l->verb) != 0)
			continue;
		if (find_criu(c, err) < 0 || runtime_is_runc(c->runtime, &c->is_runc, err) < 0)
			return 0;
		status = verbs[i].serve(c, l->rest, done_ret, err);
	}
	if (status < 0 && !*done_ret)
		report(l, err);
	return status;
}

/* The exit status, or a negative errno. */
static int run(struct command_line *l, struct call *c, char **argv, struct err *err)
{
	char runtime[PATH_MAX];
	bool done;
	int status;

	if (command_line_read(argv, l, err) < 0 || runtime_find(l->runtime, runtime, err) < 0)
		return -err->code;
	c->runtime = arena_strdup(c->arena, runtime);
	note_globals(l, c, argv);
	if (!is_ours(l->verb)) {
		status = serve_kept(l, c, &done, err);
		return done ? status : pass_on(runtime, argv, err);
	}
	if (runtime_is_runc(runtime, &c->is_runc, err) < 0)
		return -err->code;
	if (c->is_runc && is_native())
		return runtime_offer_criu(err) < 0 ? -err->code : pass_on(runtime, argv, err);
	return serve(l, c, err);
}

int main(int argc, char **argv)
{
	struct command_line l = {};
	struct err err = {};
	struct arena arena;
	struct call c = { .arena = &arena };
	int status;

	arena_init(&arena);
	status = run(&l, &c, argv, &err);
	if (status < 0)
		report(&l, &err);
	arena_fini(&arena);
	return status < 0 ? 1 : status;
}
