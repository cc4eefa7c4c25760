/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHOW_IMAGE_H
#define SHOW_IMAGE_H

#include "show_json.h"

/*
 * A whole image as JSON, and back: only for show*.c.  Encoding what was decoded
 * gives the same bytes.  @fd is that of a regular file; @name is for errors.
 */

/*
 * { "magic": ..., "entries": [...] }.  In brief, payload is left out.  What an
 * image is, its first words say.  -EBADMSG: it is none, or damaged; @o has got
 * a part of it then.
 */
int show_decode(struct arena *a, int fd, const char *name, bool brief, struct json_out *o,
		struct err *err);

/* { "magic": ..., "count": ... }, without the head of a page map. */
int show_count(struct arena *a, int fd, const char *name, struct json_out *o, struct err *err);

/* @text is used up.  -EBADMSG: no JSON, or not that of an image. */
int show_encode(struct arena *a, char *text, size_t len, int fd, struct err *err);

#endif
