/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options_words - from words to options: the command line and configuration files
 *
 * Options and operands may stand in any order, as with GNU's getopt; "--" ends
 * the options.  In a file there is one option per line, without its dashes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "options_words.h"

static int err_use(struct err *err, const char *name, const char *why)
{
	err_set(err, EINVAL, "cannot use --%s", name);
	err_why(err, "%s", why);
	return err_hint(err, "see criu-lite --help");
}

/* ---- values ---- */

static bool parse_size(const char *value, uint64_t max, bool units, uint64_t *ret)
{
	static const char unit_letters[] = "KMG";
	unsigned long long v;
	const char *unit;
	char *end;

	if (*value < '0' || *value > '9')
		return false;
	errno = 0;
	v = strtoull(value, &end, 10);
	if (errno)
		return false;
	if (units && *end && (unit = strchr(unit_letters, *end)) != NULL) {
		if (__builtin_mul_overflow(v, 1ull << (10 * (unit - unit_letters + 1)), &v))
			return false;
		end++;
	}
	*ret = v;
	return *end == '\0' && v <= max;
}

static bool is_choice(const char *choices, const char *value)
{
	size_t n = strlen(value);

	for (const char *c = choices; *c; c += strspn(c, " ")) {
		size_t len = strcspn(c, " ");

		if (len == n && memcmp(c, value, n) == 0)
			return true;
		c += len;
	}
	return false;
}

static int err_value(struct err *err, const struct option_row *row, const char *value)
{
	err_set(err, EINVAL, "cannot use --%s %s", row->name, value);
	if (row->choices) {
		err_why(err, "this is not one of: %s", row->choices);
		return err_hint(err, "give one of them");
	}
	err_why(err, "this is not a number that it takes");
	return err_hint(err, "give --%s %s", row->name, row->arg);
}

/* @value is NULL for an option without one. */
static int row_store(struct option_reader *r, const struct option_row *row, const char *value,
		     bool no, struct err *err)
{
	void *to = (char *)r->o + row->at;
	uint64_t v = 0;

	if (row->choices && value && !is_choice(row->choices, value))
		return err_value(err, row, value);
	if (row->store == STORE_UINT || row->store == STORE_SIZE) {
		bool units = row->store == STORE_SIZE;

		if (!parse_size(value, units ? UINT64_MAX : UINT32_MAX, units, &v))
			return err_value(err, row, value);
	}

	switch (row->store) {
	case STORE_NOTHING:
		break;
	case STORE_BOOL:
		*(bool *)to = !no;
		break;
	case STORE_STRING:
		*(const char **)to = value;
		break;
	case STORE_LIST:
		*vec_add(r->a, (opt_strings *)to) = value;
		break;
	case STORE_UINT:
		*(unsigned int *)to = (unsigned int)v;
		break;
	case STORE_SIZE:
		*(uint64_t *)to = v;
		break;
	case STORE_CALL:
		return row->set(r->o, r->a, value, err);
	}
	return 0;
}

/* What was given and is cleared again was never given. */
static void row_forget(struct option_reader *r, const struct option_row *row)
{
	size_t n = 0;

	for (size_t i = 0; i < r->o->given.n; i++)
		if (r->o->given.items[i] != row)
			r->o->given.items[n++] = r->o->given.items[i];
	r->o->given.n = n;
}

static int row_take(struct option_reader *r, const struct option_row *row, const char *value,
		    bool no, struct err *err)
{
	if (no)
		row_forget(r, row);
	else
		*vec_add(r->a, &r->o->given) = row;
	if (strcmp(row->name, "config") == 0)
		*vec_add(r->a, &r->files) = value;
	if (strcmp(row->name, "no-default-config") == 0)
		r->no_default_files = true;
	return row_store(r, row, value, no, err);
}

/* ---- names ---- */

static const struct option_row *row_by_name(const char *name, size_t n)
{
	for (const struct option_row *row = option_rows; row->name; row++)
		if (strlen(row->name) == n && memcmp(row->name, name, n) == 0)
			return row;
	return NULL;
}

static const struct option_row *row_by_letter(char letter)
{
	for (const struct option_row *row = option_rows; row->name; row++)
		if (row->letter == letter)
			return row;
	return NULL;
}

/* "no-NAME" is found as NAME, if that can be cleared. */
static const struct option_row *row_find(const char *name, size_t n, bool *no_ret)
{
	const struct option_row *row = row_by_name(name, n);

	*no_ret = false;
	if (row || n <= 3 || memcmp(name, "no-", 3) != 0)
		return row;

	row = row_by_name(name + 3, n - 3);
	*no_ret = true;
	return row && row->no ? row : NULL;
}

static int err_unknown(struct err *err, const char *name, size_t n)
{
	const struct option_row *row;

	err_set(err, EINVAL, "cannot use --%.*s", (int)n, name);
	err_why(err, "there is no such option");
	for (row = option_rows; row->name; row++)
		if (n >= 3 && strncmp(row->name, name, n) == 0)
			return err_hint(err, "do you mean --%s?", row->name);
	return err_hint(err, "see criu-lite --help");
}

