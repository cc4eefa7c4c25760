/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * json - the language of config.json, and of what runtimes say
 *
 * Numbers stay the text that they are: limits have 64 bits, and more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "oci-hook/json.h"

enum { DEEPEST = 100 };

struct parser {
	struct arena *a;
	const char *p;
	int depth;
};

/* ---- reading ---- */

static struct json *parse_value(struct parser *ps);

static void skip_blanks(struct parser *ps)
{
	ps->p += strspn(ps->p, " \t\r\n");
}

static bool take(struct parser *ps, char c)
{
	skip_blanks(ps);
	if (*ps->p != c)
		return false;
	ps->p++;
	return true;
}

static bool parse_hex(struct parser *ps, unsigned int *ret)
{
	char digits[5] = "";
	char *end;

	strncpy(digits, ps->p, 4);
	*ret = (unsigned int)strtoul(digits, &end, 16);
	if (end != digits + 4 || digits[0] == '-' || digits[0] == '+' || digits[0] == ' ')
		return false;
	ps->p += 4;
	return true;
}

/* As UTF-8; what is above 0xffff comes in two halves. */
static bool parse_unicode(struct parser *ps, char **to)
{
	unsigned int c, low;
	char *o = *to;

	if (!parse_hex(ps, &c) || c == 0)
		return false;
	if (c >= 0xd800 && c < 0xdc00) {
		if (strncmp(ps->p, "\\u", 2) != 0)
			return false;
		ps->p += 2;
		if (!parse_hex(ps, &low) || low < 0xdc00 || low > 0xdfff)
			return false;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	if (c < 0x80) {
		*o++ = (char)c;
	} else if (c < 0x800) {
		*o++ = (char)(0xc0 | c >> 6);
		*o++ = (char)(0x80 | (c & 0x3f));
	} else {
		if (c < 0x10000) {
			*o++ = (char)(0xe0 | c >> 12);
		} else {
			*o++ = (char)(0xf0 | c >> 18);
			*o++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*o++ = (char)(0x80 | (c >> 6 & 0x3f));
		*o++ = (char)(0x80 | (c & 0x3f));
	}
	*to = o;
	return true;
}

static bool parse_escape(struct parser *ps, char **to)
{
	static const char from[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *found = *ps->p ? strchr(from, *ps->p) : NULL;

	if (*ps->p == 'u') {
		ps->p++;
		return parse_unicode(ps, to);
	}
	if (!found)
		return false;
	*(*to)++ = means[found - from];
	ps->p++;
	return true;
}

/* Behind the first quote. */
static const char *parse_string(struct parser *ps)
{
	const char *end = ps->p;
	char *s, *to;

	while (*end && *end != '"')
		end += *end == '\\' && end[1] ? 2 : 1;
	s = to = arena_alloc(ps->a, (size_t)(end - ps->p) + 1);
	while (*ps->p && *ps->p != '"') {
		if (*ps->p != '\\')
			*to++ = *ps->p++;
		else if (ps->p++, !parse_escape(ps, &to))
			return NULL;
	}
	return *ps->p++ ? s : NULL;
}

static bool parse_members(struct parser *ps, struct json *j)
{
	bool named = j->type == JSON_OBJECT;
	char end = named ? '}' : ']';
	const char *name = NULL;
	struct json *item;

	if (take(ps, end))
		return true;
	do {
		if (named && (!take(ps, '"') || !(name = parse_string(ps)) || !take(ps, ':')))
			return false;
		item = parse_value(ps);
		if (!item)
			return false;
		item->name = name;
		*vec_add(ps->a, &j->items) = item;
	} while (take(ps, ','));
	return take(ps, end);
}

static struct json *parse_container(struct parser *ps, enum json_type type)
{
	struct json *j = json_new(ps->a, type, NULL);
	bool good = ++ps->depth < DEEPEST && parse_members(ps, j);

	ps->depth--;
	return good ? j : NULL;
}

static struct json *parse_word(struct parser *ps)
{
	size_t n = strspn(ps->p, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");
	const char *word = arena_printf(ps->a, "%.*s", (int)n, ps->p);

	ps->p += n;
	if (strcmp(word, "null") == 0)
		return json_new(ps->a, JSON_NULL, word);
	if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
		return json_new(ps->a, JSON_BOOL, word);
	if (n && (*word == '-' || (*word >= '0' && *word <= '9')) &&
	    strspn(word, "+-.0123456789eE") == n)
		return json_new(ps->a, JSON_NUMBER, word);
	return NULL;
}

static struct json *parse_value(struct parser *ps)
{
	const char *s;

	if (take(ps, '{'))
		return parse_container(ps, JSON_OBJECT);
	if (take(ps, '['))
		return parse_container(ps, JSON_ARRAY);
	if (!take(ps, '"'))
		return parse_word(ps);
	s = parse_string(ps);
	return s ? json_new(ps->a, JSON_STRING, s) : NULL;
}

int json_of_text(struct arena *a, const char *text, struct json **ret, struct err *err)
{
	struct parser ps = { .a = a, .p = text };

	*ret = parse_value(&ps);
	skip_blanks(&ps);
	if (*ret && !*ps.p)
		return 0;
	err_set(err, EBADMSG, "cannot understand it");
	err_why(err, "it is no JSON at byte %zu", (size_t)(ps.p - text));
	return err_hint(err, "see whether it is damaged");
}

int json_read(struct arena *a, const char *path, struct json **ret, struct err *err)
{
	char *text;
	size_t len;
	int code = io_slurp_at(AT_FDCWD, path, a, &text, &len);

	if (code < 0) {
		err_set(err, -code, "cannot read %s", path);
		return err_hint(err, "see whether this is the right container");
	}
	return json_of_text(a, text, ret, err) < 0 ? err_in(err, "%s", path) : 0;
}

/* ---- writing ---- */

static void write_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if ((unsigned char)*s < ' ')
			fprintf(f, "\\u%04x", *s);
		else
			fputc(*s, f);
	}
	fputc('"', f);
}

static void write_value(FILE *f, const struct json *j)
{
	bool is_object = j->type == JSON_OBJECT;

	if (j->type == JSON_STRING) {
		write_string(f, j->text);
		return;
	}
	if (j->type != JSON_ARRAY && !is_object) {
		fputs(j->text, f);
		return;
	}
	fputc(is_object ? '{' : '[', f);
	for (size_t i = 0; i < j->items.n; i++) {
		if (i)
			fputc(',', f);
		if (is_object) {
			write_string(f, j->items.items[i]->name);
			fputc(':', f);
		}
		write_value(f, j->items.items[i]);
	}
	fputc(is_object ? '}' : ']', f);
}

char *json_text(struct arena *a, const struct json *j)
{
	scoped_ptr char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return arena_strdup(a, "");
	write_value(f, j);
	fclose(f);
	return arena_strdup(a, text);
}

static int write_file(const struct json *j, const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int ret;

	if (!f)
		return -1;
	write_value(f, j);
	ret = fchmod(fd, mode) < 0 || ferror(f) ? -1 : 0;
	return fclose(f) < 0 ? -1 : ret;
}

int json_write(struct arena *a, const struct json *j, const char *path, struct err *err)
{
	const char *draft = arena_printf(a, "%s.new", path);
	struct stat st = { .st_mode = 0600 };

	stat(path, &st);
	if (write_file(j, draft, st.st_mode & 07777) == 0 && rename(draft, path) == 0)
		return 0;
	err_sys(err, "cannot write %s", path);
	unlink(draft);
	return err_hint(err, "see whether there is room, and the permission");
}

/* ---- looking and changing ---- */

static struct json *member(const struct json *j, const char *name, size_t n)
{
	for (size_t i = 0; j && j->type == JSON_OBJECT && i < j->items.n; i++)
		if (strncmp(j->items.items[i]->name, name, n) == 0 && !j->items.items[i]->name[n])
			return j->items.items[i];
	return NULL;
}

struct json *json_member(const struct json *object, const char *name)
{
	return member(object, name, strlen(name));
}

struct json *json_find(const struct json *j, const char *path)
{
	while (j) {
		size_t n = strcspn(path, ".");

		j = member(j, path, n);
		if (!path[n])
			break;
		path += n + 1;
	}
	return (struct json *)j;
}

const char *json_string_at(const struct json *j, const char *path)
{
	const struct json *v = json_find(j, path);

	return v && v->type == JSON_STRING ? v->text : NULL;
}

bool json_is_true(const struct json *j, const char *path)
{
	const struct json *v = json_find(j, path);

	return v && v->type == JSON_BOOL && strcmp(v->text, "true") == 0;
}

long json_number_at(const struct json *j, const char *path)
{
	const struct json *v = json_find(j, path);

	return v && v->type == JSON_NUMBER ? strtol(v->text, NULL, 10) : 0;
}

struct json *json_new(struct arena *a, enum json_type type, const char *text)
{
	struct json *j = arena_new(a, struct json);

	j->type = type;
	j->text = text;
	return j;
}

void json_set(struct arena *a, struct json *object, const char *name, struct json *value)
{
	value->name = name;
	for (size_t i = 0; i < object->items.n; i++)
		if (strcmp(object->items.items[i]->name, name) == 0) {
			object->items.items[i] = value;
			return;
		}
	*vec_add(a, &object->items) = value;
}

void json_remove(struct json *object, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; object && i < object->items.n; i++)
		if (strcmp(object->items.items[i]->name, name) != 0)
			object->items.items[n++] = object->items.items[i];
	if (object)
		object->items.n = n;
}

void json_append(struct arena *a, struct json *array, struct json *value)
{
	*vec_add(a, &array->items) = value;
}
