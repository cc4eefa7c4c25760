/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * show_payload - what follows an entry without being a message
 *
 * Mostly bytes, as many as a field of the entry says (a "blob"); semaphores are
 * numbers, and messages of System V are a frame and bytes each.  The shapes are
 * those of crit.
 *
 * Where a field says how much there is, JSON that has another amount is
 * refused: nobody could read the image.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "images/bpfmap-data.pb-c.h"
#include "images/ghost-file.pb-c.h"
#include "images/ipc-msg.pb-c.h"
#include "images/ipc-sem.pb-c.h"
#include "images/ipc-shm.pb-c.h"
#include "images/pipe-data.pb-c.h"
#include "images/sk-packet.pb-c.h"
#include "images/tcp-stream.pb-c.h"
#include "show_form.h"
#include "show_message.h"
#include "show_payload.h"

/* How many zero bytes follow @len bytes. */
static size_t padding(uint64_t len, unsigned align)
{
	return (align - len % align) % align;
}

static int put_padding(struct image *img, uint64_t len, unsigned align, struct err *err)
{
	static const char zeros[8];

	return image_put_raw(img, zeros, padding(len, align), err);
}

/* ---- blobs ---- */

struct blob {
	uint64_t len;
	unsigned align; /* padded with zeros to a multiple of this */
	bool to_the_end;
};

/* False: the entry has no blob. */
static bool blob_of(enum image_type type, const ProtobufCMessage *entry, struct blob *b)
{
	*b = (struct blob){ .align = 1 };

	switch (type) {
	case IMAGE_PIPES_DATA:
	case IMAGE_FIFO_DATA:
		b->len = ((const PipeDataEntry *)entry)->bytes;
		return true;
	case IMAGE_SK_QUEUES:
		b->len = ((const SkPacketEntry *)entry)->length;
		return true;
	case IMAGE_BPFMAP_DATA:
		b->len = (uint64_t)((const BpfmapDataEntry *)entry)->keys_bytes +
			 ((const BpfmapDataEntry *)entry)->values_bytes;
		return true;
	case IMAGE_IPCNS_SHM:
		b->len = ((const IpcShmEntry *)entry)->in_pagemaps
				 ? 0
				 : ((const IpcShmEntry *)entry)->size;
		b->align = 4;
		return true;
	case IMAGE_GHOST_FILE:
		if (entry->descriptor == &ghost_chunk_entry__descriptor)
			b->len = ((const GhostChunkEntry *)entry)->len;
		else
			b->to_the_end = !((const GhostFileEntry *)entry)->chunks;
		return b->to_the_end || entry->descriptor == &ghost_chunk_entry__descriptor;
	default:
		return false;
	}
}

static int write_bytes(struct json_out *o, struct image *img, uint64_t len, struct err *err)
{
	uint8_t buffer[BASE64_LINE * 512];

	putc('"', o->f);
	while (len > 0) {
		size_t n = len < sizeof(buffer) ? (size_t)len : sizeof(buffer);

		if (image_get_raw(img, buffer, n, err) < 0)
			return -err->code;
		json_base64_piece(o, buffer, n);
		len -= n;
	}
	putc('"', o->f);
	return 0;
}

/* "17B", "1.5KB" */
static void write_amount(struct json_out *o, uint64_t len)
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)len;
	size_t unit = 0;

	for (; v >= 1024; v /= 1024)
		unit++;
	json_key(o, "extra");
	json_number(o, v == (double)(uint64_t)v ? "\"... <%.0f%s>\"" : "\"... <%.1f%s>\"", v,
		    units[unit]);
}

static int write_blob(struct json_out *o, struct image *img, struct blob b, bool brief,
		      struct err *err)
{
	if (b.to_the_end)
		b.len = (uint64_t)image_left(img);
	if (!brief) {
		json_key(o, "extra");
		if (write_bytes(o, img, b.len, err) < 0)
			return -err->code;
		return image_skip(img, padding(b.len, b.align), err);
	}
	if (image_skip(img, b.len, err) < 0)
		return -err->code;
	write_amount(o, b.len);
	return image_skip(img, padding(b.len, b.align), err);
}

