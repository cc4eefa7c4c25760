/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHOW_MESSAGE_H
#define SHOW_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "show_json.h"

/*
 * Any message as the members of an object, and back: only for show*.c.
 *
 * What the message does not know, and packs again all the same, is a last
 * member "unknown": an array of { "number", "wire_type", "data": base64 }.
 */

/* In the order of field numbers; what is not set is not there. */
void message_write(struct json_out *o, const ProtobufCMessage *msg);

/*
 * A message of @desc in @a from the members of @object, but not from the one
 * called @except (NULL: from all).  Plain forms and those for people are taken.
 * -EBADMSG: the sentence is "vma_entry.start is missing".
 */
int message_read(struct arena *a, const ProtobufCMessageDescriptor *desc, const struct json *object,
		 const char *except, ProtobufCMessage **msg_ret, struct err *err);

#endif
