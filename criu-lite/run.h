/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/refuse.h"
#include "options.h"

/* Whose images and options these are. */
#define CRIU_VERSION	  "4.2"
#define CRIU_LITE_VERSION "0.1"
enum { CRIU_VERSION_MAJOR = 4, CRIU_VERSION_MINOR = 2 };

/*
 * What the command line and a request over a socket have in common: the place of
 * a run, and its beginning and end in the log.
 */

/*
 * Open the images directory into o->common.images_fd, and enter the work
 * directory: relative paths of log, statistics and pidfile are meant from there.
 */
int run_enter(struct options *o, struct err *err);

/* Log into what the options say; after run_enter(). */
int run_open_log(const struct options *o, struct err *err);

/*
 * A program that others connect to is ready: --pidfile, status-ready, --status-fd.
 */
int run_announce(const struct options *o, struct err *err);

/* The log is a file, which somebody reads later. */
bool run_log_is_file(const struct common_opts *o);

/* Both have entered their directories.  For @root_ret see restore.h. */
int run_predump(struct options *o, struct refusals *refused, struct err *err);
int run_dump(struct options *o, struct refusals *refused, struct err *err);
int run_dedup(const struct options *o, struct err *err);
int run_restore(struct options *o, pid_t *root_ret, struct err *err);

/* Into the log, if that is a file. */
void run_log_error(const struct common_opts *o, const struct err *err);

#endif
