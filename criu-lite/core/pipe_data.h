/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_PIPE_DATA_H
#define CORE_PIPE_DATA_H

#include "base/vec.h"
#include "core/context.h"
#include "images/image.h"
#include "images/pipe-data.pb-c.h"

/*
 * What is inside a pipe or a fifo, as pipes-data.img and fifo-data.img have it:
 * bytes, and where among them packets (O_DIRECT) end.
 */
struct pipe_data {
	PipeDataEntry *entry;
	char *bytes;
};

typedef vec(struct pipe_data) pipe_data_list;

/* Bytes inside. */
int pipe_inside(int fd, struct err *err);

/* A pipe whose ends do not block, of @size bytes; 0: as large as they are.  The caller owns both. */
int pipe_new(int size, int *read_end_ret, int *write_end_ret, struct err *err);

/* Refused with a hint if the machine does not allow so much. */
int pipe_set_size(int fd, uint32_t size, struct err *err);

/*
 * Dump: put a copy of what is inside into *@img, which is created with @type if
 * it is NULL.  @fd can read; nothing is taken out.
 */
int pipe_data_write(struct dump *d, enum image_type type, struct image **img, uint32_t pipe_id,
		    int fd, struct err *err);

/* Restore: all there is in the image, none if there is no such image. */
int pipe_data_read(struct restore *r, enum image_type type, pipe_data_list *ret, struct err *err);

/* Put it into an empty pipe through @fd, which can write and does not block. */
int pipe_data_put(const struct pipe_data *p, int fd, struct err *err);

#endif
