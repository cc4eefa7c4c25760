/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IMAGES_UNPACK_H
#define IMAGES_UNPACK_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

enum {
	UNPACK_MAX = 64 << 20, /* bytes of one message */
	UNPACK_DEPTH = 100,    /* messages inside messages */
};

/*
 * A message from bytes that nobody has looked at before, all of it in @a.
 *
 * On success it has every required field, every enum has a known value, and no
 * string contains a NUL.  Fields that the message does not know are kept and
 * packed again, as protobuf wants it: see n_unknown_fields.  Numbers, counts of
 * repeated fields and lengths of bytes are the business of the caller.
 *
 * Refused with -EBADMSG is also what protobuf would accept and nobody writes: a
 * field that may come once and comes twice, nesting deeper than UNPACK_DEPTH,
 * a message longer than UNPACK_MAX, and one that would take more memory than 64
 * times its length and 1 MiB.
 *
 * The sentence of the error is "fown_entry.uid is missing": the caller says
 * where by err_in().
 */
int message_unpack(struct arena *a, const ProtobufCMessageDescriptor *desc, const void *buf,
		   size_t len, void **msg_ret, struct err *err);

#endif
