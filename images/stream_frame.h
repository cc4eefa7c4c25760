/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IMAGES_STREAM_FRAME_H
#define IMAGES_STREAM_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "images/stream.h"

/* A stream begins so; a second one may follow a first that was given up. */
#define STREAM_MAGIC "CRIULTS1"

enum { STREAM_MAGIC_SIZE = 8, FRAME_BYTES = 1 << 20, STREAM_NAME_MAX = 255 };

enum frame_type {
	FRAME_FILE = 1, /* a file begins; its name */
	FRAME_DATA,	/* a piece of it */
	FRAME_END,	/* all has been said; file is the number of files */
};

/* In the stream as it is here, all little endian; then the payload, @stored bytes. */
struct frame {
	uint32_t type;
	uint32_t file; /* from 0 */
	uint32_t codec;
	uint32_t raw; /* bytes that it stands for, at most FRAME_BYTES */
	uint32_t stored;
	uint32_t zero;
	uint64_t offset; /* in the file */
	uint64_t sum;
};

/* Threads do not share it.  NULL: there is no memory for it. */
struct frame_coder;

struct frame_coder *frame_coder_new(void);
void frame_coder_free(struct frame_coder *c);

/* The largest payload there can be. */
size_t frame_stored_max(void);

/* What stands in frame.sum: of all else in the frame, its payload, and its place @seq in the stream. */
uint64_t frame_sum(const struct frame *f, uint64_t seq, const void *payload);

/*
 * The payload of frame.raw bytes at @raw: at @packed (of frame_stored_max()), or
 * @raw itself if it cannot be made smaller.  Sets codec and stored.
 */
const void *frame_pack(struct frame_coder *c, const struct stream_codec *codec, struct frame *f,
		       const void *raw, void *packed);

/* The other way: frame.raw bytes, at @raw or in @payload itself; NULL if they are none. */
const void *frame_unpack(struct frame_coder *c, const struct frame *f, const void *payload,
			 void *raw);

#endif
