/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHOW_FORM_H
#define SHOW_FORM_H

#include <stdbool.h>
#include <stdint.h>

#include "show_json.h"

/* How a number of an image is shown to people: only for show*.c. */
enum form_kind {
	FORM_HEX,	/* also of all numbers in a message */
	FORM_DEV,	/* "MAJOR:MINOR" of the kernel's own dev_t */
	FORM_STAT_DEV,	/* the same of the one that stat(2) gives */
	FORM_FLAGS,	/* "A | B | 0x40", 0 is "" */
	FORM_NAME,	/* a name, or else the number */
	FORM_ADDRESS,	/* an array: one IP address in its place */
	FORM_UNIX_NAME, /* bytes as quoted-printable, for programs too */
};

struct form {
	const char *message, *field;
	enum form_kind kind;
	const struct word *words;
};

/* All forms of a message, and among them that of a field; NULL: it has none. */
const struct form *forms_of(const char *message);
const struct form *form_of(const struct form *forms, const char *field);

/* For all numbers inside of a message of FORM_HEX that have none of their own. */
extern const struct form form_hex;

/* @v as people see it. */
void form_write(struct json_out *o, const struct form *form, uint64_t v);

/* The other way; @form may be NULL.  False: this is no such text. */
bool form_read(const struct form *form, const char *text, uint64_t *ret);

/* "12", "0x1f", "0o17", "0b1"; a sign only in front of the first; false if it is no number. */
bool form_read_number(const char *text, bool *negative_ret, uint64_t *ret);

#endif
