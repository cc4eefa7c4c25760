/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipc_sem - System V semaphores and their values
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sem.h>

#include "base/cleanup.h"
#include "ns/ipc.h"

#ifndef SEM_STAT_ANY
#define SEM_STAT_ANY 20
#endif

enum { PAD = 8 };

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static size_t padding(size_t len)
{
	return (PAD - len % PAD) % PAD;
}

/* ---- dump ---- */

static int take_sems(struct dump *d, struct ipc_ns *n, int id, const struct semid_ds *ds,
		     struct err *err)
{
	struct ipc_sems *s = vec_add(d->arena, &n->sems);
	union semun arg;

	s->e = record_new(d, ipc_sem_entry);
	s->e->desc = ipc_describe(d, id, &ds->sem_perm);
	s->e->nsems = (uint32_t)ds->sem_nsems;
	s->values = arg.array = arena_array(d->arena, uint16_t, s->e->nsems);
	if (semctl(id, 0, GETALL, arg) < 0)
		return err_sys(err, "cannot read the values of semaphores %d", id);
	return 0;
}

int ipc_sem_collect(struct dump *d, struct ipc_ns *n, struct err *err)
{
	struct seminfo info;
	union semun arg = { .info = &info };
	int last = semctl(0, 0, SEM_INFO, arg);

	if (last < 0)
		return err_sys(err, "cannot list semaphores");
	for (int i = 0; i <= last; i++) {
		struct semid_ds ds;
		int id;

		arg.buf = &ds;
		id = semctl(i, 0, SEM_STAT_ANY, arg);
		if (id >= 0 && take_sems(d, n, id, &ds, err) < 0)
			return -err->code;
	}
	return 0;
}

int ipc_sem_write(struct dump *d, const struct ns *ns, struct err *err)
{
	static const char zeros[PAD];
	const struct ipc_ns *n = ns->data;
	const struct ipc_sems *s;
	scoped_image *img = NULL;

	if (image_create(d->store, IMAGE_IPCNS_SEM, ns->id, &img, err) < 0)
		return -err->code;
	vec_for_each(s, &n->sems) {
		size_t len = s->e->nsems * sizeof(*s->values);

		if (image_put(img, &s->e->base, err) < 0 ||
		    image_put_raw(img, s->values, len, err) < 0 ||
		    (padding(len) && image_put_raw(img, zeros, padding(len), err) < 0))
			return -err->code;
	}
	return image_close(take_ptr(img), err);
}

/* ---- restore ---- */

int ipc_sem_read(struct restore *r, const struct ns *ns, struct err *err)
{
	struct ipc_ns *n = ns->data;
	scoped_image *img = NULL;
	IpcSemEntry *e;
	bool found;
	int got;

	if (image_open(r->store, IMAGE_IPCNS_SEM, ns->id, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	while ((got = image_get(img, &ipc_sem_entry__descriptor, (void **)&e, err)) > 0) {
		struct ipc_sems *s = vec_add(r->arena, &n->sems);
		size_t len = e->nsems * sizeof(*s->values);
		char zeros[PAD];

		s->e = e;
		if (!ipc_is_sound(e->desc) || !e->nsems || (int64_t)len > image_left(img))
			return err_set(err, EBADMSG, "cannot understand semaphores %u in %s",
				       e->desc->id, image_name(img));
		s->values = arena_array(r->arena, uint16_t, e->nsems);
		if (image_get_raw(img, s->values, len, err) < 0 ||
		    (padding(len) && image_get_raw(img, zeros, padding(len), err) < 0))
			return -err->code;
	}
	return got;
}

static int get_sems(key_t key, int flags, uint32_t nsems)
{
	return semget(key, (int)nsems, flags);
}

static int make_sems(struct restore *r, const struct ipc_sems *s, struct err *err)
{
	struct semid_ds ds = { 0 };
	union semun values = { .array = s->values }, owner = { .buf = &ds };
	int id = (int)s->e->desc->id;

	if (ipc_make(r, "sem", s->e->desc, get_sems, s->e->nsems, err) < 0)
		return -err->code;
	ipc_owner(s->e->desc, &ds.sem_perm);
	if (semctl(id, 0, SETALL, values) < 0 || semctl(id, 0, IPC_SET, owner) < 0)
		return err_sys(err, "cannot set the values and owner of semaphores %d", id);
	return 0;
}

int ipc_sem_make(struct restore *r, const struct ipc_ns *n, struct err *err)
{
	const struct ipc_sems *s;

	vec_for_each(s, &n->sems)
		if (make_sems(r, s, err) < 0)
			return -err->code;
	return 0;
}
