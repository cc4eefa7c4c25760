/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * checkpoint - a container into images
 *
 * criu-lite is told what of the container belongs to the outside, as runc tells
 * it CRIU, so the images are the same.  descriptors.json says what the
 * standard descriptors were.  Afterwards the container is removed, unless it is
 * to go on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci-hook/container.h"
#include "oci-hook/options.h"
#include "oci-hook/process.h"

static int check_status(const struct call *c, const struct container *k, struct err *err)
{
	if (k->pid > 0 && (strcmp(k->status, "running") == 0 || strcmp(k->status, "paused") == 0))
		return 0;
	err_set(err, EINVAL, "cannot checkpoint container %s", c->id);
	err_why(err, "it is %s", k->status);
	return err_hint(err, "start it first");
}

/* As runc does it; restore looks for the pipes. */
static int note_descriptors(struct call *c, const struct container *k, struct err *err)
{
	struct json *list = json_new(c->arena, JSON_ARRAY, NULL);

	for (int fd = 0; fd < 3; fd++) {
		const char *link = arena_printf(c->arena, "/proc/%d/fd/%d", k->pid, fd);
		char to[4096] = "";

		if (readlink(link, to, sizeof(to) - 1) < 0)
			snprintf(to, sizeof(to), "/dev/null");
		json_append(c->arena, list,
			    json_new(c->arena, JSON_STRING, arena_strdup(c->arena, to)));
	}
	return json_write(c->arena, list,
			  arena_printf(c->arena, "%s/descriptors.json", c->o.image_path), err);
}

/* A namespace with a path is somebody else's. */
static void add_namespace(struct call *c, const struct container *k, const char *type,
			  const char *name, const char *key, words *argv)
{
	const char *path = container_namespace(k, type);
	struct stat st;

	if (!path || !*path ||
	    stat(arena_printf(c->arena, "/proc/%d/ns/%s", k->pid, name), &st) < 0)
		return;
	process_add(c, argv, "--external");
	process_add(c, argv, arena_printf(c->arena, "%s[%ju]:%s", name, (uintmax_t)st.st_ino, key));
}

static int add_outside(struct call *c, const struct container *k, words *argv, struct err *err)
{
	const char *freezer, **point;
	words mounts = { 0 };

	if (container_external_mounts(c, k, &mounts, err) < 0 ||
	    container_freezer(c, k->pid, &freezer, err) < 0)
		return -err->code;
	vec_for_each(point, &mounts) {
		process_add(c, argv, "--external");
		process_add(c, argv, arena_printf(c->arena, "mnt[%s]:%s", *point, *point));
	}
	add_namespace(c, k, "network", "net", "extRootNetNS", argv);
	add_namespace(c, k, "pid", "pid", "extRootPidNS", argv);
	if (freezer) {
		process_add(c, argv, "--freeze-cgroup");
		process_add(c, argv, freezer);
	}
	return 0;
}

int checkpoint_dump(struct call *c, const struct container *k, struct err *err)
{
	words argv = { 0 };

	if (check_status(c, k, err) < 0)
		return -err->code;
	options_begin(c, c->o.pre_dump ? "pre-dump" : "dump", "dump.log", &argv);
	options_config(c, k->config, &argv);
	process_add(c, &argv, "--tree");
	process_add(c, &argv, arena_printf(c->arena, "%d", k->pid));
	process_add(c, &argv, "--orphan-pts-master");
	if (add_outside(c, k, &argv, err) < 0 ||
	    (!c->o.pre_dump && note_descriptors(c, k, err) < 0))
		return -err->code;
	return container_criu(c, &argv, err);
}

int checkpoint(struct call *c, struct err *err)
{
	struct container k;

	if (container_state(c, &k, err) < 0 || container_config(c, &k, err) < 0 ||
	    options_directories(c, err) < 0 || checkpoint_dump(c, &k, err) < 0)
		return -err->code;
	return c->o.leave_running || c->o.pre_dump ? 0 : container_delete(c, err);
}
