/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * show_write - JSON to a stream, byte for byte as Python writes it
 *
 * All is ASCII.  A stream that fails says so when it is closed, so nobody asks
 * before.
 */
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "show_json.h"

/* ---- layout ---- */

static void new_line(struct json_out *o)
{
	fprintf(o->f, "\n%*s", (int)o->level * 4, "");
}

void json_item(struct json_out *o)
{
	if (o->follows)
		putc(',', o->f);
	if (o->pretty)
		new_line(o);
	else if (o->follows)
		putc(' ', o->f);
	o->follows = true;
}

void json_key(struct json_out *o, const char *key)
{
	json_item(o);
	json_string(o, key, strlen(key));
	fputs(": ", o->f);
}

void json_open(struct json_out *o, char bracket)
{
	putc(bracket, o->f);
	o->level++;
	o->follows = false;
}

void json_close(struct json_out *o, char bracket)
{
	o->level--;
	if (o->pretty && o->follows)
		new_line(o);
	putc(bracket, o->f);
	o->follows = true;
}

void json_number(struct json_out *o, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(o->f, fmt, args);
	va_end(args);
}

/* ---- strings ---- */

/* The bytes of the character at @s, of at most @len; 0: it is none. */
static size_t utf8_char(const char *s, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char lead = (unsigned char)*s;
	size_t n = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	uint32_t c = n > 1 ? lead & (0x7fu >> n) : lead;

	if (n == 0 || n > len || lead > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}

static void put_char(FILE *f, uint32_t c)
{
	static const char plain[] = "\"\\\n\r\t\b\f", letter[] = "\"\\nrtbf";
	const char *special = c && c < 128 ? strchr(plain, (int)c) : NULL;

	if (special)
		fprintf(f, "\\%c", letter[special - plain]);
	else if (c >= ' ' && c <= '~')
		putc((int)c, f);
	else if (c < 0x10000)
		fprintf(f, "\\u%04x", c);
	else
		fprintf(f, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
			0xdc00 + ((c - 0x10000) & 0x3ff));
}

void json_string(struct json_out *o, const char *s, size_t len)
{
	putc('"', o->f);
	while (len > 0) {
		uint32_t c = 0xdc00 | (unsigned char)*s;
		size_t n = utf8_char(s, len, &c);

		put_char(o->f, c);
		n = n ? n : 1;
		s += n;
		len -= n;
	}
	putc('"', o->f);
}

/* ---- bytes ---- */

/* At most BASE64_LINE bytes. */
static void base64_line(FILE *f, const uint8_t *b, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char line[BASE64_LINE / 3 * 4 + 2], *p = line;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)b[i] << 16 | (n > 1 ? b[i + 1] << 8 : 0) |
			     (n > 2 ? b[i + 2] : 0);

		for (size_t k = 0; k < 4; k++)
			*p++ = k > n ? '=' : digits[v >> (18 - 6 * k) & 63];
	}
	*p++ = '\\';
	*p++ = 'n';
	fwrite(line, 1, (size_t)(p - line), f);
}

void json_base64_piece(struct json_out *o, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i += BASE64_LINE)
		base64_line(o->f, b + i, len - i < BASE64_LINE ? len - i : BASE64_LINE);
}

void json_base64(struct json_out *o, const void *bytes, size_t len)
{
	putc('"', o->f);
	json_base64_piece(o, bytes, len);
	putc('"', o->f);
}

/*
 * The rules are those of Python's quopri: blanks are quoted only at the end of
 * a line, a dot only if it is the whole line.  A carriage return is always
 * quoted here; Python would change other line ends when it sees one.
 */
static bool must_quote(const char *s, size_t i, size_t len, size_t column)
{
	unsigned char c = (unsigned char)s[i];
	bool ends = i + 1 == len || s[i + 1] == '\n';

	if (c == ' ' || c == '\t')
		return ends;
	if (c == '.' && column == 0)
		return ends || s[i + 1] == '\r' || s[i + 1] == '\0';
	return c > '~' || c == '=' || (c < ' ' && c != '\n');
}

void json_quoted_printable(struct json_out *o, const char *s, size_t len)
{
	enum { WIDTH = 76 };
	size_t column = 0;

	putc('"', o->f);
	for (size_t i = 0; i < len; i++) {
		bool quote = must_quote(s, i, len, column);
		bool ends = i + 1 == len || s[i + 1] == '\n';

		if (s[i] == '\n') {
			put_char(o->f, '\n');
			column = 0;
			continue;
		}
		if (quote ? column + 3 >= WIDTH : !ends && column + 1 >= WIDTH) {
			fputs("=\\n", o->f);
			column = 0;
		}
		if (quote)
			fprintf(o->f, "=%02X", (unsigned char)s[i]);
		else
			put_char(o->f, (unsigned char)s[i]);
		column += quote ? 3 : 1;
	}
	putc('"', o->f);
}
