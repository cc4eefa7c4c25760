/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * show_read - JSON from anybody
 *
 * Strings shrink in place when their escapes are replaced, so nothing is copied.
 * What there may be at most is far above what an image needs.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "show_json.h"

enum { LEVELS_MAX = 256, VALUES_MAX = 1 << 24, KEYS_MAX = 200 };

struct reader {
	struct arena *arena;
	char *p, *end;
	unsigned line, level, values;
	struct err *err;
};

static int refuse(struct reader *r, const char *what)
{
	return err_set(r->err, EBADMSG, "line %u: %s", r->line, what);
}

static void skip_blanks(struct reader *r)
{
	for (; r->p < r->end && strchr(" \t\r\n", *r->p) && *r->p; r->p++)
		r->line += *r->p == '\n';
}

/* This character comes next, behind blanks. */
static bool take(struct reader *r, char c)
{
	skip_blanks(r);
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* ---- strings ---- */

static bool take_hex4(struct reader *r, uint32_t *ret)
{
	uint32_t v = 0;

	if (r->end - r->p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = r->p[i];

		if (!isxdigit((unsigned char)c))
			return false;
		v = v << 4 | (uint32_t)(isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10);
	}
	r->p += 4;
	*ret = v;
	return true;
}

static char *put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (c & 0x3f));
	return to;
}

