/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipc_msg - System V message queues and what waits in them
 *
 * Messages are read with MSG_COPY, which leaves them where they are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>

#include "base/cleanup.h"
#include "ns/ipc.h"

#ifndef MSG_STAT_ANY
#define MSG_STAT_ANY 13
#endif

enum { PAD = 8 };

struct wire {
	long type;
	char text[];
};

static size_t padding(size_t len)
{
	return (PAD - len % PAD) % PAD;
}

/* ---- dump ---- */

static int take_message(struct dump *d, int id, int n, size_t max, struct ipc_message *m,
			struct err *err)
{
	scoped_ptr struct wire *buf = malloc(sizeof(*buf) + max);
	ssize_t len;

	if (!buf)
		return err_set(err, ENOMEM, "cannot read a message of %zu bytes", max);
	len = msgrcv(id, buf, max, n, MSG_COPY | IPC_NOWAIT | MSG_NOERROR);
	if (len < 0) {
		err_sys(err, "cannot copy message %d of queue %d", n, id);
		return err_hint(err, "this kernel must have CONFIG_CHECKPOINT_RESTORE");
	}
	m->head = record_new(d, ipc_msg);
	m->head->mtype = (uint64_t)buf->type;
	m->head->msize = (uint32_t)len;
	m->text = arena_dup(d->arena, buf->text, (size_t)len);
	return 0;
}

static int take_queue(struct dump *d, struct ipc_ns *n, int id, const struct msqid_ds *ds,
		      struct err *err)
{
	struct ipc_queue *q = vec_add(d->arena, &n->queues);
	size_t max = ds->__msg_cbytes;

	q->e = record_new(d, ipc_msg_entry);
	q->e->desc = ipc_describe(d, id, &ds->msg_perm);
	q->e->qbytes = (uint32_t)ds->msg_qbytes;
	q->e->qnum = (uint32_t)ds->msg_qnum;
	for (uint32_t i = 0; i < q->e->qnum; i++)
		if (take_message(d, id, (int)i, max, vec_add(d->arena, &q->messages), err) < 0)
			return -err->code;
	return 0;
}

int ipc_msg_collect(struct dump *d, struct ipc_ns *n, struct err *err)
{
	struct msginfo info;
	int last = msgctl(0, MSG_INFO, (struct msqid_ds *)&info);

	if (last < 0)
		return err_sys(err, "cannot list message queues");
	for (int i = 0; i <= last; i++) {
		struct msqid_ds ds;
		int id = msgctl(i, MSG_STAT_ANY, &ds);

		if (id >= 0 && take_queue(d, n, id, &ds, err) < 0)
			return -err->code;
	}
	return 0;
}

static int put_queue(struct image *img, const struct ipc_queue *q, struct err *err)
{
	static const char zeros[PAD];
	const struct ipc_message *m;

	if (image_put(img, &q->e->base, err) < 0)
		return -err->code;
	vec_for_each(m, &q->messages) {
		size_t len = m->head->msize;

		if (image_put(img, &m->head->base, err) < 0 ||
		    (len && image_put_raw(img, m->text, len, err) < 0) ||
		    (padding(len) && image_put_raw(img, zeros, padding(len), err) < 0))
			return -err->code;
	}
	return 0;
}

int ipc_msg_write(struct dump *d, const struct ns *ns, struct err *err)
{
	const struct ipc_ns *n = ns->data;
	const struct ipc_queue *q;
	scoped_image *img = NULL;

	if (image_create(d->store, IMAGE_IPCNS_MSG, ns->id, &img, err) < 0)
		return -err->code;
	vec_for_each(q, &n->queues)
		if (put_queue(img, q, err) < 0)
			return -err->code;
	return image_close(take_ptr(img), err);
}

/* ---- restore ---- */

