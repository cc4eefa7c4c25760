/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record - what all records of open files have in common
 *
 * The members id, flags and fown stand in nearly every message of files.img,
 * each time at another place; their descriptors say where.
 */
#include <string.h>

#include "core/record.h"

void *record_of(struct arena *a, const ProtobufCMessageDescriptor *desc)
{
	ProtobufCMessage *m = arena_alloc(a, desc->sizeof_message);

	protobuf_c_message_init(desc, m);
	return m;
}

ProtobufCMessage *record_of_file(const FileEntry *fe)
{
	const ProtobufCMessageDescriptor *desc = fe->base.descriptor;
	unsigned int i;

	for (i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &desc->fields[i];

		if (f->type == PROTOBUF_C_TYPE_MESSAGE && *(void **)((char *)fe + f->offset))
			return *(void **)((char *)fe + f->offset);
	}
	return NULL;
}

static void *member_of(const FileEntry *fe, const char *name, ProtobufCType type)
{
	ProtobufCMessage *m = record_of_file(fe);
	const ProtobufCFieldDescriptor *f;

	if (!m)
		return NULL;
	f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	return f && f->type == type && f->label == PROTOBUF_C_LABEL_REQUIRED ? (char *)m + f->offset : NULL;
}

uint32_t *record_id(const FileEntry *fe)
{
	return member_of(fe, "id", PROTOBUF_C_TYPE_UINT32);
}

uint32_t *record_flags(const FileEntry *fe)
{
	return member_of(fe, "flags", PROTOBUF_C_TYPE_UINT32);
}

FownEntry **record_fown(const FileEntry *fe)
{
	return member_of(fe, "fown", PROTOBUF_C_TYPE_MESSAGE);
}
