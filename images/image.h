/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IMAGES_IMAGE_H
#define IMAGES_IMAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "images/store.h"
#include "images/types.h"

/*
 * One image, being written or being read: magic, then entries (a size and a
 * message), some of them with payload behind.  Errors name the file and the
 * entry (from 1), and have a hint.
 *
 * The store must stay open as long as the image.
 */
struct image;

/*
 * Writing
 *
 * A file of that name is removed at once; the new one is made at the first
 * put, so a list without entries leaves no file.  Mode 0644 less the umask.
 */
int image_create(struct store *s, enum image_type type, unsigned long id, struct image **img_ret,
		 struct err *err);

/* The same, but the file is made even if nothing is put. */
int image_create_now(struct store *s, enum image_type type, unsigned long id,
		     struct image **img_ret, struct err *err);

/* Append an entry.  @msg is borrowed; -EINVAL if a required field of it is NULL. */
int image_put(struct image *img, const ProtobufCMessage *msg, struct err *err);

/* Append payload (padding is the caller's), or content to a raw image. */
int image_put_raw(struct image *img, const void *buf, size_t len, struct err *err);

/* A whole image of one entry and no payload. */
int image_put_one(struct store *s, enum image_type type, unsigned long id,
		  const ProtobufCMessage *msg, struct err *err);

/*
 * Reading
 *
 * If there is no such file, *@found_ret is false, the result 0, and *@img_ret
 * untouched.  Messages go into @a, which is kept.  -EBADMSG: not this image.
 */
int image_open(struct store *s, enum image_type type, unsigned long id, struct arena *a,
	       struct image **img_ret, bool *found_ret, struct err *err);

/*
 * The next entry as a message of @desc, or NULL for what the image has at this
 * place.  Returns 1, or 0 at the end of the file.  -EBADMSG: damaged; see
 * message_unpack() for what a message promises.
 *
 * Payload must have been read or skipped: it is not told from entries.
 */
int image_get(struct image *img, const ProtobufCMessageDescriptor *desc, void **msg_ret,
	      struct err *err);

/* The next @len bytes.  Fewer are an error: -EBADMSG. */
int image_get_raw(struct image *img, void *buf, size_t len, struct err *err);
int image_skip(struct image *img, uint64_t len, struct err *err);

/* Bytes from here to the end of the file; -1 if the store cannot know (a stream). */
int64_t image_left(struct image *img);

/*
 * The only entry of an image without payload.  Bytes behind it, or no entry at
 * all, are -EBADMSG.  No such file: as image_open().
 */
int image_get_one(struct store *s, enum image_type type, unsigned long id, struct arena *a,
		  void **msg_ret, bool *found_ret, struct err *err);

/*
 * Both
 *
 * The descriptor (borrowed), at the current place in the file and with nothing
 * left in our buffer, for splice, sendfile and the like.  What the caller reads
 * or writes there moves the place for the functions above too.  Of an image
 * being written the file is made if need be.  A stream that is read has no
 * such descriptor once bytes of it are buffered: -ESPIPE.
 */
int image_fd(struct image *img, struct err *err);

/* Its file name, for errors; as long as the image. */
const char *image_name(const struct image *img);

/*
 * Takes @img, NULL is allowed.  After writing, this is where a late error comes
 * out; the file is then left as it is.
 */
int image_close(struct image *img, struct err *err);

/* For every way out: end without writing what is buffered. */
void image_abandon(struct image *img);

static inline void scoped_image_end(struct image **img)
{
	image_abandon(*img);
}

/* scoped_image *img = NULL; ... return image_close(take_ptr(img), err); */
#define scoped_image __attribute__((cleanup(scoped_image_end))) struct image

#endif