/* Bytes from a string, of which @wanted are to be there. */
static int put_bytes(struct arena *a, struct image *img, const struct json *s, uint64_t wanted,
		     struct err *err)
{
	void *bytes = NULL;
	size_t len = 0;

	if (s && (s->type != JSON_STRING || !json_unbase64(a, s, &bytes, &len)))
		return err_set(err, EBADMSG, "extra is not base64");
	if (len != wanted)
		return err_set(err, EBADMSG, "extra has %zu bytes where the entry says %" PRIu64,
			       len, wanted);
	return image_put_raw(img, bytes, len, err);
}

static int put_blob(struct arena *a, struct image *img, struct blob b, const struct json *extra,
		    struct err *err)
{
	void *bytes = NULL;
	size_t len = 0;

	if (!b.to_the_end)
		return put_bytes(a, img, extra, b.len, err) < 0
			       ? -err->code
			       : put_padding(img, b.len, b.align, err);
	if (extra && (extra->type != JSON_STRING || !json_unbase64(a, extra, &bytes, &len)))
		return err_set(err, EBADMSG, "extra is not base64");
	return image_put_raw(img, bytes, len, err);
}

/* ---- TCP: two queues ---- */

static int write_queues(struct json_out *o, struct image *img, const TcpStreamEntry *t, bool brief,
			struct err *err)
{
	uint64_t len = (uint64_t)t->inq_len + t->outq_len;

	if (brief) {
		write_amount(o, len);
		return image_skip(img, len, err);
	}
	json_key(o, "extra");
	json_open(o, '{');
	json_key(o, "inq");
	if (write_bytes(o, img, t->inq_len, err) < 0)
		return -err->code;
	json_key(o, "outq");
	if (write_bytes(o, img, t->outq_len, err) < 0)
		return -err->code;
	json_close(o, '}');
	return 0;
}

static int put_queues(struct arena *a, struct image *img, const TcpStreamEntry *t,
		      const struct json *extra, struct err *err)
{
	bool object = extra && extra->type == JSON_OBJECT;
	const struct json *in = object ? json_get(extra, "inq") : NULL;
	const struct json *out = object ? json_get(extra, "outq") : NULL;

	if (extra && (!object || extra->len != (size_t) !!in + !!out))
		return err_set(err, EBADMSG, "extra is not an object of inq and outq");
	if (put_bytes(a, img, in, t->inq_len, err) < 0)
		return err_in(err, "inq");
	if (put_bytes(a, img, out, t->outq_len, err) < 0)
		return err_in(err, "outq");
	return 0;
}

/* ---- semaphores: numbers of 16 bits ---- */

static int write_semaphores(struct json_out *o, struct image *img, const IpcSemEntry *e, bool brief,
			    struct err *err)
{
	uint64_t len = (uint64_t)e->nsems * sizeof(uint16_t);
	uint16_t v;

	if (brief) {
		write_amount(o, len);
		return image_skip(img, len + padding(len, 8), err);
	}
	json_key(o, "extra");
	json_open(o, '[');
	for (uint32_t i = 0; i < e->nsems; i++) {
		if (image_get_raw(img, &v, sizeof(v), err) < 0)
			return -err->code;
		json_item(o);
		json_number(o, "%u", v);
	}
	json_close(o, ']');
	return image_skip(img, padding(len, 8), err);
}

static int put_semaphores(struct image *img, const IpcSemEntry *e, const struct json *extra,
			  struct err *err)
{
	size_t n = extra ? extra->len : 0;
	bool negative;
	uint64_t v;

	if ((extra && extra->type != JSON_ARRAY) || n != e->nsems)
		return err_set(err, EBADMSG, "extra is not an array of %u numbers", e->nsems);
	for (const struct json *i = extra ? extra->first : NULL; i; i = i->next) {
		uint16_t word;

		if (i->type != JSON_NUMBER || !form_read_number(i->text, &negative, &v) ||
		    negative || v > UINT16_MAX)
			return err_set(err, EBADMSG, "extra has something that is no semaphore");
		word = (uint16_t)v;
		if (image_put_raw(img, &word, sizeof(word), err) < 0)
			return -err->code;
	}
	return put_padding(img, n * sizeof(uint16_t), 8, err);
}

/* ---- message queues: an entry and bytes for each message, one after the other ---- */

