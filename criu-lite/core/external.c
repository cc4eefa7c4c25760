/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * external - what stays outside of a checkpoint
 *
 * not done   namespaces, mounts and network devices: their keys are accepted, as
 *            a tree that has none of its own does not miss them, and one that
 *            has is refused by the namespace
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/external.h"

bool external_named(const opt_strings *list, const char *s)
{
	const char **item;

	vec_for_each(item, list)
		if (strcmp(*item, s) == 0)
			return true;
	return false;
}

const char *external_file_key(struct arena *a, uint64_t mnt_id, uint64_t ino)
{
	return arena_printf(a, "file[%" PRIx64 ":%" PRIx64 "]", mnt_id, ino);
}

const char *external_tty_key(struct arena *a, uint64_t rdev, uint64_t dev)
{
	return arena_printf(a, "tty[%" PRIx64 ":%" PRIx64 "]", rdev, dev);
}

bool external_file(const struct dump *d, uint64_t mnt_id, uint64_t ino)
{
	const opt_strings *list = &d->opts->common.external;

	return list->n > 0 && external_named(list, external_file_key(d->arena, mnt_id, ino));
}

bool external_tty(const struct dump *d, uint64_t rdev, uint64_t dev)
{
	const opt_strings *list = &d->opts->common.external;

	return list->n > 0 && external_named(list, external_tty_key(d->arena, rdev, dev));
}

bool external_unix(const struct dump *d, uint64_t ino)
{
	const struct common_opts *o = &d->opts->common;
	char inode[24], key[32];

	snprintf(inode, sizeof(inode), "%" PRIu64, ino);
	snprintf(key, sizeof(key), "unix[%s]", inode);
	if (o->allow_ext_unix &&
	    (o->ext_unix_peers.n == 0 || external_named(&o->ext_unix_peers, inode)))
		return true;
	return external_named(&o->external, key);
}

/* "net[4026531840]:KEY" */
const char *external_ns(const struct dump *d, enum ns_type type, uint64_t ino)
{
	const char *prefix = arena_printf(d->arena, "%s[%" PRIu64 "]:", ns_name(type), ino);
	const char **item;

	vec_for_each(item, &d->opts->common.external)
		if (strncmp(*item, prefix, strlen(prefix)) == 0)
			return *item + strlen(prefix);
	return NULL;
}

int external_inherited(const struct restore *r, const char *key)
{
	const struct inherit_fd *i;

	vec_for_each(i, &r->opts->inherit_fds)
		if (strcmp(i->key, key) == 0)
			return i->fd;
	return -1;
}

/* ---- what --external may say ---- */

struct resource_form {
	const char *type;
	int base; /* of the numbers in brackets, 0: any text */
	int numbers;
	bool named; /* ":NAME" follows */
};

static const struct resource_form resource_forms[] = {
	{ "file", 16, 2, false }, { "tty", 16, 2, false }, { "unix", 10, 1, false },
	{ "net", 10, 1, true },	  { "pid", 10, 1, true },  { "mnt", 0, 0, false },
	{ "dev", 0, 0, true },	  { "veth", 0, 0, true },  { "macvlan", 0, 0, true },
	{ "netdev", 0, 0, true },
};

static bool is_number(const char *s, size_t n, int base)
{
	const char *digits = base == 16 ? "0123456789abcdef" : "0123456789";

	return n > 0 && n <= 20 && strspn(s, digits) == n;
}

/* @s is what stands behind "TYPE[". */
static bool form_fits(const struct resource_form *f, const char *s)
{
	const char *close = f->base ? strchr(s, ']') : strrchr(s, ']');
	const char *colon = strchr(s, ':');

	if (!close || (close[1] && close[1] != ':') || (f->named && !(close[1] && close[2])))
		return false;
	if (f->numbers == 1)
		return is_number(s, (size_t)(close - s), f->base);
	if (f->numbers == 2)
		return colon && colon < close && !close[1] &&
		       is_number(s, (size_t)(colon - s), f->base) &&
		       is_number(colon + 1, (size_t)(close - colon - 1), f->base);
	return true;
}

int external_check(const char *resource, struct err *err)
{
	size_t n = strcspn(resource, "[");

	for (size_t i = 0; i < sizeof(resource_forms) / sizeof(resource_forms[0]); i++) {
		const struct resource_form *f = &resource_forms[i];

		if (strlen(f->type) == n && memcmp(f->type, resource, n) == 0 && resource[n] &&
		    form_fits(f, resource + n + 1))
			return 0;
	}

	err_set(err, EINVAL, "cannot use --external %s", resource);
	err_why(err, "it names no kind of resource that can be external");
	return err_hint(err,
			"give file[MNT_ID:INODE] or tty[RDEV:DEV] with hexadecimal numbers, or "
			"unix[INODE]; see criu-lite(8)");
}
