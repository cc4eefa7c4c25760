/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * show_message_read - a message from JSON, led by its descriptor
 *
 * What message_unpack() promises of messages from images is kept here too: all
 * required fields are there, enums have a known value, strings have no NUL.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "show_form.h"
#include "show_message.h"

/* Where we are. */
struct spot {
	struct arena *arena;
	const ProtobufCMessageDescriptor *desc;
	const ProtobufCFieldDescriptor *f;
	const struct form *form;
	struct err *err;
};

static int refuse(const struct spot *s, const char *what)
{
	return err_set(s->err, EBADMSG, "%s.%s %s", s->desc->name, s->f->name, what);
}

/* ---- numbers ---- */

static int read_number(const struct spot *s, const struct json *v, bool *negative, uint64_t *ret)
{
	*negative = false;
	if (v->type == JSON_NUMBER || v->type == JSON_STRING) {
		if (!memchr(v->text, 0, v->len) &&
		    (form_read_number(v->text, negative, ret) ||
		     (v->type == JSON_STRING && form_read(s->form, v->text, ret))))
			return 0;
	}
	return refuse(s, "is not a whole number, and nothing that stands for one");
}

static int read_signed(const struct spot *s, const struct json *v, int64_t min, int64_t *ret)
{
	uint64_t n = 0, max = (uint64_t) - (min + 1); /* -min does not fit the type */
	bool negative;

	if (read_number(s, v, &negative, &n) < 0)
		return -s->err->code;
	if (n > max + negative)
		return refuse(s, "is out of range");
	*ret = negative ? (int64_t)-n : (int64_t)n;
	return 0;
}

static int read_unsigned(const struct spot *s, const struct json *v, uint64_t max, uint64_t *ret)
{
	bool negative;
	uint64_t n = 0;

	if (read_number(s, v, &negative, &n) < 0)
		return -s->err->code;
	if ((negative && n) || n > max)
		return refuse(s, "is out of range");
	*ret = n;
	return 0;
}

static int read_bool(const struct spot *s, const struct json *v, protobuf_c_boolean *ret)
{
	if (v->type != JSON_BOOL)
		return refuse(s, "is neither true nor false");
	*ret = v->yes;
	return 0;
}

/* By name; numbers are taken too, if they are known. */
static int read_enum(const struct spot *s, const struct json *v, int *ret)
{
	const ProtobufCEnumDescriptor *desc = s->f->descriptor;
	const ProtobufCEnumValue *known = NULL;
	int64_t n;

	if (v->type == JSON_STRING)
		known = protobuf_c_enum_descriptor_get_value_by_name(desc, v->text);
	else if (v->type == JSON_NUMBER && read_signed(s, v, INT32_MIN, &n) == 0)
		known = protobuf_c_enum_descriptor_get_value(desc, (int)n);
	if (!known)
		return refuse(s, "has no such value");
	*ret = known->value;
	return 0;
}

/* ---- text and bytes ---- */

static int read_string(const struct spot *s, const struct json *v, char **ret)
{
	if (v->type != JSON_STRING)
		return refuse(s, "is not a string");
	if (memchr(v->text, 0, v->len))
		return refuse(s, "has a NUL inside");
	*ret = (char *)v->text;
	return 0;
}

static int read_bytes(const struct spot *s, const struct json *v, ProtobufCBinaryData *ret)
{
	bool quoted = s->form && s->form->kind == FORM_UNIX_NAME;
	void *bytes;
	size_t len;

	if (v->type != JSON_STRING)
		return refuse(s, "is not a string");
	if (quoted ? !json_unquote_printable(s->arena, v, &bytes, &len)
		   : !json_unbase64(s->arena, v, &bytes, &len))
		return refuse(s, quoted ? "is not quoted-printable" : "is not base64");
	ret->data = bytes;
	ret->len = len;
	return 0;
}

/* ---- fields ---- */

static int read_members(struct arena *a, const ProtobufCMessageDescriptor *desc,
			const struct json *object, const char *except, ProtobufCMessage **msg_ret,
			struct err *err);

