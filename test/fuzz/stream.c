/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * the reader of streams: behind a byte 'r' the input is one as it is; else it is
 * what stands in its frames, and gets the checksums that let it through
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "images/stream_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One frame as the input has it. */
struct word {
	uint8_t type, file, codec, offset;
	uint16_t raw, stored;
};

static void put(int fd, const void *buf, size_t len)
{
	if (write(fd, buf, len) != (ssize_t)len)
		abort();
}

static void put_frames(int fd, const uint8_t *data, size_t size)
{
	struct word w;

	put(fd, STREAM_MAGIC, STREAM_MAGIC_SIZE);
	for (uint64_t seq = 0; size >= sizeof(w); seq++) {
		struct frame f = { 0 };

		memcpy(&w, data, sizeof(w));
		data += sizeof(w);
		size -= sizeof(w);
		f.type = w.type;
		f.file = w.file;
		f.codec = w.codec;
		f.raw = w.raw;
		f.offset = (uint64_t)w.offset << 20;
		f.stored = w.stored < size ? w.stored : (uint32_t)size;
		f.sum = frame_sum(&f, seq, data);
		put(fd, &f, sizeof(f));
		put(fd, data, f.stored);
		data += f.stored;
		size -= f.stored;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int in = memfd_create("stream", MFD_CLOEXEC), dir;
	struct err err = { 0 };

	dir = stream_memory_dir(&err);
	if (in < 0 || dir < 0)
		abort();
	if (size && data[0] == 'r')
		put(in, data + 1, size - 1);
	else
		put_frames(in, data, size);
	lseek(in, 0, SEEK_SET);
	stream_unpack(in, dir, &err);
	close(in);
	close(dir);
	return 0;
}
