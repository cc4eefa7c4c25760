/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IMAGES_STREAM_PACK_H
#define IMAGES_STREAM_PACK_H

#include "images/stream_frame.h"

/* To the packer, with the descriptor of a file; without a name and a descriptor: that was all. */
struct pack_request {
	char name[STREAM_NAME_MAX + 1];
};

/*
 * The packer, a process of its own: takes files from @sock, writes the stream
 * to @out, and at last sends a struct err through @sock, with code 0 if all of
 * it is written.  Files are read until they end; several at a time if they are
 * pipes.  If @sock closes before all was said, the stream ends without its end.
 */
void stream_packer(int sock, int out, const struct stream_codec *codec) __attribute__((noreturn));

#endif
