/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * what show reads: an image, and JSON
 *
 * What can be decoded can be encoded, and is the same when decoded again.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "show_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The JSON of the image in @fd, or NULL; the caller frees it. */
static char *decode(int fd, bool pretty)
{
	struct json_out o = { .pretty = pretty };
	struct err err = { 0 };
	struct arena arena;
	char *text = NULL;
	size_t len;
	int ret;

	o.f = open_memstream(&text, &len);
	arena_init(&arena);
	ret = show_decode(&arena, fd, "x", false, &o, &err);
	arena_fini(&arena);
	fclose(o.f);
	if ((ret < 0) != (err.code != 0))
		abort();
	if (ret == 0)
		return text;
	free(text);
	return NULL;
}

/* The image of @text in a new file, or -1. */
static int encode(const char *text, size_t len)
{
	scoped_fd fd = memfd_create("image", MFD_CLOEXEC);
	struct err err = { 0 };
	struct arena arena;
	int ret;

	arena_init(&arena);
	ret = show_encode(&arena, arena_dup(&arena, text, len + 1), len, fd, &err);
	arena_fini(&arena);
	if ((ret < 0) != (err.code != 0))
		abort();
	return ret < 0 ? -1 : take_fd(&fd);
}

/* @fd: anything; if it is an image, the way to JSON and back loses nothing. */
static void there_and_back(int fd, bool pretty)
{
	scoped_ptr char *first = decode(fd, pretty);
	scoped_ptr char *second = NULL;

	if (!first)
		return;

	scoped_fd again = encode(first, strlen(first));
	if (again < 0)
		abort();
	second = decode(again, pretty);
	if (!second || strcmp(first, second) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_json = size > 0 && (*data == '{' || *data == '[' || *data == ' ');
	bool pretty = size % 2;
	char *text;

	scoped_fd fd = memfd_create("image", MFD_CLOEXEC);
	if (!is_json && io_write(fd, data, size) == 0) {
		there_and_back(fd, pretty);
		return 0;
	}

	text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	scoped_fd image = encode(text, size);
	free(text);
	if (image >= 0)
		there_and_back(image, pretty);
	return 0;
}
