/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * proc_maps - what a task has mapped: /proc/PID/{maps,smaps}
 *
 * The kernel writes a newline in a name as \012 and leaves backslashes alone,
 * so a file that is really called "a\012b" cannot be told from one with a
 * newline.  Likewise one that is really called "a (deleted)".  Whoever needs the
 * file itself goes through /proc/PID/map_files.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/text.h"
#include "core/proc.h"

static const char *copy(struct arena *a, const char *p, size_t n)
{
	char *s;

	if (!n)
		return "";
	s = arena_alloc(a, n + 1);
	memcpy(s, p, n);
	return s;
}

/* "\012" back into a newline, in place. */
static void unescape(char *s)
{
	char *to = strchr(s, '\\');

	if (!to)
		return;
	for (const char *from = to; *from; to++) {
		bool newline = strncmp(from, "\\012", 4) == 0;

		*to = newline ? '\n' : *from;
		from += newline ? 4 : 1;
	}
	*to = '\0';
}

static void parse_name(struct text *t, struct arena *a, struct proc_vma *v)
{
	static const char mark[] = " (deleted)";
	const size_t mark_len = sizeof(mark) - 1;
	size_t n;

	text_skip_blanks(t);
	n = (size_t)(t->end - t->p);
	v->deleted = n > mark_len && *t->p == '/' && memcmp(t->end - mark_len, mark, mark_len) == 0;
	v->name = copy(a, t->p, v->deleted ? n - mark_len : n);
	if (*v->name)
		unescape((char *)v->name);
}

/* "55d0c0a00000-55d0c0a02000 r--p 00001000 fd:01 1234      /usr/bin/cat" */
static bool parse_vma(struct text *t, struct arena *a, struct proc_vma *v)
{
	struct slice prot;
	uint64_t major, minor;

	if (!text_hex(t, &v->start) || !text_lit(t, "-") || !text_hex(t, &v->end) ||
	    v->start >= v->end)
		return false;
	if (!text_word(t, &prot) || prot.n != sizeof(v->prot))
		return false;
	memcpy(v->prot, prot.p, sizeof(v->prot));

	if (!text_hex(t, &v->pgoff) || !text_hex(t, &major) || !text_lit(t, ":") ||
	    !text_hex(t, &minor) || !text_u64(t, &v->ino))
		return false;
	v->dev = makedev((unsigned int)major, (unsigned int)minor);
	v->vm_flags = "";
	parse_name(t, a, v);
	return true;
}

/* Lines of smaps about one area begin with a capital, those with addresses do not. */
static bool is_detail(const struct text *line)
{
	return line->p < line->end && *line->p >= 'A' && *line->p <= 'Z';
}

static void parse_detail(struct text *line, struct arena *a, struct proc_vma *v)
{
	if (!text_lit(line, "VmFlags:"))
		return;
	text_skip_blanks(line);
	while (line->end > line->p && line->end[-1] == ' ')
		line->end--;
	v->vm_flags = copy(a, line->p, (size_t)(line->end - line->p));
}

bool proc_parse_maps(const char *s, size_t len, struct arena *a, proc_vma_list *ret)
{
	struct text t = text_of(s, len), line;

	while (text_line(&t, &line)) {
		if (!is_detail(&line)) {
			if (!parse_vma(&line, a, vec_add(a, ret)))
				return false;
		} else if (ret->n) {
			parse_detail(&line, a, &ret->items[ret->n - 1]);
		} else {
			return false;
		}
	}
	return true;
}

/* The text is many times what is kept of it, so it has memory of its own. */
static int read_maps(int proc, const char *path, struct arena *a, proc_vma_list *ret,
		     struct err *err)
{
	struct arena text_arena;
	char *text;
	size_t len;
	int failed;

	arena_init(&text_arena);
	failed = proc_slurp(proc, path, &text_arena, &text, &len, err);
	if (failed == 0 && !proc_parse_maps(text, len, a, ret)) {
		err_set(err, EPROTO, "cannot understand /proc/%s", path);
		err_why(err, "it is not as any known kernel writes it");
		failed = err_hint(err, "see whether /proc is the kernel's own, not a replacement");
	}
	arena_fini(&text_arena);
	return failed;
}

int proc_read_smaps(int proc, pid_t pid, struct arena *a, proc_vma_list *ret, struct err *err)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/smaps", pid);
	return read_maps(proc, path, a, ret, err);
}

int proc_read_maps(int proc, pid_t pid, struct arena *a, proc_vma_list *ret, struct err *err)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/maps", pid);
	return read_maps(proc, path, a, ret, err);
}

int proc_read_own_maps(int proc, struct arena *a, proc_vma_list *ret, struct err *err)
{
	return read_maps(proc, "self/maps", a, ret, err);
}
