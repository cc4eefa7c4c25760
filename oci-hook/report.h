/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OCI_HOOK_REPORT_H
#define OCI_HOOK_REPORT_H

#include "base/err.h"
#include "oci-hook/command_line.h"

/*
 * Tell the user on stderr, and the engine in the file of --log, as the runtime
 * behind us would: engines show the last line there of level "error".
 */
void report(const struct command_line *c, const struct err *err);

#endif
