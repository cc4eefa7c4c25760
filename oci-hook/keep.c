/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * keep - the checkpoints of containers that are checkpointed when they are stopped
 *
 * One that is being written has a name that is no number, so what has a number
 * is complete.  Beside the images is the config.json of the container: they are
 * of use only where the same program is to be started.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "oci-hook/keep.h"

#define PREFIX "org.criu-lite."

int keep_signal(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = { { "HUP", SIGHUP },   { "INT", SIGINT },	  { "QUIT", SIGQUIT },
			{ "KILL", SIGKILL }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
			{ "TERM", SIGTERM }, { "PWR", SIGPWR },	  { "WINCH", SIGWINCH },
			{ "RTMIN+3", 37 } };
	char *end;
	long number = strtol(name, &end, 10);

	if (*name && !*end)
		return number > 0 && number < NSIG ? (int)number : 0;
	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (strcmp(signals[i].name, name) == 0)
			return signals[i].number;
	return 0;
}

/* ---- annotations ---- */

static int refuse(const struct json *a, const char *why, struct err *err)
{
	err_set(err, EINVAL, "cannot use annotation %s=%s", a->name, a->text ? a->text : "");
	err_why(err, "%s", why);
	return err_hint(err, "see runc-ckpt(8)");
}

static int read_flag(const struct json *a, bool *ret, struct err *err)
{
	*ret = strcmp(a->text, "true") == 0;
	if (!*ret && strcmp(a->text, "false") != 0)
		return refuse(a, "it is neither true nor false", err);
	return 0;
}

static int read_one(struct call *c, const struct json *a, struct keep *k, bool *wanted,
		    struct err *err)
{
	const char *name = a->name + strlen(PREFIX);
	char *end;

	if (a->type != JSON_STRING)
		return refuse(a, "it is no string", err);
	if (strcmp(name, "checkpoint") == 0) {
		*wanted = strcmp(a->text, "on-stop") == 0;
		return *wanted ? 0 : refuse(a, "there is only on-stop", err);
	}
	if (strcmp(name, "path") == 0) {
		k->path = a->text;
		return *a->text == '/' ? 0 : refuse(a, "it is no absolute path", err);
	}
	if (strcmp(name, "keep") == 0) {
		k->keep = strtoul(a->text, &end, 10);
		return *end || !k->keep || k->keep > 1000 ? refuse(a, "it is not 1 to 1000", err)
							  : 0;
	}
	if (strcmp(name, "stop-signal") == 0) {
		k->signal = keep_signal(a->text);
		return k->signal ? 0 : refuse(a, "it is no signal", err);
	}
	if (strcmp(name, "tcp-established") == 0)
		return read_flag(a, &c->o.tcp_established, err);
	if (strcmp(name, "file-locks") == 0)
		return read_flag(a, &c->o.file_locks, err);
	if (strcmp(name, "ext-unix-sk") == 0)
		return read_flag(a, &c->o.ext_unix_sk, err);
	return refuse(a, "there is no such annotation", err);
}

int keep_read(struct call *c, const struct json *config, struct keep *k, bool *wanted_ret,
	      struct err *err)
{
	const struct json *all = json_find(config, "annotations");

	*k = (struct keep){ .keep = 1, .signal = SIGTERM };
	*wanted_ret = false;
	for (size_t i = 0; all && i < all->items.n; i++)
		if (strncmp(all->items.items[i]->name, PREFIX, strlen(PREFIX)) == 0 &&
		    read_one(c, all->items.items[i], k, wanted_ret, err) < 0)
			return -err->code;
	if (!*wanted_ret || k->path)
		return 0;
	err_set(err, EINVAL, "cannot checkpoint container %s when it stops", c->id);
	err_why(err, "it is not said where to");
	return err_hint(err, "give it the annotation %spath", PREFIX);
}

/* ---- directories ---- */

static unsigned long number_of(const char *name)
{
	char *end;
	unsigned long n = strtoul(name, &end, 10);

	return *name >= '1' && *name <= '9' && !*end ? n : 0;
}

/* Of all below @most the highest, 0: none; and how many there are. */
static unsigned long highest(const char *path, unsigned long most, unsigned long *count_ret)
{
	DIR *dir = opendir(path);
	unsigned long found = 0;
	struct dirent *e;

	*count_ret = 0;
	while (dir && (e = readdir(dir))) {
		unsigned long n = number_of(e->d_name);

		*count_ret += n > 0;
		if (n > found && n < most)
			found = n;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Images have no directories among them. */
static void remove_all(struct call *c, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

int keep_begin(struct call *c, const struct keep *k, const char **dir_ret, struct err *err)
{
	const char *path;

	if (call_directory(c, k->path, &path, err) < 0)
		return -err->code;
	path = arena_printf(c->arena, "%s/new.%d", path, getpid());
	return call_directory(c, path, dir_ret, err);
}

void keep_abandon(struct call *c, const char *dir)
{
	remove_all(c, dir);
}

static void prune(struct call *c, const struct keep *k)
{
	unsigned long n = ~0ul, count;

	for (unsigned long i = 0; (n = highest(k->path, n, &count)); i++)
		if (i >= k->keep)
			remove_all(c, arena_printf(c->arena, "%s/%lu", k->path, n));
}

int keep_finish(struct call *c, const struct keep *k, const char *dir, struct err *err)
{
	unsigned long count, n = highest(k->path, ~0ul, &count) + 1;

	if (rename(dir, arena_printf(c->arena, "%s/%lu", k->path, n)) < 0)
		return err_sys(err, "cannot keep checkpoint %lu in %s", n, k->path);
	prune(c, k);
	return 0;
}

static bool is_same_text(struct call *c, const struct json *a, const struct json *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(json_text(c->arena, a), json_text(c->arena, b)) == 0;
}

const char *keep_last(struct call *c, const struct keep *k, const struct json *config)
{
	unsigned long count, n = highest(k->path, ~0ul, &count);
	const char *dir = arena_printf(c->arena, "%s/%lu", k->path, n);
	struct err ignored = { 0 };
	struct json *was;

	if (!n || access(arena_printf(c->arena, "%s/inventory.img", dir), R_OK) < 0 ||
	    json_read(c->arena, arena_printf(c->arena, "%s/config.json", dir), &was, &ignored) < 0)
		return NULL;
	return is_same_text(c, json_find(was, "process.args"), json_find(config, "process.args"))
		       ? dir
		       : NULL;
}
