/* SPDX-License-Identifier: GPL-2.0-only */
/* what the kinds read in /proc/PID/fdinfo/FD */
#include <stdlib.h>
#include <string.h>

#include "core/kind.h"
#include "core/task.h"

extern const struct file_kind epoll_kind, eventfd_kind, fanotify_kind, inotify_kind, pidfd_kind,
	signalfd_kind;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct file_kind *const kinds[] = { &epoll_kind,	&eventfd_kind, &fanotify_kind,
						 &inotify_kind, &pidfd_kind,   &signalfd_kind };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree tree = { 0 };
	struct arena arena;
	struct dump d = { .arena = &arena, .tree = &tree, .proc = -1 };
	char *text = malloc(size + 1);
	size_t i;

	memcpy(text, data, size);
	text[size] = '\0';
	list_init(&tree.tasks);
	arena_init(&arena);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct fd_probe p = {
			.fd = 3, .own = -1, .fdinfo = text, .link = "", .proc_ref = ""
		};
		struct err err = { 0 };
		FileEntry fe = FILE_ENTRY__INIT;
		int ret = kinds[i]->collect(&d, &p, &fe, &err);

		if ((ret < 0) != (err.code != 0))
			abort();
	}
	arena_fini(&arena);
	free(text);
	return 0;
}