static int get_message(struct restore *r, struct image *img, struct ipc_message *m, struct err *err)
{
	char zeros[PAD];
	int got = image_get(img, &ipc_msg__descriptor, (void **)&m->head, err);

	if (got < 0)
		return got;
	if (got == 0 || (int64_t)m->head->msize > image_left(img) || (int64_t)m->head->mtype < 1)
		return err_set(err, EBADMSG, "cannot read a message from %s", image_name(img));
	m->text = arena_alloc(r->arena, m->head->msize);
	if (m->head->msize && image_get_raw(img, m->text, m->head->msize, err) < 0)
		return -err->code;
	return padding(m->head->msize) ? image_get_raw(img, zeros, padding(m->head->msize), err)
				       : 0;
}

int ipc_msg_read(struct restore *r, const struct ns *ns, struct err *err)
{
	struct ipc_ns *n = ns->data;
	scoped_image *img = NULL;
	IpcMsgEntry *e;
	bool found;
	int got;

	if (image_open(r->store, IMAGE_IPCNS_MSG, ns->id, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	while ((got = image_get(img, &ipc_msg_entry__descriptor, (void **)&e, err)) > 0) {
		struct ipc_queue *q = vec_add(r->arena, &n->queues);

		q->e = e;
		if (!ipc_is_sound(e->desc))
			return err_set(err, EBADMSG, "cannot understand queue %u in %s",
				       e->desc->id, image_name(img));
		for (uint32_t i = 0; i < e->qnum; i++)
			if (get_message(r, img, vec_add(r->arena, &q->messages), err) < 0)
				return -err->code;
	}
	return got;
}

static int get_queue(key_t key, int flags, uint32_t arg)
{
	return msgget(key, flags);
}

static int send_message(int id, const struct ipc_message *m, struct err *err)
{
	scoped_ptr struct wire *buf = malloc(sizeof(*buf) + m->head->msize);

	if (!buf)
		return err_set(err, ENOMEM, "cannot send a message of %u bytes", m->head->msize);
	buf->type = (long)m->head->mtype;
	memcpy(buf->text, m->text, m->head->msize);
	if (msgsnd(id, buf, m->head->msize, IPC_NOWAIT) < 0)
		return err_sys(err, "cannot put a message of %u bytes into queue %d",
			       m->head->msize, id);
	return 0;
}

/* Owner, mode, and how much may be in it. */
static int set_queue(const IpcMsgEntry *e, uint64_t bytes, struct err *err)
{
	struct msqid_ds ds = { .msg_qbytes = bytes };

	ipc_owner(e->desc, &ds.msg_perm);
	if (msgctl((int)e->desc->id, IPC_SET, &ds) < 0)
		return err_sys(err, "cannot set the owner and size of message queue %u",
			       e->desc->id);
	return 0;
}

static int make_queue(struct restore *r, const struct ipc_queue *q, struct err *err)
{
	const struct ipc_message *m;
	uint64_t bytes = 0, longest = 0;

	vec_for_each(m, &q->messages) {
		bytes += m->head->msize;
		longest = m->head->msize > longest ? m->head->msize : longest;
	}
	if (bytes < q->e->qbytes)
		bytes = q->e->qbytes;
	/* the number of messages is limited by the same number */
	if (bytes < q->e->qnum)
		bytes = q->e->qnum;
	if (ipc_allow(r, "kernel/msgmax", longest, err) < 0 ||
	    ipc_allow(r, "kernel/msgmnb", bytes, err) < 0 ||
	    ipc_make(r, "msg", q->e->desc, get_queue, 0, err) < 0 ||
	    set_queue(q->e, bytes, err) < 0)
		return -err->code;
	vec_for_each(m, &q->messages)
		if (send_message((int)q->e->desc->id, m, err) < 0)
			return -err->code;
	return set_queue(q->e, q->e->qbytes, err);
}

int ipc_msg_make(struct restore *r, const struct ipc_ns *n, struct err *err)
{
	const struct ipc_queue *q;

	vec_for_each(q, &n->queues)
		if (make_queue(r, q, err) < 0)
			return -err->code;
	return 0;
}
