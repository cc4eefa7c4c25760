/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_EXTERNAL_H
#define CORE_EXTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/context.h"
#include "core/ns.h"

/*
 * What stays outside: resources that the user named by --external (dump) and
 * hands over by --inherit-fd (restore).
 *
 * The keys are CRIU's: "file[MNT_ID:INODE]" and "tty[RDEV:DEV]" hexadecimal,
 * "unix[INODE]" decimal.  In images a file or tty stands under its key.
 */
bool external_file(const struct dump *d, uint64_t mnt_id, uint64_t ino);
bool external_tty(const struct dump *d, uint64_t rdev, uint64_t dev);

/* -x, -x INODE or --external unix[INODE]: the peer with this inode may be outside. */
bool external_unix(const struct dump *d, uint64_t ino);

/* Is @s one of @list? */
bool external_named(const opt_strings *list, const char *s);

/* The key under which that namespace is given again, NULL: it is not external. */
const char *external_ns(const struct dump *d, enum ns_type type, uint64_t ino);

/* The keys themselves, for images and for external_inherited(). */
const char *external_file_key(struct arena *a, uint64_t mnt_id, uint64_t ino);
const char *external_tty_key(struct arena *a, uint64_t rdev, uint64_t dev);

/*
 * The coordinator's descriptor given for @key ("pipe:[123]", "socket:[5]",
 * "path/to/file", "tty[8803:5]", "file[1b:5f]"), or -1.  Borrowed; a task gets
 * it through restore_borrow_fd().
 */
int external_inherited(const struct restore *r, const char *key);

/*
 * For options.c: is @resource something that --external knows?  If not, -EINVAL
 * with @err.
 */
int external_check(const char *resource, struct err *err);

#endif
