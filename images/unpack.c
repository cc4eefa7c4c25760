/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unpack - bytes that may be hostile become a message
 *
 * protobuf-c finds most damage by itself, but says only NULL, takes unknown
 * values of enums, lets bytes that say so recurse until the stack ends, and
 * merges repeated occurrences of a message in quadratic time.  So the bytes are
 * walked first, along the descriptors and without memory; what passes is
 * unpacked by protobuf-c with a limit on what it may take.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "images/unpack.h"

enum { FIELDS_MAX = 128 };

/* The part of a message that has not been walked yet, and what was seen of it. */
struct walk {
	const ProtobufCMessageDescriptor *desc;
	const uint8_t *p, *end;
	unsigned depth;
	bool seen[FIELDS_MAX];
	struct err *err;
};

static int refuse(struct walk *w, const ProtobufCFieldDescriptor *f, const char *what)
{
	return err_set(w->err, EBADMSG, "%s%s%s %s", w->desc->name, f ? "." : "", f ? f->name : "",
		       what);
}

static bool take_varint(struct walk *w, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70 && w->p < w->end; shift += 7) {
		uint8_t byte = *w->p++;

		v |= (uint64_t)(byte & 0x7f) << (shift < 64 ? shift : 63);
		if (!(byte & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool skip(struct walk *w, uint64_t len)
{
	if (len > (uint64_t)(w->end - w->p))
		return false;
	w->p += len;
	return true;
}

static ProtobufCWireType wire_type_of(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return PROTOBUF_C_WIRE_TYPE_32BIT;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return PROTOBUF_C_WIRE_TYPE_64BIT;
	default:
		return PROTOBUF_C_WIRE_TYPE_VARINT;
	}
}

static bool is_known_value(const ProtobufCFieldDescriptor *f, uint64_t v)
{
	return v == (uint64_t)(int64_t)(int32_t)v &&
	       protobuf_c_enum_descriptor_get_value(f->descriptor, (int32_t)v);
}

/* A number, or what an unknown field has in place of one. */
static int walk_scalar(struct walk *w, const ProtobufCFieldDescriptor *f, ProtobufCWireType type)
{
	uint64_t v;

	if (type == PROTOBUF_C_WIRE_TYPE_32BIT)
		return skip(w, 4) ? 0 : refuse(w, f, "is cut off");
	if (type == PROTOBUF_C_WIRE_TYPE_64BIT)
		return skip(w, 8) ? 0 : refuse(w, f, "is cut off");
	if (type != PROTOBUF_C_WIRE_TYPE_VARINT)
		return refuse(w, f, "has a wire type that is not used");

	if (!take_varint(w, &v))
		return refuse(w, f, "is cut off");
	if (f && f->type == PROTOBUF_C_TYPE_ENUM && !is_known_value(f, v))
		return err_set(w->err, EBADMSG, "%s.%s has the unknown value %lld", w->desc->name,
			       f->name, (long long)v);
	return 0;
}

static int walk_message(const ProtobufCMessageDescriptor *desc, const uint8_t *p, size_t len,
			unsigned depth, struct err *err);

/* @f is a string, bytes, a message or a packed array of @len bytes. */
static int walk_bytes(struct walk *w, const ProtobufCFieldDescriptor *f, size_t len)
{
	const uint8_t *end = w->p + len, *whole = w->end;
	int ret = 0;

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return memchr(w->p, 0, len) ? refuse(w, f, "has a NUL inside") : 0;
	case PROTOBUF_C_TYPE_BYTES:
		return 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		return walk_message(f->descriptor, w->p, len, w->depth + 1, w->err);
	default:
		w->end = end;
		while (ret == 0 && w->p < end)
			ret = walk_scalar(w, f, wire_type_of(f));
		w->end = whole;
		return ret;
	}
}

/* Note that a field is there; it may be there twice only if it is repeated. */
static int note_field(struct walk *w, const ProtobufCFieldDescriptor *f)
{
	size_t i = (size_t)(f - w->desc->fields);

	if (w->seen[i] && f->label != PROTOBUF_C_LABEL_REPEATED)
		return refuse(w, f, "comes twice");
	w->seen[i] = true;
	return 0;
}

static int walk_field(struct walk *w)
{
	const ProtobufCFieldDescriptor *f;
	ProtobufCWireType type;
	uint64_t tag, len;
	const uint8_t *p;

	if (!take_varint(w, &tag))
		return refuse(w, NULL, "is cut off");
	if (tag >> 3 == 0 || tag >> 3 > (1 << 29) - 1)
		return refuse(w, NULL, "has an impossible field number");

	type = (ProtobufCWireType)(tag & 7);
	f = protobuf_c_message_descriptor_get_field(w->desc, (unsigned)(tag >> 3));
	if (f && note_field(w, f) < 0)
		return -w->err->code;

	if (type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
		if (f && type != wire_type_of(f))
			return refuse(w, f, "has the wrong wire type");
		return walk_scalar(w, f, type);
	}

	if (f && wire_type_of(f) != type && f->label != PROTOBUF_C_LABEL_REPEATED)
		return refuse(w, f, "has the wrong wire type");
	if (!take_varint(w, &len) || len > (uint64_t)(w->end - w->p))
		return refuse(w, f, "is cut off");
	p = w->p;
	if (f && walk_bytes(w, f, (size_t)len) < 0)
		return -w->err->code;
	w->p = p + len;
	return 0;
}

static int walk_message(const ProtobufCMessageDescriptor *desc, const uint8_t *p, size_t len,
			unsigned depth, struct err *err)
{
	struct walk w = { .desc = desc, .p = p, .end = p + len, .depth = depth, .err = err };

	assert(desc->n_fields <= FIELDS_MAX);
	if (depth > UNPACK_DEPTH)
		return refuse(&w, NULL, "is nested too deeply");

	while (w.p < w.end)
		if (walk_field(&w) < 0)
			return -err->code;

	for (unsigned i = 0; i < desc->n_fields; i++)
		if (desc->fields[i].label == PROTOBUF_C_LABEL_REQUIRED && !w.seen[i])
			return refuse(&w, &desc->fields[i], "is missing");
	return 0;
}

/*
 * protobuf-c's allocator over an arena.  It also frees what it only needs
 * meanwhile: lists of fields, large, and several times what stays.
 */
enum { LARGE = 1024, NR_LARGE = 16 };

struct budget {
	struct arena *arena;
	size_t left;
	bool is_spent;
	struct {
		void *piece;
		size_t size;
	} large[NR_LARGE]; /* the last ones */
	size_t nr_large;
};

static void *budget_alloc(void *data, size_t size)
{
	struct budget *b = data;
	void *piece;

	if (size > b->left) {
		b->is_spent = true;
		return NULL;
	}
	b->left -= size;
	piece = arena_alloc(b->arena, size ? size : 1);
	if (size >= LARGE) {
		size_t i = b->nr_large++ % NR_LARGE;

		b->large[i].piece = piece;
		b->large[i].size = size;
	}
	return piece;
}

static void budget_free(void *data, void *ptr)
{
	struct budget *b = data;

	for (size_t i = 0; ptr && i < NR_LARGE; i++) {
		if (b->large[i].piece != ptr)
			continue;
		arena_give_back(b->arena, ptr, b->large[i].size);
		b->large[i].piece = NULL;
		return;
	}
}

int message_unpack(struct arena *a, const ProtobufCMessageDescriptor *desc, const void *buf,
		   size_t len, void **msg_ret, struct err *err)
{
	struct budget budget = { .arena = a, .left = len * 64 + (1 << 20) };
	ProtobufCAllocator allocator = { budget_alloc, budget_free, &budget };
	void *msg;

	if (len > UNPACK_MAX)
		return err_set(err, EBADMSG, "%s of %zu bytes is too large", desc->name, len);
	if (walk_message(desc, buf, len, 0, err) < 0)
		return -err->code;

	msg = protobuf_c_message_unpack(desc, &allocator, len, buf);
	if (!msg)
		return err_set(err, EBADMSG, "%s %s", desc->name,
			       budget.is_spent ? "takes too much memory" : "is not protobuf");

	*msg_ret = msg;
	return 0;
}
