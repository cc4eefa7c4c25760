/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * runc-ckpt - an OCI runtime in front of another one
 *
 * Every verb is the business of the runtime behind us, which takes our place:
 * by exec, so that arguments, descriptors, signals and the exit status are its
 * own.  "checkpoint" and "restore" are runc's, too; it finds criu-lite as criu.
 *
 * not done  checkpoint and restore of containers of another runtime
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "oci-hook/command_line.h"
#include "oci-hook/report.h"
#include "oci-hook/runtime.h"

static bool is_ours(const char *verb)
{
	return verb && (strcmp(verb, "checkpoint") == 0 || strcmp(verb, "restore") == 0);
}

/* Also before "checkpoint --help": its exit status tells engines whether it works. */
static int prepare(const char *runtime, const char *verb, struct err *err)
{
	bool is_runc;

	if (runtime_is_runc(runtime, &is_runc, err) < 0)
		return -err->code;
	if (is_runc)
		return runtime_offer_criu(err);

	err_set(err, EOPNOTSUPP, "cannot %s a container of %s", verb, runtime);
	err_why(err, "that works with runc only, for now");
	return err_hint(err, "create the container with runc: --runtime runc, or "
			     "RUNC_CKPT_RUNTIME=runc");
}

/* Returns only if it fails. */
static int run(struct command_line *c, char **argv, struct err *err)
{
	char runtime[PATH_MAX];

	if (command_line_read(argv, c, err) < 0 || runtime_find(c->runtime, runtime, err) < 0)
		return -err->code;
	if (is_ours(c->verb) && prepare(runtime, c->verb, err) < 0)
		return -err->code;

	argv[0] = runtime;
	execv(runtime, argv);
	err_sys(err, "cannot execute the runtime %s", runtime);
	return err_hint(err, "see what --runtime and RUNC_CKPT_RUNTIME say");
}

int main(int argc, char **argv)
{
	struct command_line c = {};
	struct err err = {};

	run(&c, argv, &err);
	report(&c, &err);
	return 1;
}
