/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uts - the name of the host, as the tree sees it
 *
 * collect   asked in the namespace
 * make      set again
 */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/kind.h"
#include "core/task.h"
#include "images/image.h"
#include "images/utsns.pb-c.h"

static int collect_uts(struct dump *d, struct ns *ns, struct err *err)
{
	UtsnsEntry *e = record_new(d, utsns_entry);
	struct ns_visit visit;
	struct utsname name;

	if (ns_enter_dump(d, ns, &visit, err) < 0)
		return -err->code;
	uname(&name);
	if (ns_leave(&visit, err) < 0)
		return -err->code;
	e->nodename = arena_strdup(d->arena, name.nodename);
	e->domainname = arena_strdup(d->arena, name.domainname);
	ns->data = e;
	return 0;
}

static int write_uts(struct dump *d, struct ns *ns, struct err *err)
{
	const UtsnsEntry *e = ns->data;

	return image_put_one(d->store, IMAGE_UTSNS, ns->id, &e->base, err);
}

static int read_uts(struct restore *r, struct ns *ns, struct err *err)
{
	bool found;

	if (ns->external)
		return 0;
	if (image_get_one(r->store, IMAGE_UTSNS, ns->id, r->arena, &ns->data, &found, err) < 0)
		return -err->code;
	if (!found)
		return err_set(err, ENOENT, "cannot read utsns-%u.img: there is no such image",
			       ns->id);
	return 0;
}

static int make_uts(struct restore *r, struct ns *ns, struct err *err)
{
	const UtsnsEntry *e = ns->data;

	if (ns->external)
		return 0;
	if (sethostname(e->nodename, strlen(e->nodename)) < 0 ||
	    setdomainname(e->domainname, strlen(e->domainname)) < 0)
		return err_sys(err, "cannot set the host name \"%s\"", e->nodename);
	return 0;
}

const struct ns_kind uts_ns_kind = {
	.name = "uts",
	.type = NS_UTS,
	.collect = collect_uts,
	.write = write_uts,
	.read = read_uts,
	.make = make_uts,
};
