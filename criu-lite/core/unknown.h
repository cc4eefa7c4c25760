/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_UNKNOWN_H
#define CORE_UNKNOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/kind.h"

/* Dump: @name is something that we do not know, and the user says that it does not matter (--allow). */
bool unknown_is_allowed(const struct dump *d, const char *name, size_t len);

/* Dump: refuses a file of which /proc tells more than we understand. */
int unknown_check_fdinfo(const struct dump *d, const struct fd_probe *p, struct err *err);

/* Dump: refuses a task that is in a namespace, other than ours, of a type that we do not know. */
int unknown_check_namespaces(struct dump *d, const struct task *t, struct err *err);

#endif