static int read_message(const struct spot *s, const struct json *v, ProtobufCMessage **ret)
{
	if (v->type != JSON_OBJECT)
		return refuse(s, "is not an object");
	return read_members(s->arena, s->f->descriptor, v, NULL, ret, s->err);
}

static int read_value(const struct spot *s, const struct json *v, void *at)
{
	uint64_t u = 0;
	int64_t i = 0;
	int ret;

	switch (s->f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		ret = read_signed(s, v, INT32_MIN, &i);
		*(int32_t *)at = (int32_t)i;
		return ret;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return read_signed(s, v, INT64_MIN, at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		ret = read_unsigned(s, v, UINT32_MAX, &u);
		*(uint32_t *)at = (uint32_t)u;
		return ret;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return read_unsigned(s, v, UINT64_MAX, at);
	case PROTOBUF_C_TYPE_BOOL:
		return read_bool(s, v, at);
	case PROTOBUF_C_TYPE_ENUM:
		return read_enum(s, v, at);
	case PROTOBUF_C_TYPE_STRING:
		return read_string(s, v, at);
	case PROTOBUF_C_TYPE_BYTES:
		return read_bytes(s, v, at);
	case PROTOBUF_C_TYPE_MESSAGE:
		return read_message(s, v, at);
	default:
		return refuse(s, "is floating point, which no image has");
	}
}

/* An address as text becomes one or four words. */
static size_t read_address(const struct spot *s, const struct json *v, uint32_t words[4])
{
	if (!s->form || s->form->kind != FORM_ADDRESS || v->type != JSON_STRING)
		return 0;
	if (inet_pton(AF_INET, v->text, words) == 1)
		return 1;
	return inet_pton(AF_INET6, v->text, words) == 1 ? 4 : 0;
}

/* The widest value of a field: bytes. */
enum { VALUE_SIZE = sizeof(ProtobufCBinaryData) };

static size_t size_of(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(uint32_t);
	default:
		return sizeof(uint64_t);
	}
}

static int read_array(const struct spot *s, const struct json *v, void *at, size_t *n_ret)
{
	bool address = s->form && s->form->kind == FORM_ADDRESS;
	size_t size = size_of(s->f), n = 0, words;
	char *items;

	if (v->type != JSON_ARRAY)
		return refuse(s, "is not an array");

	items = arena_alloc(s->arena, v->len * (address ? 4 * size : size) + VALUE_SIZE);
	for (v = v->first; v; v = v->next) {
		words = read_address(s, v, (uint32_t *)(items + n * size));
		if (words == 0 && read_value(s, v, items + n * size) < 0)
			return -s->err->code;
		n += words ? words : 1;
	}
	*(void **)at = items;
	*n_ret = n;
	return 0;
}

static int read_field(const struct spot *s, const struct json *v, ProtobufCMessage *msg)
{
	void *at = (char *)msg + s->f->offset, *quantifier = (char *)msg + s->f->quantifier_offset;

	if (s->f->label == PROTOBUF_C_LABEL_REPEATED)
		return read_array(s, v, at, quantifier);
	if (s->f->label == PROTOBUF_C_LABEL_OPTIONAL && s->f->type != PROTOBUF_C_TYPE_STRING &&
	    s->f->type != PROTOBUF_C_TYPE_MESSAGE)
		*(protobuf_c_boolean *)quantifier = 1;
	return read_value(s, v, at);
}

/* ---- messages ---- */

static bool is_varint(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!(p[i] & 0x80) != (i + 1 == len))
			return false;
	return len >= 1 && len <= 10;
}

/* Bytes with their length in front. */
static bool is_prefixed(const uint8_t *p, size_t len)
{
	size_t n = 0;
	uint64_t says = 0;

	while (n < len && n < 5 && (n == 0 || p[n - 1] & 0x80)) {
		says |= (uint64_t)(p[n] & 0x7f) << 7 * n;
		n++;
	}
	return is_varint(p, n) && says == len - n;
}

