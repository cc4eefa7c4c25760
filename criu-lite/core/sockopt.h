/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_SOCKOPT_H
#define CORE_SOCKOPT_H

#include "core/context.h"
#include "core/kind.h"
#include "images/sk-opts.pb-c.h"

/*
 * What sockets of all families have in common: their options.
 */

/*
 * Collect: all options of the socket @fd (our copy).  What CRIU has no field for
 * is kept too, where it differs from a new socket.
 */
int sockopt_collect(struct dump *d, int fd, SkOptsEntry **opts_ret, struct err *err);

/* Plan: is all of this known here? */
int sockopt_check(const SkOptsEntry *opts, struct err *err);

/*
 * Open: what must be there before the socket gets a name, and all that cannot
 * hurt then.  Link: the rest - the sizes of its buffers, filters, timeouts -
 * when its queue is full again.
 */
int sockopt_begin(struct restore *r, int fd, const SkOptsEntry *opts, struct err *err);
int sockopt_end(struct restore *r, int fd, const SkOptsEntry *opts, struct err *err);

/* Those without a field; _add is for kinds that know more, the others for sockopt.c. */
int sockopt_extra_collect(struct dump *d, int fd, int domain, int proto, SkOptsEntry *e,
			  struct err *err);
void sockopt_extra_add(struct dump *d, SkOptsEntry *opts, int level, int name, const void *value,
		       size_t len);
int sockopt_extra_apply(struct restore *r, int fd, const SkOptsEntry *e, bool late,
			struct err *err);

/*
 * A new socket of that sort: socket(), also where only members of some groups may have one
 * (ping sockets, net.ipv4.ping_group_range).  -1 and errno as it does.
 */
int sock_new(int domain, int type, int proto);

/* One number: getsockopt(), and setsockopt() if it is another now.  -1 and errno as they do. */
int sockopt_get_int(int fd, int level, int name, int *value_ret);
int sockopt_set_int(int fd, int level, int name, int value);

/* Collect: refuse a socket that no kind claims, by the name of its family and protocol. */
int sock_refuse(const struct fd_probe *p, struct err *err);

/*
 * Open: what the kernel remembers of the maker of a socket (SO_PEERCRED, the
 * owner of a port) is taken from the task; between two of these calls it has the
 * user and group of the task to be, and all our rights.
 */
int sock_act_as_owner(const struct restore *r, struct err *err);
int sock_act_as(uid_t uid, gid_t gid, struct err *err);
void sock_act_as_root(void);

/* A process that has socket @ino open: "1234 (nginx)", for messages; "nobody we can see". */
const char *sock_holder(struct arena *a, int proc, uint32_t ino);

#endif
