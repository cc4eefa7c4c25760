/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipc - ipc namespaces: message queues of both sorts, semaphores, limits
 *
 * collect   from inside: the kernel lists its objects; /proc/sys shows the limits
 *           of the namespace of who looks
 * make      Each object gets its old number (msg_next_id, sem_next_id), key, owner
 *           and content. Limits are wide meanwhile
 * finish    when shared memory (mem/shmem.c) is there too: limits, next numbers
 *
 * not kept  which processes used an object last, and when; SEM_UNDO
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/ns.h"
#include "ns/ipc.h"

/* ---- limits ---- */

struct limit {
	const char *path; /* below /proc/sys */
	size_t at, has;	  /* offsets in IpcVarEntry; 0 in has: it is required */
	bool is_u64;
	bool is_next_id;
};

#define VAR(path, m)                                            \
	{                                                       \
		path, offsetof(IpcVarEntry, m), 0, false, false \
	}
#define VAR64(path, m)                                         \
	{                                                      \
		path, offsetof(IpcVarEntry, m), 0, true, false \
	}
#define MAY(path, m)                                                                         \
	{                                                                                    \
		path, offsetof(IpcVarEntry, m), offsetof(IpcVarEntry, has_##m), false, false \
	}
#define NEXT(path, m)                                                                       \
	{                                                                                   \
		path, offsetof(IpcVarEntry, m), offsetof(IpcVarEntry, has_##m), false, true \
	}

/* clang-format off */
static const struct limit limits[] = {
	VAR("kernel/msgmax", msg_ctlmax),
	VAR("kernel/msgmnb", msg_ctlmnb),
	VAR("kernel/msgmni", msg_ctlmni),
	VAR("kernel/auto_msgmni", auto_msgmni),
	VAR64("kernel/shmmax", shm_ctlmax),
	VAR64("kernel/shmall", shm_ctlall),
	VAR("kernel/shmmni", shm_ctlmni),
	VAR("kernel/shm_rmid_forced", shm_rmid_forced),
	VAR("fs/mqueue/queues_max", mq_queues_max),
	VAR("fs/mqueue/msg_max", mq_msg_max),
	VAR("fs/mqueue/msgsize_max", mq_msgsize_max),
	MAY("fs/mqueue/msg_default", mq_msg_default),
	MAY("fs/mqueue/msgsize_default", mq_msgsize_default),
	NEXT("kernel/msg_next_id", msg_next_id),
	NEXT("kernel/sem_next_id", sem_next_id),
	NEXT("kernel/shm_next_id", shm_next_id),
};
/* clang-format on */

enum { NR_LIMITS = sizeof(limits) / sizeof(limits[0]), SEM_LIMITS = 4 };

static char *get(int proc, struct arena *a, const char *sysctl)
{
	char *text;
	size_t len;

	if (io_slurp_at(proc, arena_printf(a, "sys/%s", sysctl), a, &text, &len) < 0 || !len)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static int set(struct restore *r, const char *sysctl, const char *value, struct err *err)
{
	const char *now = get(r->proc, r->arena, sysctl);
	scoped_fd fd = -1;

	if (now && strcmp(now, value) == 0)
		return 0;
	fd = openat(r->proc, arena_printf(r->arena, "sys/%s", sysctl), O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		err_sys(err, "cannot set /proc/sys/%s to %s", sysctl, value);
		return err_hint(err, "this kernel must have that setting, and allow that value");
	}
	return 0;
}

int ipc_allow(struct restore *r, const char *sysctl, uint64_t value, struct err *err)
{
	const char *now = get(r->proc, r->arena, sysctl);

	if (!now || strtoull(now, NULL, 10) >= value)
		return 0;
	return set(r, sysctl, arena_printf(r->arena, "%" PRIu64, value), err);
}

static void take_limit(struct dump *d, const struct limit *l, IpcVarEntry *v)
{
	const char *text = get(d->proc, d->arena, l->path);
	char *to = (char *)v + l->at;

	if (!text || (l->is_next_id && text[0] == '-'))
		return;
	if (l->is_u64)
		*(uint64_t *)to = strtoull(text, NULL, 10);
	else
		*(uint32_t *)to = (uint32_t)strtoul(text, NULL, 10);
	if (l->has)
		*(protobuf_c_boolean *)((char *)v + l->has) = 1;
}

static int collect_limits(struct dump *d, IpcVarEntry *v, struct err *err)
{
	const char *text = get(d->proc, d->arena, "kernel/sem");

	v->n_sem_ctls = SEM_LIMITS;
	v->sem_ctls = arena_array(d->arena, uint32_t, SEM_LIMITS);
	if (!text || sscanf(text, "%u %u %u %u", &v->sem_ctls[0], &v->sem_ctls[1], &v->sem_ctls[2],
			    &v->sem_ctls[3]) != SEM_LIMITS)
		return err_set(err, EPROTO, "cannot read /proc/sys/kernel/sem");
	for (size_t i = 0; i < NR_LIMITS; i++)
		take_limit(d, &limits[i], v);
	return 0;
}

static bool has_limit(const struct limit *l, const IpcVarEntry *v)
{
	return !l->has || *(const protobuf_c_boolean *)((const char *)v + l->has);
}

static uint64_t value_of(const struct limit *l, const IpcVarEntry *v)
{
	const char *at = (const char *)v + l->at;

	return l->is_u64 ? *(const uint64_t *)at : *(const uint32_t *)at;
}

/* No limit shall be lower while things are made than it will be. */
static int widen_limits(struct restore *r, const IpcVarEntry *v, struct err *err)
{
	for (size_t i = 0; i < NR_LIMITS; i++)
		if (has_limit(&limits[i], v) && !limits[i].is_next_id &&
		    strcmp(limits[i].path, "kernel/shm_rmid_forced") != 0 &&
		    ipc_allow(r, limits[i].path, value_of(&limits[i], v), err) < 0)
			return -err->code;
	return 0;
}

static int apply_limits(struct restore *r, const IpcVarEntry *v, struct err *err)
{
	if (v->n_sem_ctls == SEM_LIMITS &&
	    set(r, "kernel/sem",
		arena_printf(r->arena, "%u\t%u\t%u\t%u", v->sem_ctls[0], v->sem_ctls[1],
			     v->sem_ctls[2], v->sem_ctls[3]),
		err) < 0)
		return -err->code;
	for (size_t i = 0; i < NR_LIMITS; i++)
		if (has_limit(&limits[i], v) &&
		    set(r, limits[i].path,
			arena_printf(r->arena, "%" PRIu64, value_of(&limits[i], v)), err) < 0)
			return -err->code;
	return 0;
}

/* ---- what all objects have ---- */

IpcDescEntry *ipc_describe(struct dump *d, int id, const struct ipc_perm *perm)
{
	IpcDescEntry *desc = record_new(d, ipc_desc_entry);

	desc->id = (uint32_t)id;
	desc->key = (uint32_t)perm->__key;
	desc->uid = ns_uid_inside(d->ns, perm->uid);
	desc->gid = ns_gid_inside(d->ns, perm->gid);
	desc->cuid = ns_uid_inside(d->ns, perm->cuid);
	desc->cgid = ns_gid_inside(d->ns, perm->cgid);
	desc->mode = perm->mode & 0777;
	return desc;
}

bool ipc_is_sound(const IpcDescEntry *desc)
{
	return desc->id <= INT32_MAX && desc->mode <= 0777;
}

void ipc_owner(const IpcDescEntry *desc, struct ipc_perm *perm_ret)
{
	perm_ret->uid = desc->uid;
	perm_ret->gid = desc->gid;
	perm_ret->mode = (unsigned short)desc->mode;
}

/* By another user, who stays the creator whoever becomes the owner. */
static int get_as(const IpcDescEntry *desc, int (*make)(key_t key, int flags, uint32_t arg),
		  uint32_t arg)
{
	int flags = IPC_CREAT | IPC_EXCL | (int)desc->mode;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int dumpable = prctl(PR_GET_DUMPABLE), bits = prctl(PR_GET_SECUREBITS);
	int id = -1, saved;

	if (desc->cuid == uid && desc->cgid == gid)
		return make((key_t)desc->key, flags, arg);
	/* this bit keeps our capabilities */
	if (prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP) < 0)
		return -1;
	if (setegid(desc->cgid) == 0 && seteuid(desc->cuid) == 0)
		id = make((key_t)desc->key, flags, arg);
	saved = errno;
	if (seteuid(uid) < 0 || setegid(gid) < 0 || prctl(PR_SET_SECUREBITS, bits) < 0)
		return -1;
	prctl(PR_SET_DUMPABLE, dumpable);
	errno = saved;
	return id;
}

int ipc_make(struct restore *r, const char *what, const IpcDescEntry *desc,
	     int (*make)(key_t key, int flags, uint32_t arg), uint32_t arg, struct err *err)
{
	char sysctl[40];
	int id;

	snprintf(sysctl, sizeof(sysctl), "kernel/%s_next_id", what);
	if (set(r, sysctl, arena_printf(r->arena, "%u", desc->id), err) < 0)
		return -err->code;
	id = get_as(desc, make, arg);
	if (id < 0)
		return err_sys(err, "cannot make System V object %u (%s)", desc->id, what);
	if ((uint32_t)id != desc->id)
		return err_set(err, EEXIST, "cannot give System V object %u (%s) its number",
			       desc->id, what);
	return 0;
}

/* ---- the kind ---- */

static int collect_inside(struct dump *d, struct ipc_ns *n, struct err *err)
{
	if (collect_limits(d, n->vars, err) < 0 || ipc_msg_collect(d, n, err) < 0 ||
	    ipc_sem_collect(d, n, err) < 0)
		return -err->code;
	return ipc_posix_collect(d, n, err);
}

static int collect_ipc(struct dump *d, struct ns *ns, struct err *err)
{
	struct ipc_ns *n = ns->data = arena_new(d->arena, struct ipc_ns);
	struct err other = { 0 };
	struct ns_visit visit;
	int ret;

	if (ns->external)
		return 0;
	n->vars = record_new(d, ipc_var_entry);
	if (ns_enter_dump(d, ns, &visit, err) < 0)
		return -err->code;
	ret = collect_inside(d, n, err);
	if (ns_leave(&visit, &other) < 0 && ret == 0) {
		*err = other;
		ret = -err->code;
	}
	return ret;
}

static int write_ipc(struct dump *d, struct ns *ns, struct err *err)
{
	const struct ipc_ns *n = ns->data;

	if (ns->external)
		return 0;
	if (image_put_one(d->store, IMAGE_IPC_VAR, ns->id, &n->vars->base, err) < 0 ||
	    ipc_msg_write(d, ns, err) < 0)
		return -err->code;
	return ipc_sem_write(d, ns, err);
}

static int read_ipc(struct restore *r, struct ns *ns, struct err *err)
{
	struct ipc_ns *n = ns->data = arena_new(r->arena, struct ipc_ns);
	bool found;

	if (image_get_one(r->store, IMAGE_IPC_VAR, ns->id, r->arena, (void **)&n->vars, &found,
			  err) < 0 ||
	    ipc_msg_read(r, ns, err) < 0)
		return -err->code;
	return ipc_sem_read(r, ns, err);
}

static int make_ipc(struct restore *r, struct ns *ns, struct err *err)
{
	const struct ipc_ns *n = ns->data;

	if (ns->external)
		return 0;
	if ((n->vars && widen_limits(r, n->vars, err) < 0) || ipc_msg_make(r, n, err) < 0)
		return -err->code;
	if (ipc_sem_make(r, n, err) < 0)
		return -err->code;
	return n->vars ? ipc_posix_make(r, n, err) : 0;
}

static int finish_ipc(struct restore *r, struct ns *ns, struct err *err)
{
	const struct ipc_ns *n = ns->data;

	return n->vars && !ns->external ? apply_limits(r, n->vars, err) : 0;
}

const struct ns_kind ipc_ns_kind = {
	.name = "ipc",
	.type = NS_IPC,
	.collect = collect_ipc,
	.write = write_ipc,
	.read = read_ipc,
	.make = make_ipc,
	.finish = finish_ipc,
};
