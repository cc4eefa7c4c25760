/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A cursor over text that the kernel wrote.  Nothing is copied and nothing is
 * written; every function moves the cursor only if it returns true.
 */
struct text {
	const char *p, *end;
};

/* A piece of it: not NUL-terminated. */
struct slice {
	const char *p;
	size_t n;
};

struct text text_of(const char *s, size_t len);

/* The next line without its newline; false at the end. */
bool text_line(struct text *t, struct text *line_ret);

void text_skip_blanks(struct text *t);
/* The next word up to a blank (space or tab); false if there is none. */
bool text_word(struct text *t, struct slice *word_ret);
/* Exactly this string is next. */
bool text_lit(struct text *t, const char *lit);
/* Numbers, with blanks allowed in front. */
bool text_u64(struct text *t, uint64_t *ret);
bool text_s64(struct text *t, int64_t *ret);
/* A signed number that may use all 64 bits when it is not negative: its bits. */
bool text_bits(struct text *t, uint64_t *ret);
bool text_hex(struct text *t, uint64_t *ret);
bool text_oct(struct text *t, uint64_t *ret);

bool slice_is(struct slice s, const char *lit);

/*
 * The value behind "key" at the start of a line of @s, blanks skipped; false if
 * there is no such line.  The key includes its colon: "Pid:".
 */
bool text_find(const char *s, const char *key, struct text *value_ret);

#endif
