/* SPDX-License-Identifier: GPL-2.0-only */
/* configuration files */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "options.h"
#include "options_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* These act at once, on our own descriptors. */
static bool is_harmful(const uint8_t *data, size_t size)
{
	static const char *const words[] = { "close", "debug" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (memmem(data, size, words[i], strlen(words[i])))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct options o = { 0 };
	struct option_reader r = { .o = &o, .a = &a };
	struct err err;
	char path[64];
	int fd;

	if (is_harmful(data, size))
		return 0;
	fd = memfd_create("config", MFD_CLOEXEC);
	if (write(fd, data, size) < 0)
		return 0;
	lseek(fd, 0, SEEK_SET);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

	arena_init(&a);
	words_read_file(&r, path, &err);
	arena_fini(&a);
	close(fd);
	return 0;
}