static bool takes_value(const struct option_row *row)
{
	return row->arg && !(row->arg[0] == '[' && row->arg[strlen(row->arg) - 1] == ']');
}

/* ---- the command line ---- */

struct argv_cursor {
	char **next;
	bool early; /* only early options are taken; the others, only when it is false */
};

static int take_if_wanted(struct option_reader *r, const struct argv_cursor *c,
			  const struct option_row *row, const char *value, bool no, struct err *err)
{
	return row->early == c->early ? row_take(r, row, value, no, err) : 0;
}

static int read_long(struct option_reader *r, struct argv_cursor *c, const char *word,
		     struct err *err)
{
	size_t n = strcspn(word, "=");
	const char *value = word[n] ? word + n + 1 : NULL;
	const struct option_row *row;
	bool no;

	row = row_find(word, n, &no);
	if (!row)
		return err_unknown(err, word, n);
	if (value && (no || !row->arg))
		return err_use(err, word, "it takes no value");
	if (!no && !value && takes_value(row)) {
		value = *c->next;
		if (!value)
			return err_use(err, row->name, "its value is missing");
		c->next++;
	}
	return take_if_wanted(r, c, row, value, no, err);
}

/* "-jR", "-t5", "-t 5", "-v4", "-vvv" */
static int read_short(struct option_reader *r, struct argv_cursor *c, const char *word,
		      struct err *err)
{
	while (*word) {
		const struct option_row *row = row_by_letter(*word);
		const char *value = NULL;

		if (!row) {
			err_set(err, EINVAL, "cannot use -%c", *word);
			err_why(err, "there is no such option");
			return err_hint(err, "see criu-lite --help");
		}
		word++;
		if (row->arg && *word) {
			value = word;
			word += strlen(word);
		} else if (takes_value(row)) {
			value = *c->next;
			if (!value)
				return err_use(err, row->name, "its value is missing");
			c->next++;
		}
		if (take_if_wanted(r, c, row, value, false, err) < 0)
			return -err->code;
	}
	return 0;
}

int words_read_argv(struct option_reader *r, char **argv, bool early, struct err *err)
{
	struct argv_cursor c = { .next = argv, .early = early };
	bool options = true;

	while (*c.next) {
		const char *word = *c.next++;
		int ret = 0;

		if (options && strcmp(word, "--") == 0)
			options = false;
		else if (options && strncmp(word, "--", 2) == 0)
			ret = read_long(r, &c, word + 2, err);
		else if (options && word[0] == '-' && word[1])
			ret = read_short(r, &c, word + 1, err);
		else if (!early)
			*vec_add(r->a, &r->operands) = word;
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* ---- configuration files ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/*
 * The next word of a line, in place; NULL at its end or at a comment.  Quotes
 * keep blanks and #; in them, \" is a quote.  *ok_ret is false if one is open.
 */
static char *config_word(char **at, bool *ok_ret)
{
	char *p = *at, *word, *to;
	bool quoted;

	while (is_blank(*p))
		p++;
	if (!*p || *p == '#')
		return NULL;

	quoted = *p == '"';
	p += quoted;
	for (word = to = p; *p; *to++ = *p++) {
		if (quoted ? *p == '"' : is_blank(*p) || *p == '#')
			break;
		if (quoted && p[0] == '\\' && p[1] == '"')
			p++;
	}
	if (quoted && *p != '"')
		*ok_ret = false;
	/* what ends the word may be needed: a comment behind it goes on to the end */
	*at = *p == '#' ? p + strlen(p) : p + (*p != '\0');
	*to = '\0';
	return word;
}

static int read_config_line(struct option_reader *r, char *line, struct err *err)
{
	const struct option_row *row;
	bool ok = true, no;
	char *name = config_word(&line, &ok);
	char *value = name ? config_word(&line, &ok) : NULL;

	if (!ok || (value && config_word(&line, &ok))) {
		err_set(err, EINVAL, "Unsupported configuration file format");
		err_why(err, "there is more than an option and its value, or a quote is open");
		return err_hint(err, "write one option per line: name value");
	}
	if (!name)
		return 0;

	row = row_find(name, strlen(name), &no);
	if (!row)
		return err_unknown(err, name, strlen(name));
	if (value && (no || !row->arg))
		return err_use(err, name, "it takes no value");
	if (!value && !no && takes_value(row))
		return err_use(err, name, "its value is missing");
	/* the files to read are settled before the first one is read */
	return row->early ? 0 : row_take(r, row, value, no, err);
}

int words_read_file(struct option_reader *r, const char *path, struct err *err)
{
	char *text, *line;

	if (io_slurp_at(AT_FDCWD, path, r->a, &text, NULL) < 0)
		return 0;

	for (int n = 1; (line = strsep(&text, "\n")) != NULL; n++)
		if (read_config_line(r, line, err) < 0)
			return err_in(err, "%s: line %d", path, n);
	return 0;
}
