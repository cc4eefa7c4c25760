/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kept - containers that are checkpointed when they are stopped, and go on when they start
 *
 * A runtime creates a container first, and starts it later.  So it is created
 * around the placeholder, with a note of the checkpoint beside what the runtime
 * keeps of it, and restored at its start.  A checkpoint that could not be restored
 * is put aside: the next start is a fresh one.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "oci-hook/bundle.h"
#include "oci-hook/keep.h"
#include "oci-hook/kept.h"
#include "oci-hook/process.h"

/* Words without a dash in front; @values names the options whose value follows. */
static void take_words(struct call *c, char *const *argv, const char *values, words *ret)
{
	for (; *argv; argv++) {
		const char *option = *argv + strspn(*argv, "-");
		const char *name = arena_printf(c->arena, " %s ", option);

		if (**argv != '-')
			process_add(c, ret, *argv);
		else if (strstr(values, name) && argv[1])
			argv++;
	}
}

/* ---- kill ---- */

static int dump(struct call *c, struct container *k, const struct keep *keep, struct err *err)
{
	const char *dir;

	if (keep_begin(c, keep, &dir, err) < 0)
		return -err->code;
	c->o.image_path = c->o.work_path = dir;
	if (checkpoint_dump(c, k, err) == 0 &&
	    json_write(c->arena, k->config, arena_printf(c->arena, "%s/config.json", dir), err) ==
		    0 &&
	    keep_finish(c, keep, dir, err) == 0)
		return 0;
	keep_abandon(c, dir);
	return -err->code;
}

int kept_kill(struct call *c, char *const *argv, bool *done_ret, struct err *err)
{
	words w = { 0 };
	struct err none = { 0 };
	struct container k;
	struct keep keep;
	bool wanted;

	*done_ret = false;
	take_words(c, argv, "", &w);
	if (w.n < 1)
		return 0;
	c->id = w.items[0];
	if (container_state(c, &k, &none) < 0 || container_config(c, &k, &none) < 0)
		return 0;
	if (keep_read(c, k.config, &keep, &wanted, err) < 0)
		return -err->code;
	if (!wanted || keep_signal(w.n > 1 ? w.items[1] : "TERM") != keep.signal)
		return 0;
	if (dump(c, &k, &keep, err) < 0)
		return -err->code;
	*done_ret = true;
	return 0;
}

/* ---- create ---- */

static const char *value_of(char *const *argv, const char *name, const char *letter)
{
	for (; *argv; argv++) {
		const char *word = *argv + strspn(*argv, "-");
		size_t n = strcspn(word, "=");

		if (**argv != '-' || ((strncmp(word, name, n) != 0 || name[n]) &&
				      (strncmp(word, letter, n) != 0 || letter[n])))
			continue;
		return word[n] ? word + n + 1 : argv[1];
	}
	return NULL;
}

static const char *note_path(struct call *c)
{
	const char *root = c->root ? c->root : c->is_runc ? "/run/runc" : "/run/crun";

	return arena_printf(c->arena, "%s/%s/runc-ckpt.json", root, c->id);
}

static int create(struct call *c, char *const *argv, struct bundle *b, struct err *err)
{
	scoped_fd placeholder = bundle_placeholder(err);
	struct process p = { .given = placeholder };
	struct err later = { 0 };
	words all = { 0 };
	int status;

	if (placeholder < 0 || bundle_change(c, b, err) < 0)
		return -err->code;
	process_runtime(c, "create", &all);
	process_add(c, &all, "--preserve-fds");
	process_add(c, &all, "1");
	for (; *argv; argv++)
		process_add(c, &all, *argv);
	status = process_run(c, &all, &p, err);
	if (bundle_restore(b, &later) == 0)
		return status;
	*err = later;
	return -err->code;
}

int kept_create(struct call *c, char *const *argv, bool *done_ret, struct err *err)
{
	const char *dir = value_of(argv, "bundle", "b"), *last;
	words w = { 0 };
	struct err none = { 0 };
	struct bundle b;
	struct keep keep;
	bool wanted;
	int status;

	*done_ret = false;
	take_words(c, argv, " bundle b console-socket pid-file preserve-fds config f ", &w);
	if (w.n != 1 || value_of(argv, "preserve-fds", "preserve-fds") ||
	    bundle_open(c, dir ? dir : ".", &b, &none) < 0)
		return 0;
	c->id = w.items[0];
	if (keep_read(c, b.config, &keep, &wanted, err) < 0)
		return -err->code;
	if (!wanted || !(last = keep_last(c, &keep, b.config)) ||
	    json_is_true(b.config, "process.terminal"))
		return 0;
	status = create(c, argv, &b, err);
	*done_ret = true;
	if (status == 0 &&
	    json_write(c->arena, json_new(c->arena, JSON_STRING, last), note_path(c), err) < 0)
		return -err->code;
	return status;
}

/* ---- start ---- */

static void put_aside(struct call *c, const char *dir)
{
	const char *slash = strrchr(dir, '/');
	const char *to =
		arena_printf(c->arena, "%.*s/failed.%s", (int)(slash - dir), dir, slash + 1);

	rename(dir, to);
}

int kept_start(struct call *c, char *const *argv, bool *done_ret, struct err *err)
{
	struct err none = { 0 };
	struct container k;
	struct bundle b;
	struct json *note;
	struct keep keep;
	words w = { 0 };
	bool wanted;

	*done_ret = false;
	take_words(c, argv, "", &w);
	if (w.n != 1)
		return 0;
	c->id = w.items[0];
	if (access(note_path(c), F_OK) < 0 || json_read(c->arena, note_path(c), &note, &none) < 0 ||
	    note->type != JSON_STRING)
		return 0;
	*done_ret = true;
	c->o.image_path = c->o.work_path = note->text;
	if (container_state(c, &k, err) < 0 || bundle_open(c, k.bundle, &b, err) < 0 ||
	    keep_read(c, b.config, &keep, &wanted, err) < 0)
		return -err->code;
	unlink(note_path(c));
	if (restore_fill(c, &b, err) == 0)
		return 0;
	put_aside(c, note->text);
	if (container_state(c, &k, &none) == 0 && k.pid > 0)
		kill(k.pid, SIGKILL);
	return -err->code;
}
