/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * text - a cursor for the text of /proc
 */
#include <string.h>

#include "base/text.h"

struct text text_of(const char *s, size_t len)
{
	return (struct text){ s, s + len };
}

bool text_line(struct text *t, struct text *line_ret)
{
	const char *nl;

	if (t->p >= t->end)
		return false;

	nl = memchr(t->p, '\n', (size_t)(t->end - t->p));
	*line_ret = (struct text){ t->p, nl ? nl : t->end };
	t->p = nl ? nl + 1 : t->end;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

void text_skip_blanks(struct text *t)
{
	while (t->p < t->end && is_blank(*t->p))
		t->p++;
}

bool text_word(struct text *t, struct slice *word_ret)
{
	const char *p = t->p, *start;

	while (p < t->end && is_blank(*p))
		p++;
	for (start = p; p < t->end && !is_blank(*p) && *p != '\n'; p++)
		;
	if (p == start)
		return false;

	*word_ret = (struct slice){ start, (size_t)(p - start) };
	t->p = p;
	return true;
}

bool text_lit(struct text *t, const char *lit)
{
	size_t n = strlen(lit);

	if ((size_t)(t->end - t->p) < n || memcmp(t->p, lit, n) != 0)
		return false;
	t->p += n;
	return true;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

static bool text_number(struct text *t, unsigned int base, uint64_t *ret)
{
	const char *p = t->p, *start;
	uint64_t v = 0;

	while (p < t->end && is_blank(*p))
		p++;
	for (start = p; p < t->end; p++) {
		unsigned int digit = (unsigned int)digit_of(*p);

		if (digit >= base)
			break;
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit, &v))
			return false;
	}
	if (p == start)
		return false;

	*ret = v;
	t->p = p;
	return true;
}

bool text_u64(struct text *t, uint64_t *ret)
{
	return text_number(t, 10, ret);
}

bool text_hex(struct text *t, uint64_t *ret)
{
	return text_number(t, 16, ret);
}

bool text_oct(struct text *t, uint64_t *ret)
{
	return text_number(t, 8, ret);
}

bool text_s64(struct text *t, int64_t *ret)
{
	struct text s = *t;
	uint64_t v;
	bool minus;

	text_skip_blanks(&s);
	minus = text_lit(&s, "-");
	if (!text_number(&s, 10, &v) || v > (uint64_t)INT64_MAX)
		return false;

	*ret = minus ? -(int64_t)v : (int64_t)v;
	*t = s;
	return true;
}

bool text_bits(struct text *t, uint64_t *ret)
{
	struct text s = *t;
	uint64_t v;
	bool minus;

	text_skip_blanks(&s);
	minus = text_lit(&s, "-");
	if (!text_u64(&s, &v))
		return false;

	*ret = minus ? -v : v;
	*t = s;
	return true;
}

bool slice_is(struct slice s, const char *lit)
{
	return s.n == strlen(lit) && memcmp(s.p, lit, s.n) == 0;
}

bool text_find(const char *s, const char *key, struct text *value_ret)
{
	struct text t = text_of(s, strlen(s)), line;

	while (text_line(&t, &line)) {
		if (!text_lit(&line, key))
			continue;
		text_skip_blanks(&line);
		*value_ret = line;
		return true;
	}
	return false;
}
