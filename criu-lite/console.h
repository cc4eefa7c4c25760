/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "core/script.h"

/*
 * --console-socket: whoever listens at the unix socket @path gets the master of
 * the terminal that was outside of the tree, as container runtimes hand it
 * over.  Connected at once, as the tree may have other directories.
 */
struct console {
	struct script_listener listener;
	int sock;
};
int console_connect(struct console *c, const char *path, struct err *err);

#endif
