/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * container - what its runtime and its bundle say, and what they ask for
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "oci-hook/container.h"
#include "oci-hook/process.h"

int container_state(struct call *c, struct container *ret, struct err *err)
{
	struct process p = { .quiet = true, .mute = true };
	words argv = { 0 };
	struct json *state;

	process_runtime(c, "state", &argv);
	process_add(c, &argv, c->id);
	if (process_must(c, &argv, &p, err) < 0 ||
	    json_of_text(c->arena, p.output, &state, err) < 0)
		return err_hint(err, "see what the runtime says: list");
	*ret = (struct container){
		.pid = (pid_t)json_number_at(state, "pid"),
		.status = json_string_at(state, "status"),
		.bundle = json_string_at(state, "bundle"),
	};
	if (ret->status && ret->bundle)
		return 0;
	return err_set(err, EPROTO, "cannot understand what the runtime says of container %s",
		       c->id);
}

int container_config(struct call *c, struct container *k, struct err *err)
{
	return json_read(c->arena, arena_printf(c->arena, "%s/config.json", k->bundle), &k->config,
			 err);
}

const char *container_namespace(const struct container *k, const char *type)
{
	const struct json *all = json_find(k->config, "linux.namespaces");

	for (size_t i = 0; all && i < all->items.n; i++) {
		const char *its = json_string_at(all->items.items[i], "type");
		const char *path = json_string_at(all->items.items[i], "path");

		if (its && strcmp(its, type) == 0)
			return path ? path : "";
	}
	return NULL;
}

/* ---- mounts ---- */

struct mount {
	char *dev, *root, *point, *type;
};
typedef vec(struct mount) mounts;

