/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHOW_JSON_H
#define SHOW_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"

/*
 * JSON, only for show*.c.  The libraries that Debian has do not do: jansson has
 * no 64-bit unsigned numbers, json-c takes what is no JSON, and both lose names
 * that are not UTF-8.  Here a byte that is no part of a character is written as
 * \udcXX, as Python does, and read back as that byte.
 */

/* ---- writing, in the layout of Python's json.dump ---- */

struct json_out {
	FILE *f;
	bool pretty; /* a line for each value, four blanks for each level */
	unsigned level;
	bool follows; /* there is something in front of the next one */
};

/* @bracket is '{' or '['; '}' or ']'. */
void json_open(struct json_out *o, char bracket);
void json_close(struct json_out *o, char bracket);

/* Before each value in an object, and in an array. */
void json_key(struct json_out *o, const char *key);
void json_item(struct json_out *o);

void json_string(struct json_out *o, const char *s, size_t len);
void json_number(struct json_out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Base64 in lines of BASE64_LINE bytes each, all of them ended.  A string in
 * pieces: all but the last one are whole lines.
 */
enum { BASE64_LINE = 57 };
void json_base64(struct json_out *o, const void *bytes, size_t len);
void json_base64_piece(struct json_out *o, const void *bytes, size_t len);

/* Quoted-printable: text is left as it is. */
void json_quoted_printable(struct json_out *o, const char *s, size_t len);

/* ---- reading ---- */

enum json_type { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_BOOL, JSON_NULL };

struct json {
	enum json_type type;
	bool yes;	  /* of a bool */
	const char *key;  /* in an object */
	const char *text; /* of a string or number; a NUL is behind it */
	size_t len;	  /* of that; of what is in an array or object: how many */
	struct json *first, *next;
};

/*
 * One value, and nothing behind it.  @text of @len bytes, with a NUL behind, is
 * used up: values point into it.  Keys in one object may not be the same.
 * -EBADMSG: not JSON; the sentence is "line 3: a comma is missing".
 */
int json_parse(struct arena *a, char *text, size_t len, struct json **value_ret, struct err *err);

/* What stands behind @key in an object, or NULL. */
const struct json *json_get(const struct json *object, const char *key);

/* Newlines are skipped; false if this is not base64. */
bool json_unbase64(struct arena *a, const struct json *s, void **bytes_ret, size_t *len_ret);
bool json_unquote_printable(struct arena *a, const struct json *s, void **bytes_ret,
			    size_t *len_ret);

#endif