static bool is_wire(const ProtobufCMessageUnknownField *u)
{
	switch (u->wire_type) {
	case PROTOBUF_C_WIRE_TYPE_VARINT:
		return is_varint(u->data, u->len);
	case PROTOBUF_C_WIRE_TYPE_64BIT:
		return u->len == 8;
	case PROTOBUF_C_WIRE_TYPE_32BIT:
		return u->len == 4;
	case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
		return is_prefixed(u->data, u->len);
	default:
		return false;
	}
}

/* The number behind @key of an unknown field. */
static bool get_number(const struct json *v, const char *key, uint64_t *ret)
{
	const struct json *number = json_get(v, key);
	bool negative = false;

	return number && number->type == JSON_NUMBER &&
	       form_read_number(number->text, &negative, ret) && !negative;
}

static bool read_unknown_field(struct arena *a, const ProtobufCMessageDescriptor *desc,
			       const struct json *v, ProtobufCMessageUnknownField *u)
{
	const struct json *data = v->type == JSON_OBJECT ? json_get(v, "data") : NULL;
	uint64_t tag, type;
	void *bytes;

	if (!data || v->len != 3 || !get_number(v, "number", &tag) || tag < 1 || tag >= 1 << 29 ||
	    protobuf_c_message_descriptor_get_field(desc, (unsigned)tag))
		return false;
	if (data->type != JSON_STRING || !get_number(v, "wire_type", &type) || type > 5 ||
	    !json_unbase64(a, data, &bytes, &u->len))
		return false;

	u->tag = (uint32_t)tag;
	u->wire_type = (ProtobufCWireType)type;
	u->data = bytes;
	return is_wire(u);
}

static int read_unknown(struct arena *a, const struct json *v, ProtobufCMessage *msg,
			struct err *err)
{
	bool good = v->type == JSON_ARRAY;

	msg->unknown_fields = arena_array(a, ProtobufCMessageUnknownField, v->len + 1);
	for (const struct json *i = v->first; good && i; i = i->next)
		good = read_unknown_field(a, msg->descriptor, i,
					  &msg->unknown_fields[msg->n_unknown_fields++]);
	if (!good)
		return err_set(err, EBADMSG, "%s.unknown is not what decode writes there",
			       msg->descriptor->name);
	return 0;
}

static int check_required(const ProtobufCMessageDescriptor *desc, const struct json *object,
			  struct err *err)
{
	for (unsigned i = 0; i < desc->n_fields; i++)
		if (desc->fields[i].label == PROTOBUF_C_LABEL_REQUIRED &&
		    !json_get(object, desc->fields[i].name))
			return err_set(err, EBADMSG, "%s.%s is missing", desc->name,
				       desc->fields[i].name);
	return 0;
}

static int read_members(struct arena *a, const ProtobufCMessageDescriptor *desc,
			const struct json *object, const char *except, ProtobufCMessage **msg_ret,
			struct err *err)
{
	ProtobufCMessage *msg = arena_alloc(a, desc->sizeof_message);
	const struct form *forms = forms_of(desc->name);
	struct spot s = { .arena = a, .desc = desc, .err = err };

	protobuf_c_message_init(desc, msg);
	for (const struct json *v = object->first; v; v = v->next) {
		s.f = protobuf_c_message_descriptor_get_field_by_name(desc, v->key);
		s.form = s.f ? form_of(forms, s.f->name) : NULL;
		if (s.f && read_field(&s, v, msg) < 0)
			return -err->code;
		if (s.f || (except && strcmp(v->key, except) == 0))
			continue;
		if (strcmp(v->key, "unknown") != 0)
			return err_set(err, EBADMSG, "%s has no field \"%.40s\"", desc->name,
				       v->key);
		if (read_unknown(a, v, msg, err) < 0)
			return -err->code;
	}
	*msg_ret = msg;
	return check_required(desc, object, err);
}

int message_read(struct arena *a, const ProtobufCMessageDescriptor *desc, const struct json *object,
		 const char *except, ProtobufCMessage **msg_ret, struct err *err)
{
	assert(object->type == JSON_OBJECT);
	return read_members(a, desc, object, except, msg_ret, err);
}
