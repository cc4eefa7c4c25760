/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OCI_HOOK_CONTAINER_H
#define OCI_HOOK_CONTAINER_H

#include <stdint.h>
#include <sys/types.h>

#include "oci-hook/call.h"
#include "oci-hook/json.h"

/* A container as its runtime and its bundle tell of it. */
struct container {
	pid_t pid;
	const char *status; /* "running", "paused", ... */
	const char *bundle;
	struct json *config; /* config.json of the bundle */
};

/* What the runtime says of c->id; then the bundle. */
int container_state(struct call *c, struct container *ret, struct err *err);
int container_config(struct call *c, struct container *k, struct err *err);

/* The path of its namespace of @type ("network") in config.json; "" if it is a new one, NULL: it has none. */
const char *container_namespace(const struct container *k, const char *type);

/*
 * Mount points that are there because of something outside of the container:
 * binds, control groups, masked files, devices.
 */
int container_external_mounts(struct call *c, const struct container *k, words *ret,
			      struct err *err);

/* One line of /proc/PID/cgroup: "cpu,cpuacct", "/path"; the controllers of version 2 are "". */
struct cgroup {
	const char *controllers, *path;
};
typedef vec(struct cgroup) cgroups;
int container_cgroups(struct call *c, pid_t pid, cgroups *ret, struct err *err);

/* The directory of the group by which it is frozen; NULL: it has none of its own. */
int container_freezer(struct call *c, pid_t pid, const char **ret, struct err *err);

/* checkpoint.c: only the dump; the directories of c->o are there. */
int checkpoint_dump(struct call *c, const struct container *k, struct err *err);

/* criu-lite with @argv; what it cannot do becomes @err. */
int container_criu(struct call *c, const words *argv, struct err *err);

/* Remove it, with its processes. */
int container_delete(struct call *c, struct err *err);

#endif
