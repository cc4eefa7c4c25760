/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OCI_HOOK_RUNTIME_H
#define OCI_HOOK_RUNTIME_H

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"

/* The runtime behind us: what was asked for, else crun or runc on PATH, and never ourselves. */
int runtime_find(const char *asked, char path_ret[PATH_MAX], struct err *err);

/* Whether it is runc, whatever its file is called. */
int runtime_is_runc(const char *path, bool *is_runc_ret, struct err *err);

/* criu-lite, as it was installed with us. */
int runtime_find_criu(char path_ret[PATH_MAX], struct err *err);

/* Put a directory in front of PATH in which criu-lite is called criu. */
int runtime_offer_criu(struct err *err);

#endif
