/* SPDX-License-Identifier: GPL-2.0-only */
/* the parsers of /proc; the first byte says which */
#include <stdlib.h>
#include <string.h>

#include "core/proc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(char which, const char *s, size_t len, struct arena *a)
{
	struct proc_stat stat;
	struct proc_status status;
	struct proc_fdinfo fdinfo;
	proc_vma_list vmas = { 0 };
	pid_list pids = { 0 };

	switch (which) {
	case 's':
		if (proc_parse_stat(s, len, &stat) && strlen(stat.comm) >= sizeof(stat.comm))
			abort();
		break;
	case 'u':
		if (proc_parse_status(s, len, a, &status) && status.nspid_depth <= 0)
			abort();
		break;
	case 'c':
		proc_parse_children(s, len, a, &pids);
		break;
	case 'm':
		if (proc_parse_maps(s, len, a, &vmas))
			for (size_t i = 0; i < vmas.n; i++)
				if (vmas.items[i].start >= vmas.items[i].end ||
				    strlen(vmas.items[i].name) > len)
					abort();
		break;
	case 'f':
		proc_parse_fdinfo(s, len, &fdinfo);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	char *s;

	if (size == 0)
		return 0;
	s = malloc(size);
	memcpy(s, data + 1, size - 1);
	s[size - 1] = '\0';
	arena_init(&a);
	parse((char)data[0], s, size - 1, &a);
	arena_fini(&a);
	free(s);
	return 0;
}
