/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OCI_HOOK_BUNDLE_H
#define OCI_HOOK_BUNDLE_H

#include "oci-hook/container.h"

/*
 * The bundle of a container that is to be restored: while the runtime creates
 * it, config.json asks for a placeholder instead of the program.
 *
 * bundle_open: read config.json; nobody else restores from this bundle until we end.
 * bundle_change: what the runtime is to read.
 * bundle_restore: config.json is what it was.  Also before bundle_change().
 * bundle_give_back: the runtime keeps a copy, from which it takes what
 *	processes that join later may do: it becomes that of the program.
 */
struct bundle {
	const char *path, *config_path, *kept_path;
	struct json *config;
	int lock;
	bool changed;
};

int bundle_open(struct call *c, const char *dir, struct bundle *b, struct err *err);
int bundle_change(struct call *c, struct bundle *b, struct err *err);
int bundle_restore(struct bundle *b, struct err *err);
int bundle_give_back(struct call *c, const struct bundle *b, struct err *err);

/*
 * restore.c: a container with a placeholder is there, and is started; then it becomes what
 * is in c->o.image_path.
 */
int restore_fill(struct call *c, const struct bundle *b, struct err *err);

/* A descriptor of the placeholder program, in memory. */
int bundle_placeholder(struct err *err);

#endif
