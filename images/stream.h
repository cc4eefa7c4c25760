/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IMAGES_STREAM_H
#define IMAGES_STREAM_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "images/store.h"

/*
 * All images of a checkpoint as one stream: in pieces, each with a checksum
 * and, if asked for, compressed by as many threads as there are CPUs.  The
 * format is in Documentation/images.md.
 */
enum stream_codec_type { STREAM_PLAIN, STREAM_LZ4, STREAM_ZSTD };

struct stream_codec {
	enum stream_codec_type type;
	int level; /* 0: the usual one of the library */
};

/* The stream in a directory, when its images are compressed. */
#define STREAM_FILE "images.stream"

/* "lz4", "lz4:LEVEL", "zstd", "zstd:LEVEL"; else -EINVAL. */
int stream_codec_parse(const char *word, struct stream_codec *codec_ret, struct err *err);

/*
 * A store whose files go to @out (taken, also when it fails) as a stream.
 * Pages go there at once, through pipes: such a file takes no seek, and each
 * may be open beside others.  All else is kept in memory until store_finish().
 *
 * @dir (borrowed, -1: none) gets a plain inventory.img too, which tools look
 * for; it is the last that is written, and the first that is removed.
 */
int store_open_stream(struct arena *a, int out, int dir, const struct stream_codec *codec,
		      struct store **store_ret, struct err *err);

/*
 * Unpack a stream from @in, up to its end and no byte more, into directory
 * @dir.  Every piece is verified: -EBADMSG names the file and place of the
 * first that is not as it was written, and the end if it is missing.
 */
int stream_unpack(int in, int dir, struct err *err);

/* A directory in memory that only the caller knows; he closes it, and it is gone. */
int stream_memory_dir(struct err *err);

#endif
