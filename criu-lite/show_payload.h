/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHOW_PAYLOAD_H
#define SHOW_PAYLOAD_H

#include "images/image.h"
#include "show_json.h"

/*
 * What follows some entries in their image, as the member "extra" of an entry:
 * only for show*.c.  In brief, it is only said how much there is.
 */

/* Take it from the image, also if the entry has none. */
int payload_write(struct json_out *o, enum image_type type, struct image *img,
		  const ProtobufCMessage *entry, bool brief, struct err *err);

/* Into the image.  @extra is NULL if there is no such member. */
int payload_read(struct arena *a, enum image_type type, struct image *img,
		 const ProtobufCMessage *entry, const struct json *extra, struct err *err);

/* Do entries of this type have a member "extra"? */
bool payload_is_known(enum image_type type);

/* Does what follows this entry go on to the end of the file? */
bool payload_is_last(enum image_type type, const ProtobufCMessage *entry);

#endif
