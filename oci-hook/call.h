/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OCI_HOOK_CALL_H
#define OCI_HOOK_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/vec.h"
#include "oci-hook/command_line.h"

/* A list of words, for a program. */
typedef vec(const char *) words;

/* What checkpoint and restore were told: runc's options. */
struct verb_options {
	const char *image_path, *work_path, *parent_path, *page_server, *status_fd;
	const char *manage_cgroups, *empty_ns, *lsm_profile, *lsm_mount_context;
	const char *bundle, *pid_file, *console_socket;
	bool leave_running, tcp_established, skip_in_flight, link_remap, ext_unix_sk, shell_job;
	bool lazy_pages, file_locks, pre_dump, auto_dedup;
	bool detach, no_subreaper, no_pivot, help;
};

/* One call of ours. */
struct call {
	struct arena *arena;
	const char *runtime, *criu; /* programs */
	bool is_runc;
	words globals;	  /* those of the runtime, in front of the verb */
	const char *root; /* --root, NULL: the runtime's own */
	struct verb_options o;
	const char *id;
};

/*
 * The options behind the verb, which @verb says is "checkpoint" or "restore",
 * and the container.  Both "-name" and "--name" are taken, as runc does.
 */
int call_read(struct call *c, const char *verb, char *const *argv, struct err *err);
void call_usage(const char *verb);

/* @dir comes into being if it is not there, and is absolute then. */
int call_directory(struct call *c, const char *dir, const char **ret, struct err *err);

/* All that follows returns the exit status, or a negative errno with @err. */
int checkpoint(struct call *c, struct err *err);
int restore(struct call *c, struct err *err);

#endif
