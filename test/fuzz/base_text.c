/* SPDX-License-Identifier: GPL-2.0-only */
/* the cursor over text of /proc, with every function on every rest of a line */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(struct text line)
{
	struct slice w;
	struct text t;
	uint64_t u;
	int64_t s;

	while (line.p < line.end) {
		t = line;
		if (text_u64(&t, &u) && t.p <= line.p)
			abort();
		t = line;
		if (text_s64(&t, &s) && t.p <= line.p)
			abort();
		t = line;
		text_hex(&t, &u);
		t = line;
		text_oct(&t, &u);
		t = line;
		text_lit(&t, "Pid:");
		if (!text_word(&line, &w))
			break;
		slice_is(w, "sleep");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text t = text_of((const char *)data, size), line;
	char *s;

	while (text_line(&t, &line))
		read_all(line);

	s = malloc(size + 1);
	memcpy(s, data, size);
	s[size] = '\0';
	if (text_find(s, "Pid:", &line))
		read_all(line);
	free(s);
	return 0;
}