static int write_message(struct json_out *o, struct image *img, bool brief, uint64_t *len,
			 struct err *err)
{
	void *msg = NULL;
	IpcMsg *m;
	int ret = image_get(img, &ipc_msg__descriptor, &msg, err);

	if (ret == 0)
		err_set(err, EBADMSG, "cannot read %s: a message is missing", image_name(img));
	if (ret <= 0)
		return -err->code;
	m = msg;
	*len += ipc_msg__get_packed_size(m) + m->msize;
	if (brief)
		return image_skip(img, m->msize + padding(m->msize, 8), err);

	json_item(o);
	json_open(o, '{');
	message_write(o, &m->base);
	json_close(o, '}');
	json_item(o);
	if (write_bytes(o, img, m->msize, err) < 0)
		return -err->code;
	return image_skip(img, padding(m->msize, 8), err);
}

static int write_messages(struct json_out *o, struct image *img, const IpcMsgEntry *e, bool brief,
			  struct err *err)
{
	uint64_t len = 0;

	if (!brief) {
		json_key(o, "extra");
		json_open(o, '[');
	}
	for (uint32_t i = 0; i < e->qnum; i++)
		if (write_message(o, img, brief, &len, err) < 0)
			return -err->code;
	if (brief)
		write_amount(o, len);
	else
		json_close(o, ']');
	return 0;
}

static int put_messages(struct arena *a, struct image *img, const IpcMsgEntry *e,
			const struct json *extra, struct err *err)
{
	size_t n = extra ? extra->len : 0;
	ProtobufCMessage *msg;

	if ((extra && extra->type != JSON_ARRAY) || n != (uint64_t)e->qnum * 2)
		return err_set(err, EBADMSG, "extra is not an array of %u messages and their bytes",
			       e->qnum);
	for (const struct json *i = extra ? extra->first : NULL; i; i = i->next->next) {
		if (i->type != JSON_OBJECT)
			return err_set(err, EBADMSG, "extra has no message where one should be");
		if (message_read(a, &ipc_msg__descriptor, i, NULL, &msg, err) < 0 ||
		    image_put(img, msg, err) < 0 ||
		    put_bytes(a, img, i->next, ((IpcMsg *)msg)->msize, err) < 0 ||
		    put_padding(img, ((IpcMsg *)msg)->msize, 8, err) < 0)
			return -err->code;
	}
	return 0;
}

/* ---- all of them ---- */

bool payload_is_known(enum image_type type)
{
	return image_info(type)->payload && image_info(type)->entries != ENTRIES_RAW;
}

bool payload_is_last(enum image_type type, const ProtobufCMessage *entry)
{
	struct blob b;

	return blob_of(type, entry, &b) && b.to_the_end;
}

int payload_write(struct json_out *o, enum image_type type, struct image *img,
		  const ProtobufCMessage *entry, bool brief, struct err *err)
{
	struct blob b;

	if (blob_of(type, entry, &b))
		return write_blob(o, img, b, brief, err);
	switch (type) {
	case IMAGE_TCP_STREAM:
		return write_queues(o, img, (const TcpStreamEntry *)entry, brief, err);
	case IMAGE_IPCNS_SEM:
		return write_semaphores(o, img, (const IpcSemEntry *)entry, brief, err);
	case IMAGE_IPCNS_MSG:
		return write_messages(o, img, (const IpcMsgEntry *)entry, brief, err);
	default:
		return 0;
	}
}

int payload_read(struct arena *a, enum image_type type, struct image *img,
		 const ProtobufCMessage *entry, const struct json *extra, struct err *err)
{
	struct blob b;

	if (blob_of(type, entry, &b))
		return put_blob(a, img, b, extra, err);
	switch (type) {
	case IMAGE_TCP_STREAM:
		return put_queues(a, img, (const TcpStreamEntry *)entry, extra, err);
	case IMAGE_IPCNS_SEM:
		return put_semaphores(img, (const IpcSemEntry *)entry, extra, err);
	case IMAGE_IPCNS_MSG:
		return put_messages(a, img, (const IpcMsgEntry *)entry, extra, err);
	default:
		if (extra)
			return err_set(err, EBADMSG, "extra has no place here");
		return 0;
	}
}