/* "\040" is a blank. */
static char *unescape(char *s)
{
	char *to = s;

	for (const char *p = s; *p; p++) {
		unsigned int c;

		if (*p == '\\' && sscanf(p + 1, "%3o", &c) == 1) {
			*to++ = (char)c;
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	return s;
}

static char *word(char **rest)
{
	char *w = strsep(rest, " ");

	return w ? w : (char *)"";
}

static void read_mount(struct call *c, char *line, mounts *ret)
{
	struct mount *m = vec_add(c->arena, ret);
	char *optional = strstr(line, " - ");

	word(&line);
	word(&line);
	m->dev = word(&line);
	m->root = unescape(word(&line));
	m->point = unescape(word(&line));
	if (optional)
		optional += 3;
	m->type = word(&optional);
}

static int read_mounts(struct call *c, const char *path, mounts *ret, struct err *err)
{
	char *text, *line;
	size_t len;
	int code = io_slurp_at(AT_FDCWD, path, c->arena, &text, &len);

	if (code < 0)
		return err_set(err, -code, "cannot read %s", path);
	while ((line = strsep(&text, "\n")) && *line)
		read_mount(c, line, ret);
	return 0;
}

static bool is_bind(const struct json *mount)
{
	const struct json *options = json_find(mount, "options");
	const char *type = json_string_at(mount, "type");

	if (type && strcmp(type, "bind") == 0)
		return true;
	for (size_t i = 0; options && i < options->items.n; i++) {
		const char *o = options->items.items[i]->text;

		if (o && (strcmp(o, "bind") == 0 || strcmp(o, "rbind") == 0))
			return true;
	}
	return false;
}

static bool is_asked_for(const struct container *k, const char *point)
{
	const struct json *all = json_find(k->config, "mounts");

	for (size_t i = 0; all && i < all->items.n; i++) {
		const char *to = json_string_at(all->items.items[i], "destination");
		size_t n = to ? strlen(to) : 0;

		while (n > 1 && to[n - 1] == '/')
			n--;
		if (n && strncmp(to, point, n) == 0 && !point[n] && is_bind(all->items.items[i]))
			return true;
	}
	return false;
}

static bool is_mounted(const mounts *list, const char *dev)
{
	const struct mount *m;

	vec_for_each(m, list)
		if (strcmp(m->dev, dev) == 0)
			return true;
	return false;
}

/* What every container has for itself, even if it is the same everywhere. */
static bool is_made_anew(const struct mount *m)
{
	static const char *const types[] = { "proc", "sysfs", "mqueue", "devpts" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(m->type, types[i]) == 0)
			return true;
	return false;
}

static bool is_external(const struct container *k, const mounts *ours, const struct mount *root,
			const struct mount *m)
{
	if (is_asked_for(k, m->point) || strncmp(m->type, "cgroup", 6) == 0)
		return true;
	/* a part of the root that the container itself has mounted elsewhere is its own affair */
	return !is_made_anew(m) && strcmp(m->dev, root->dev) != 0 && is_mounted(ours, m->dev);
}

int container_external_mounts(struct call *c, const struct container *k, words *ret,
			      struct err *err)
{
	mounts ours = { 0 }, its = { 0 };
	const struct mount *m, *root = NULL;

	if (!container_namespace(k, "mount"))
		return 0;
	if (read_mounts(c, "/proc/self/mountinfo", &ours, err) < 0 ||
	    read_mounts(c, arena_printf(c->arena, "/proc/%d/mountinfo", k->pid), &its, err) < 0)
		return -err->code;
	vec_for_each(m, &its)
		if (strcmp(m->point, "/") == 0)
			root = m;
	vec_for_each(m, &its)
		if (root && strcmp(m->point, "/") != 0 && is_external(k, &ours, root, m))
			process_add(c, ret, m->point);
	return 0;
}

/* ---- control groups ---- */

int container_cgroups(struct call *c, pid_t pid, cgroups *ret, struct err *err)
{
	const char *path = arena_printf(c->arena, "/proc/%d/cgroup", pid);
	char *text, *line;
	size_t len;
	int code = io_slurp_at(AT_FDCWD, path, c->arena, &text, &len);

	if (code < 0)
		return err_set(err, -code, "cannot read %s", path);
	while ((line = strsep(&text, "\n")) && *line) {
		strsep(&line, ":");
		char *controllers = strsep(&line, ":");

		if (controllers && line)
			*vec_add(c->arena, ret) = (struct cgroup){ controllers, line };
	}
	return 0;
}

/* Of version 1, if that is there. */
static const char *freezer_of(struct call *c, const cgroups *all)
{
	const struct cgroup *g;

	vec_for_each(g, all)
		if (strcmp(g->controllers, "freezer") == 0)
			return arena_printf(c->arena, "/sys/fs/cgroup/freezer%s", g->path);
	vec_for_each(g, all)
		if (!*g->controllers)
			return arena_printf(c->arena, "/sys/fs/cgroup%s", g->path);
	return NULL;
}

int container_freezer(struct call *c, pid_t pid, const char **ret, struct err *err)
{
	cgroups its = { 0 }, ours = { 0 };
	const char *own;
	struct stat st;

	if (container_cgroups(c, pid, &its, err) < 0 ||
	    container_cgroups(c, getpid(), &ours, err) < 0)
		return -err->code;
	*ret = freezer_of(c, &its);
	own = freezer_of(c, &ours);
	if (*ret && ((own && strcmp(own, *ret) == 0) || stat(*ret, &st) < 0))
		*ret = NULL;
	return 0;
}

/* ---- programs ---- */

/* "criu-lite: dump: WHAT", "  why: WHY", "  do:  HINT": the last of them. */
static void take_error(struct call *c, const char *said, struct err *err)
{
	char *text = arena_strdup(c->arena, said), *line, *what;

	while ((line = strsep(&text, "\n"))) {
		if (strncmp(line, "  why: ", 7) == 0) {
			err_why(err, "%s", line + 7);
		} else if (strncmp(line, "  do:  ", 7) == 0) {
			err_hint(err, "%s", line + 7);
		} else if (strncmp(line, "criu-lite: ", 11) == 0 && !err->why[0]) {
			what = strstr(line + 11, ": ");
			snprintf(err->what, sizeof(err->what), "%s", what ? what + 2 : line + 11);
			err->hint[0] = '\0';
		}
	}
}

int container_criu(struct call *c, const words *argv, struct err *err)
{
	struct process p = { .quiet = true, .mute = true };
	int status = process_run(c, argv, &p, err);

	if (status <= 0)
		return status;
	*err = (struct err){ .code = ECANCELED };
	snprintf(err->what, sizeof(err->what), "criu-lite ended with status %d", status);
	take_error(c, p.error, err);
	if (!err->why[0])
		err_why(err, "it says no more");
	return err_in(err, "container %s", c->id);
}

/* A hook that fails, or does not listen, may end the runtime when all is done. */
int container_delete(struct call *c, struct err *err)
{
	struct process p = { .quiet = true, .mute = true };
	struct err gone = { 0 };
	struct container k;
	words argv = { 0 };

	process_runtime(c, "delete", &argv);
	process_add(c, &argv, "--force");
	process_add(c, &argv, c->id);
	if (process_must(c, &argv, &p, err) == 0 || container_state(c, &k, &gone) < 0) {
		*err = (struct err){ 0 };
		return 0;
	}
	return -err->code;
}
