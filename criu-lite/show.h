/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHOW_H
#define SHOW_H

#include <stdio.h>

#include "base/err.h"

/*
 * "criu-lite show ...": images as JSON and back, and what a directory of them
 * tells.  @argv[0] is "show".  Needs no root.  What is asked for is on stdout
 * or in the file of --out, all of it or nothing.
 */
int show_run(int argc, char **argv, struct err *err);

/* How its sub-commands are called, and their options. */
void show_usage(FILE *f);
void show_options(FILE *f);

#endif
