/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OCI_HOOK_OPTIONS_H
#define OCI_HOOK_OPTIONS_H

#include "oci-hook/call.h"
#include "oci-hook/json.h"

/* How criu-lite is called: what both verbs have in common. */

/* The image and work directories of c->o become absolute, and are there. */
int options_directories(struct call *c, struct err *err);

/* criu-lite, @command, and all that its options follow from c->o. */
void options_begin(struct call *c, const char *command, const char *log, words *argv);

/* The file of settings that runc's containers have: /etc/criu/runc.conf, or the annotation's. */
void options_config(struct call *c, const struct json *config, words *argv);

#endif
