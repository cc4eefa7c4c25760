/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_SOCK_NS_H
#define CORE_SOCK_NS_H

#include "core/kind.h"
#include "core/ns.h"

/*
 * Sockets, and what else is a file of a network namespace (tun).  The core is in
 * the file's namespace whenever it calls its kind in collect, drain, open or
 * link, so a kind need not know.  A namespace that is ours is NULL here.
 */

/* Collect: where @p is, NULL for all that is no such file.  Refused if no task of the tree is there. */
int sock_ns_find(struct dump *d, const struct fd_probe *p, struct ns **ns_ret, struct err *err);

/* Its record tells where it is, if such records do. */
void sock_ns_record(struct dump *d, FileEntry *fe, const struct ns *ns);

/* Be there, and back; in between it is d->netns. */
int sock_ns_enter_dump(struct dump *d, struct ns *ns, struct ns_visit *visit, struct err *err);
/* @ret is what came of it: the first failure is the result. */
int sock_ns_leave_dump(struct dump *d, struct ns_visit *visit, int ret, struct err *err);

/* Read: where it is must be made, too. */
int sock_ns_read(struct restore *r, const struct file *f, struct err *err);

/*
 * Plan: it will be where we are not yet, so it does not matter who has its
 * address here, nor which devices are here.
 */
bool sock_ns_is_elsewhere(const struct restore *r, const struct file *f);

/* Open, link: be where its record says. */
int sock_ns_enter_restore(struct restore *r, const struct file *f, struct ns_visit *visit,
			  struct err *err);

#endif
