/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pid - a pid namespace that stays outside
 *
 * One of the tree's own has no image: it begins with the root task, and the
 * numbers in it are everywhere.
 */
#include <errno.h>

#include "core/kind.h"
#include "images/image.h"
#include "images/pidns.pb-c.h"

static int write_pid(struct dump *d, struct ns *ns, struct err *err)
{
	PidnsEntry e = PIDNS_ENTRY__INIT;

	if (!ns->external)
		return 0;
	e.ext_key = (char *)ns->external;
	return image_put_one(d->store, IMAGE_PIDNS, ns->id, &e.base, err);
}

static int read_pid(struct restore *r, struct ns *ns, struct err *err)
{
	bool found;
	void *e;

	if (image_get_one(r->store, IMAGE_PIDNS, ns->id, r->arena, &e, &found, err) < 0)
		return -err->code;
	if (found)
		ns->external = ((PidnsEntry *)e)->ext_key;
	return 0;
}

const struct ns_kind pid_ns_kind = {
	.name = "pid",
	.type = NS_PID,
	.write = write_pid,
	.read = read_pid,
};