/* Behind "\u": a character, the first half of one, or a byte that is none. */
static int take_unicode(struct reader *r, char **to)
{
	uint32_t c, low;

	if (!take_hex4(r, &c))
		return refuse(r, "\\u is not followed by four digits");
	if (c >= 0xdc80 && c <= 0xdcff) {
		*(*to)++ = (char)c;
		return 0;
	}
	if (c >= 0xd800 && c < 0xe000) {
		if (c >= 0xdc00 || r->end - r->p < 2 || r->p[0] != '\\' || r->p[1] != 'u')
			return refuse(r, "half a character");
		r->p += 2;
		if (!take_hex4(r, &low) || low < 0xdc00 || low >= 0xe000)
			return refuse(r, "half a character");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	*to = put_utf8(*to, c);
	return 0;
}

static int take_escape(struct reader *r, char **to)
{
	static const char letters[] = "\"\\/nrtbf", meaning[] = "\"\\/\n\r\t\b\f";
	const char *which = r->p < r->end && *r->p ? strchr(letters, *r->p) : NULL;

	if (which) {
		*(*to)++ = meaning[which - letters];
		r->p++;
		return 0;
	}
	if (r->p < r->end && *r->p == 'u') {
		r->p++;
		return take_unicode(r, to);
	}
	return refuse(r, "there is no such escape");
}

/* Behind the opening quote; the closing one becomes a NUL if nothing else does. */
static int take_string(struct reader *r, const char **text_ret, size_t *len_ret)
{
	char *start = r->p, *to = r->p;

	while (r->p < r->end && *r->p != '"') {
		if ((unsigned char)*r->p < ' ')
			return refuse(r, "a control character in a string");
		if (*r->p != '\\') {
			*to++ = *r->p++;
			continue;
		}
		r->p++;
		if (take_escape(r, &to) < 0)
			return -r->err->code;
	}
	if (r->p == r->end)
		return refuse(r, "a string does not end");
	r->p++;
	*to = '\0';
	*text_ret = start;
	*len_ret = (size_t)(to - start);
	return 0;
}

/* ---- values ---- */

static int take_value(struct reader *r, struct json **value_ret);

/* Of keys that are the same, Python lets the last one win; that would lose the others. */
static int take_key(struct reader *r, const struct json *object, const char **key_ret)
{
	size_t len;

	if (!take(r, '"'))
		return refuse(r, "a key in quotes is missing");
	if (take_string(r, key_ret, &len) < 0)
		return -r->err->code;
	if (memchr(*key_ret, 0, len))
		return refuse(r, "a key with a NUL in it");
	if (json_get(object, *key_ret))
		return err_set(r->err, EBADMSG, "line %u: \"%.40s\" is there twice", r->line,
			       *key_ret);
	if (!take(r, ':'))
		return refuse(r, "a colon is missing");
	return 0;
}

/* An object or array, behind its opening bracket. */
static int take_list(struct reader *r, struct json *list, char close)
{
	struct json **next = &list->first;

	if (take(r, close))
		return 0;
	do {
		const char *key = NULL;

		/* few keys are known anywhere, so comparing each with all costs little */
		if (close == '}' && list->len >= KEYS_MAX)
			return refuse(r, "an object of too many keys");
		if (close == '}' && take_key(r, list, &key) < 0)
			return -r->err->code;
		if (take_value(r, next) < 0)
			return -r->err->code;
		(*next)->key = key;
		next = &(*next)->next;
		list->len++;
	} while (take(r, ','));

	return take(r, close) ? 0 : refuse(r, "a comma or closing bracket is missing");
}

static bool take_word(struct reader *r, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return false;
	r->p += n;
	return true;
}

/* Whether it is a whole number, and fits, is a question of the field it is for. */
static int take_number(struct reader *r, struct json *v)
{
	size_t n = strspn(r->p, "+-.0123456789eE");
	char *text;

	if (!isdigit((unsigned char)*r->p) && *r->p != '-')
		return refuse(r, "a value is missing");
	if (n > 40)
		return refuse(r, "a number that is too long");
	/* a NUL behind it would be in the place of what follows */
	text = arena_dup(r->arena, r->p, n + 1);
	text[n] = '\0';
	v->text = text;
	v->len = n;
	v->type = JSON_NUMBER;
	r->p += n;
	return 0;
}

static int take_plain(struct reader *r, struct json *v)
{
	if (take_word(r, "true") || take_word(r, "false")) {
		v->type = JSON_BOOL;
		v->yes = r->p[-2] == 'u';
		return 0;
	}
	if (take_word(r, "null")) {
		v->type = JSON_NULL;
		return 0;
	}
	return take_number(r, v);
}

static int take_value(struct reader *r, struct json **value_ret)
{
	struct json *v;
	int ret;

	if (++r->values > VALUES_MAX)
		return refuse(r, "too many values");
	v = arena_new(r->arena, struct json);

	if (take(r, '"')) {
		v->type = JSON_STRING;
		ret = take_string(r, &v->text, &v->len);
	} else if (take(r, '{') || take(r, '[')) {
		bool object = r->p[-1] == '{';

		v->type = object ? JSON_OBJECT : JSON_ARRAY;
		if (++r->level > LEVELS_MAX)
			return refuse(r, "too many brackets inside of each other");
		ret = take_list(r, v, object ? '}' : ']');
		r->level--;
	} else {
		ret = take_plain(r, v);
	}
	*value_ret = v;
	return ret;
}

int json_parse(struct arena *a, char *text, size_t len, struct json **value_ret, struct err *err)
{
	struct reader r = { .arena = a, .p = text, .end = text + len, .line = 1, .err = err };
	struct json *v;

	if (take_value(&r, &v) < 0)
		return -err->code;
	skip_blanks(&r);
	if (r.p < r.end)
		return refuse(&r, "there is more behind the end");
	*value_ret = v;
	return 0;
}

const struct json *json_get(const struct json *object, const char *key)
{
	for (const struct json *v = object->first; v; v = v->next)
		if (v->key && strcmp(v->key, key) == 0)
			return v;
	return NULL;
}

/* ---- bytes in strings ---- */

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool json_unbase64(struct arena *a, const struct json *s, void **bytes_ret, size_t *len_ret)
{
	uint8_t *bytes = arena_alloc(a, s->len / 4 * 3 + 3);
	size_t len = 0, digits = 0, pads = 0;
	uint32_t v = 0;

	for (size_t i = 0; i < s->len; i++) {
		int d = base64_digit(s->text[i]);

		if (s->text[i] == '\n' || s->text[i] == '\r')
			continue;
		pads += s->text[i] == '=';
		if (s->text[i] == '=' ? pads > 2 : d < 0 || pads > 0)
			return false;
		v = v << 6 | (uint32_t)(d < 0 ? 0 : d);
		if (++digits % 4 != 0)
			continue;
		bytes[len++] = (uint8_t)(v >> 16);
		bytes[len++] = (uint8_t)(v >> 8);
		bytes[len++] = (uint8_t)v;
	}
	if (digits % 4 != 0)
		return false;
	*bytes_ret = bytes;
	*len_ret = len - pads;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool json_unquote_printable(struct arena *a, const struct json *s, void **bytes_ret,
			    size_t *len_ret)
{
	char *bytes = arena_alloc(a, s->len + 1);
	size_t len = 0;

	for (size_t i = 0; i < s->len; i++) {
		size_t left = s->len - i;
		const char *p = s->text + i;

		if (*p != '=') {
			bytes[len++] = *p;
		} else if (left > 1 && p[1] == '\n') {
			i += 1; /* the line goes on */
		} else if (left > 2 && p[1] == '\r' && p[2] == '\n') {
			i += 2;
		} else if (left > 2 && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
			bytes[len++] = (char)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
			i += 2;
		} else {
			return false;
		}
	}
	*bytes_ret = bytes;
	*len_ret = len;
	return true;
}
