/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OCI_HOOK_PROCESS_H
#define OCI_HOOK_PROCESS_H

#include "oci-hook/call.h"

/* How a program is run.  Zeroed: with our stdio. */
struct process {
	bool quiet; /* nothing to read; what it says is kept (output), what it complains of is told */
	bool mute;    /* complaints are not even told */
	int given;    /* it has a copy of this descriptor as 3; 0: none */
	char *output; /* what it said, if quiet */
	char *error;  /* what it complained of, if quiet */
};

/* Run it and wait.  Returns its exit status (128 + signal); -errno: it did not run. */
int process_run(struct call *c, const words *argv, struct process *p, struct err *err);

/* The same; with @err if the status is not 0: what is the last thing that it says. */
int process_must(struct call *c, const words *argv, struct process *p, struct err *err);

/* RUNTIME GLOBALS VERB, to be followed by others. */
void process_runtime(struct call *c, const char *verb, words *argv);
void process_add(struct call *c, words *argv, const char *word);

#endif
