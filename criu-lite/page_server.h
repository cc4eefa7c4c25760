/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PAGE_SERVER_H
#define PAGE_SERVER_H

#include "options.h"

/*
 * The command page-server, after run_enter() and run_open_log(): one dump, or
 * one lazy-pages daemon, is served.
 */
int page_server_run(struct options *o, struct err *err);

/*
 * The same in two steps, for requests over sockets.  page_server_listen()
 * returns a socket, or with --ps-socket -1 and no error.
 */
int page_server_listen(const struct options *o, unsigned int *port_ret, int *sock_ret,
		       struct err *err);
int page_server_serve(struct options *o, int sock, struct err *err);

#endif
