/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sock_ns - the network namespace of a socket
 *
 * It is that of its maker, who may have gone elsewhere. SIOCGSKNS opens it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/record.h"
#include "core/sock_ns.h"
#include "core/task.h"

enum { MISC_MAJOR = 10, TUN_MINOR = 200 };

/* Those that have ns_id in their records. */
static bool has_place(const struct fd_probe *p)
{
	if (p->fd < 0 || p->flags & O_PATH)
		return false;
	return S_ISSOCK(p->st.st_mode) ||
	       (S_ISCHR(p->st.st_mode) && p->st.st_rdev == makedev(MISC_MAJOR, TUN_MINOR));
}

int sock_ns_find(struct dump *d, const struct fd_probe *p, struct ns **ns_ret, struct err *err)
{
	*ns_ret = NULL;
	if (!has_place(p))
		return 0;

	scoped_fd fd = ioctl(p->own, SIOCGSKNS);

	if (fd < 0)
		return err_sys(err, "cannot ask for the network namespace of a socket");
	return ns_of_fd(d, NS_NET, fd, ns_ret, err);
}

static uint32_t *place_of(const FileEntry *fe, protobuf_c_boolean **has_ret)
{
	ProtobufCMessage *m = record_of_file(fe);
	const ProtobufCFieldDescriptor *f =
		m ? protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "ns_id") : NULL;

	if (!f || f->type != PROTOBUF_C_TYPE_UINT32 || f->label != PROTOBUF_C_LABEL_OPTIONAL)
		return NULL;
	*has_ret = (protobuf_c_boolean *)((char *)m + f->quantifier_offset);
	return (uint32_t *)((char *)m + f->offset);
}

void sock_ns_record(struct dump *d, FileEntry *fe, const struct ns *ns)
{
	protobuf_c_boolean *has;
	uint32_t *id = place_of(fe, &has);

	if (!id)
		return;
	*has = ns || d->our_ids->has_net_ns_id;
	*id = ns ? ns->id : d->our_ids->net_ns_id;
}

int sock_ns_enter_dump(struct dump *d, struct ns *ns, struct ns_visit *visit, struct err *err)
{
	d->netns = ns;
	return ns_enter_dump(d, ns, visit, err);
}

int sock_ns_leave_dump(struct dump *d, struct ns_visit *visit, int ret, struct err *err)
{
	struct err other = { 0 };

	d->netns = NULL;
	if (ns_leave(visit, &other) == 0)
		return ret;
	*err = other;
	return -err->code;
}

int sock_ns_read(struct restore *r, const struct file *f, struct err *err)
{
	protobuf_c_boolean *has;
	const uint32_t *id = place_of(f->image, &has);

	return id && *has ? ns_need(r, NS_NET, *id, err) : 0;
}

/* Records without a place are of sockets that their task would make where it is. */
static struct ns *ns_of_file(const struct restore *r, const struct file *f, const struct task *t)
{
	protobuf_c_boolean *has;
	const uint32_t *id = place_of(f->image, &has);

	return id && *has ? ns_by_id(r->ns, NS_NET, *id) : ns_of_task(r->ns, t, NS_NET);
}

bool sock_ns_is_elsewhere(const struct restore *r, const struct file *f)
{
	return r->ns->root[NS_NET] || ns_of_file(r, f, f->owner ? f->owner : r->tree->root) != NULL;
}

/* That which the coordinator and the root task are in, but not this task. */
static int enter_inherited(struct restore *r, struct ns_visit *visit, struct err *err)
{
	*visit = (struct ns_visit){ .type = NS_NET, .root = -1, .cwd = -1 };
	visit->back = openat(r->proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
	if (visit->back >= 0 && setns(r->coordinator, CLONE_NEWNET) == 0)
		return 0;
	return err_sys(err, "cannot enter the network namespace of the root task");
}

int sock_ns_enter_restore(struct restore *r, const struct file *f, struct ns_visit *visit,
			  struct err *err)
{
	const struct ns *own = ns_of_task(r->ns, r->self, NS_NET), *ns = ns_of_file(r, f, r->self);

	if (ns || !own)
		return ns_enter_restore(r, ns == own ? NULL : ns, visit, err);
	return enter_inherited(r, visit, err);
}
