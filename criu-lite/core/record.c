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

/* The field of a file_entry that a type has its record in, 0: it is none of ours. */
static unsigned int field_of_type(FdTypes type)
{
	static const uint8_t fields[] = {
		[FD_TYPES__REG] = 3,	   [FD_TYPES__INETSK] = 4,    [FD_TYPES__NS] = 5,
		[FD_TYPES__PACKETSK] = 6,  [FD_TYPES__NETLINKSK] = 7, [FD_TYPES__EVENTFD] = 8,
		[FD_TYPES__EVENTPOLL] = 9, [FD_TYPES__SIGNALFD] = 10, [FD_TYPES__TUNF] = 11,
		[FD_TYPES__TIMERFD] = 12,  [FD_TYPES__INOTIFY] = 13,  [FD_TYPES__FANOTIFY] = 14,
		[FD_TYPES__EXT] = 15,	   [FD_TYPES__UNIXSK] = 16,   [FD_TYPES__FIFO] = 17,
		[FD_TYPES__PIPE] = 18,	   [FD_TYPES__TTY] = 19,      [FD_TYPES__MEMFD] = 20,
		[FD_TYPES__BPFMAP] = 21,   [FD_TYPES__PIDFD] = 22,
	};

	return (size_t)type < sizeof(fields) ? fields[type] : 0;
}

ProtobufCMessage *record_of_file(const FileEntry *fe)
{
	const ProtobufCFieldDescriptor *f;

	f = protobuf_c_message_descriptor_get_field(fe->base.descriptor, field_of_type(fe->type));
	return f ? *(ProtobufCMessage **)((char *)fe + f->offset) : NULL;
}

static void *member_of(const FileEntry *fe, const char *name, ProtobufCType type)
{
	ProtobufCMessage *m = record_of_file(fe);
	const ProtobufCFieldDescriptor *f;

	if (!m)
		return NULL;
	f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	return f && f->type == type && f->label == PROTOBUF_C_LABEL_REQUIRED ? (char *)m + f->offset
									     : NULL;
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
