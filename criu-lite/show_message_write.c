/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * show_message_write - a message as JSON, led by its descriptor
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "show_form.h"
#include "show_message.h"

static const void *member(const ProtobufCMessage *msg, unsigned offset)
{
	return (const char *)msg + offset;
}

/* How many values a field has: of one that may come once, 0 or 1. */
static size_t count_of(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
	const void *at = member(msg, f->offset), *quantifier = member(msg, f->quantifier_offset);

	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)quantifier;
	if (f->label == PROTOBUF_C_LABEL_REQUIRED)
		return 1;
	if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(const void *const *)at && *(const void *const *)at != f->default_value;
	return *(const protobuf_c_boolean *)quantifier != 0;
}

static size_t size_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return sizeof(uint32_t);
	}
}

static void write_unsigned(struct json_out *o, const struct form *form, uint64_t v)
{
	if (form && o->pretty)
		form_write(o, form, v);
	else
		json_number(o, "%" PRIu64, v);
}

/* Below zero there is no form that says more. */
static void write_signed(struct json_out *o, const struct form *form, int64_t v)
{
	if (v >= 0)
		write_unsigned(o, form, (uint64_t)v);
	else
		json_number(o, "%" PRId64, v);
}

static void write_enum(struct json_out *o, const ProtobufCEnumDescriptor *desc, int v)
{
	const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(desc, v);

	if (known)
		json_string(o, known->name, strlen(known->name));
	else
		json_number(o, "%d", v);
}

static void write_bytes(struct json_out *o, const struct form *form, const ProtobufCBinaryData *b)
{
	if (form && form->kind == FORM_UNIX_NAME)
		json_quoted_printable(o, (const char *)b->data, b->len);
	else
		json_base64(o, b->data, b->len);
}

static void write_members(struct json_out *o, const ProtobufCMessage *msg, const struct form *all);

static void write_object(struct json_out *o, const ProtobufCMessage *msg, const struct form *all)
{
	json_open(o, '{');
	write_members(o, msg, all);
	json_close(o, '}');
}

static void write_value(struct json_out *o, const ProtobufCFieldDescriptor *f,
			const struct form *form, const void *at)
{
	const char *string;

	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		write_signed(o, form, *(const int32_t *)at);
		return;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		write_signed(o, form, *(const int64_t *)at);
		return;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		write_unsigned(o, form, *(const uint32_t *)at);
		return;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		write_unsigned(o, form, *(const uint64_t *)at);
		return;
	case PROTOBUF_C_TYPE_FLOAT: /* no image has floating point */
	case PROTOBUF_C_TYPE_DOUBLE:
		json_number(o, "%.17g",
			    f->type == PROTOBUF_C_TYPE_FLOAT ? (double)*(const float *)at
							     : *(const double *)at);
		return;
	case PROTOBUF_C_TYPE_BOOL:
		json_number(o, "%s", *(const protobuf_c_boolean *)at ? "true" : "false");
		return;
	case PROTOBUF_C_TYPE_ENUM:
		write_enum(o, f->descriptor, *(const int *)at);
		return;
	case PROTOBUF_C_TYPE_STRING:
		string = *(const char *const *)at;
		json_string(o, string, strlen(string));
		return;
	case PROTOBUF_C_TYPE_BYTES:
		write_bytes(o, form, at);
		return;
	case PROTOBUF_C_TYPE_MESSAGE:
		write_object(o, *(const ProtobufCMessage *const *)at, form);
		return;
	}
}

/* One word is IPv4, four are IPv6, and others are no address. */
static bool write_address(struct json_out *o, const uint32_t *words, size_t n)
{
	char text[INET6_ADDRSTRLEN];

	if (n != 1 && n != 4)
		return false;
	inet_ntop(n == 1 ? AF_INET : AF_INET6, words, text, sizeof(text));
	json_item(o);
	json_string(o, text, strlen(text));
	return true;
}

static void write_field(struct json_out *o, const ProtobufCFieldDescriptor *f,
			const struct form *form, const void *at, size_t n)
{
	bool address = o->pretty && form && form->kind == FORM_ADDRESS;

	json_key(o, f->name);
	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		write_value(o, f, form, at);
		return;
	}

	at = *(const void *const *)at;
	json_open(o, '[');
	if (!address || !write_address(o, at, n))
		for (size_t i = 0; i < n; i++) {
			json_item(o);
			write_value(o, f, form, (const char *)at + i * size_of(f->type));
		}
	json_close(o, ']');
}

static void write_unknown(struct json_out *o, const ProtobufCMessage *msg)
{
	json_key(o, "unknown");
	json_open(o, '[');
	for (unsigned i = 0; i < msg->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *u = &msg->unknown_fields[i];

		json_item(o);
		json_open(o, '{');
		json_key(o, "number");
		json_number(o, "%u", u->tag);
		json_key(o, "wire_type");
		json_number(o, "%d", (int)u->wire_type);
		json_key(o, "data");
		json_base64(o, u->data, u->len);
		json_close(o, '}');
	}
	json_close(o, ']');
}

/* @all is the form of the field that this message is in: hexadecimal is inherited. */
static void write_members(struct json_out *o, const ProtobufCMessage *msg, const struct form *all)
{
	const struct form *forms = forms_of(msg->descriptor->name), *form;

	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
		size_t n = count_of(msg, f);

		if (n == 0)
			continue;
		form = form_of(forms, f->name);
		write_field(o, f, form ? form : all, member(msg, f->offset), n);
	}
	if (msg->n_unknown_fields)
		write_unknown(o, msg);
}

void message_write(struct json_out *o, const ProtobufCMessage *msg)
{
	write_members(o, msg, NULL);
}
