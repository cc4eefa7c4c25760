/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_DEDUP_H
#define CORE_DEDUP_H

#include "core/context.h"
#include "images/types.h"

/*
 * Pages that nobody needs any more are taken out of images: holes are punched
 * into their files, which stay as long as they are.
 *
 * dedup_image: what this image has itself, out of all dumps before it.
 * dedup_dir: the same for all images of a directory.
 * dedup_restored: all that a restore from this directory has read, wherever it is.
 */
int dedup_image(struct arena *a, struct store *s, enum image_type type, unsigned long id,
		struct err *err);
int dedup_dir(struct arena *a, struct store *s, struct err *err);
int dedup_restored(struct restore *r, struct err *err);

#endif
